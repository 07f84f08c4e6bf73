"""The train stage in two processes of this machine, from start to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from bench import kills
from tests.conftest import call

DEADLINE_S = 120.0


def prepared(folder: Path) -> Path:
    """A repository of the digits, ready to be trained on."""
    repo = kills.clone(folder, 20, "resnet20")
    for stage in ("resolve", "download", "prepare", "partition"):
        arguments = ["digits"] if stage == "download" else []
        done = call(repo, f"stages.{stage}", *arguments)
        assert done.returncode == 0, done.stderr
    return repo


def the_second(parent: psutil.Process, repo: Path) -> psutil.Process:
    """The process of rank 1, when there is a checkpoint."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end and parent.is_running():
        ranks = {one.environ().get("RANK"): one for one in parent.children()}
        if "1" in ranks and list(repo.glob(".scratch/*/expert_0.*")):
            return ranks["1"]
        time.sleep(0.02)
    raise AssertionError("no checkpoint, or no second process")


def test_one_that_is_killed_ends_all_and_a_single_process_goes_on(tmp_path: Path) -> None:
    repo = prepared(tmp_path)
    assert call(repo, "stages.resolve", "train.processes=2").returncode == 0
    train = subprocess.Popen(
        [sys.executable, "-m", "stages.train"], cwd=repo, stderr=subprocess.PIPE, text=True
    )
    second = the_second(psutil.Process(train.pid), repo)
    os.kill(second.pid, signal.SIGKILL)
    _, said = train.communicate(timeout=DEADLINE_S)
    assert train.returncode == 1
    last = said.splitlines()[-1]
    assert last.startswith(f"train: process 1 of 2 ({second.pid}) was killed by SIGKILL, which")
    assert "Traceback" not in said
    assert not (repo / "models" / "trained").exists()

    assert call(repo, "stages.resolve", "train.processes=1").returncode == 0
    done = call(repo, "stages.train")
    assert done.returncode == 0, done.stderr
    assert "train: expert 0 goes on after phase 1, epoch" in done.stderr
    assert json.loads((repo / "models/trained/run.json").read_text())["processes"] == [1, 2]
    history = (repo / "models/trained/history.csv").read_text().splitlines()
    assert len(history) == 1 + 20
