"""What the train stage costs beside training: its start, and a checkpoint.

The stage on the digits, as dvc.yaml runs it. Its start is all that is neither training nor test
pass: Python, imports, data, results.
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
from lt import nets
from lt.checkpoint import Checkpoints, Saved

ROOT = Path(__file__).parents[1]


def workplace(folder: Path) -> Path:
    """A folder to run stages in that leaves this one alone; DVC is not needed."""
    for name in ("lt", "stages", "params.yaml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "data").mkdir()
    (folder / "data/archives").symlink_to((ROOT / "data/archives").resolve())
    return folder


def stage(folder: Path, name: str, *overrides: str) -> float:
    """Runs a stage; its seconds."""
    command = [sys.executable, "-m", f"stages.{name}", *overrides]
    env = {**os.environ, "LT_SCRATCH": str(folder / ".scratch")}

    def call() -> None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)
        if done.returncode:
            raise RuntimeError(done.stderr)

    return report.seconds(call)


def timing(folder: Path, method: str) -> dict[str, float]:
    """train_s and test_s of the last training."""
    values: dict[str, float] = json.loads((folder / "models" / method / "timing.json").read_text())
    return values


def checkpoint_seconds(backbone: str, folder: Path) -> float:
    """Writing one, of a net and its momentum, once the process has warmed up."""
    net = nets.backbone(backbone, 3)[0]
    tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"momentum.{k}": value.detach().clone() for k, value in enumerate(net.parameters())}
    store = Checkpoints(folder / ".scratch", {}, folder / "models")
    with store.keep():
        for epoch in range(5):
            store.save(0, Saved(1, epoch, tensors), last=True)
    return store.cost or 0.0


def run(small: bool) -> None:
    rows = []
    epochs, rounds = (2, 1) if small else (30, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = workplace(Path(name))
        for step in ("download", "prepare", "partition"):
            stage(folder, step, *(["digits"] if step == "download" else []))
        for backbone in ("resnet20", "resnet18"):
            overrides = [f"train.backbone={backbone}", f"train.epochs={epochs}"]
            starts, parts = [], []
            for _ in range(rounds):
                seconds = stage(folder, "train", *overrides)
                parts.append(timing(folder, "baseline"))
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
        setting.chip(),
    )
