"""What the train stage costs beside training: its start, and a checkpoint.

The stage runs on the digits, as dvc.yaml runs it. Its start is all that is neither training nor
test pass: Python, imports, data, results.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import report, setting
from lt.nets import backbones
from lt.train.checkpoint import Checkpoints, Saved

ROOT = Path(__file__).parents[1]


def workplace(folder: Path) -> Path:
    """Make a folder to run stages in that leaves this one alone; DVC is not needed."""
    for name in ("lt", "stages", "dvc.yaml", "params.yaml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "data").mkdir()
    (folder / "data/dvc.yaml").symlink_to(ROOT / "data/dvc.yaml")
    (folder / "data/archives").symlink_to((ROOT / "data/archives").resolve())
    return folder


def stage(folder: Path, name: str, *arguments: str) -> float:
    """Run a stage and return its seconds; params are for `resolve`."""
    command = [sys.executable, "-m", f"stages.{name}", *arguments]
    env = {**os.environ, "LT_SCRATCH": str(folder / ".scratch")}

    def call() -> None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)
        if done.returncode:
            raise RuntimeError(done.stderr)

    return report.seconds(call)


def timing(folder: Path) -> dict[str, float]:
    """Return train_s and test_s of the last training."""
    values: dict[str, float] = json.loads((folder / "models/trained/timing.json").read_text())
    return values


def checkpoint_seconds(backbone: str, folder: Path) -> float:
    """Return the seconds of writing a checkpoint of a net and its momentum.

    The process has warmed up before.
    """
    net = backbones.make(backbone, 3)[0]
    tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"momentum.{k}": value.detach().clone() for k, value in enumerate(net.parameters())}
    store = Checkpoints(folder / ".scratch", {})
    with store.keep():
        for epoch in range(5):
            store.save(0, Saved(1, epoch, tensors), last=True)
    return store.cost or 0.0


def run(small: bool) -> None:
    rows = []
    epochs, rounds = (2, 1) if small else (30, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = workplace(Path(name))
        stage(folder, "download", "digits")
        for backbone in ("resnet20", "resnet18"):
            stage(folder, "resolve", f"train.backbone={backbone}", f"train.epochs={epochs}")
            for step in ("prepare", "partition"):
                stage(folder, step)
            starts, parts = [], []
            for _ in range(rounds):
                seconds = stage(folder, "train")
                parts.append(timing(folder))
                starts.append(seconds - sum(parts[-1].values()))
            rows.append(
                {
                    "backbone": backbone,
                    "a checkpoint (s)": checkpoint_seconds(backbone, folder),
                    "start (s)": statistics.median(starts),
                    f"{epochs} epochs (s)": statistics.median(p["train_s"] for p in parts),
                    "test pass (s)": statistics.median(p["test_s"] for p in parts),
                }
            )
    report.write(
        "stage",
        "Fixed cost of the train stage",
        "seconds on the digits, checkpoints included; start is Python, imports, data and results.",
        rows,
        setting.device(),
    )
