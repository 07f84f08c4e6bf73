"""Where a result comes from: device, versions, git revision."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lt import files

TRAINING = ("lt/data", "lt/nets", "lt/train")
OTHERS = ("lt/methods/__init__.py", "lt/score/predict.py", "lt/score/validation.py")

PACKAGES = ("torch", "torchvision", "numpy", "scipy")


def machine(device: torch.device, *packages: str) -> dict[str, Any]:
    """Return the device's name, a CPU's instruction set, threads, and versions of what computes.

    packages: more of these than PACKAGES.
    """
    return {
        "device": _device_name(device),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in (*PACKAGES, *packages)},
        },
    }


def revision() -> dict[str, Any]:
    """Return the git revision, and whether code or params differ from it.

    The revision is None outside of git.
    """
    # not results and dvc.lock, which every run changes
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "*.py", "*params.yaml")
    return {"git": _git("rev-parse", "HEAD"), "git_dirty": bool(changed)}


def code(*methods: str) -> str:
    """Return the SHA-256 of all code that the outcome of a training depends on.

    Args:
        methods: hashes of the methods' files (`lt.params.method_code`).
    """
    root = Path(__file__).parents[1]
    found = sorted(path for name in TRAINING for path in (root / name).glob("**/*.py"))
    found = [path for path in found if path.name[0] != "."]  # an editor's lock
    found += [root / name for name in OTHERS]
    hashes = [(str(path.relative_to(root)), files.sha256(path)) for path in found]
    return files.digest([hashes, methods])


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "cpu"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
