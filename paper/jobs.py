"""What is to be run of the grid, and how: by DVC where it is installed, else without."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from paper import CELLS
from paper.cells import Cells, belongs

STAGES, LOCK = Path("paper/dvc.yaml"), Path("paper/dvc.lock")
TRIES = 4  # a DVC that was killed a moment ago is still in the way of the next one
GONE = {"deleted", "not in cache"}  # what DVC says of an output that was made, and is not here


@dataclass
class Job:
    """A cell to be run: its commands in order, and the cell that must be there first."""

    name: str
    commands: list[list[str]]
    before: str | None
    work: float


class Plan:
    """What is to be run, and how: by DVC where it is installed, else by the stages' commands."""

    def __init__(self, grid: Mapping[str, Any], with_dvc: bool) -> None:
        self.grid, self.with_dvc = grid, with_dvc
        self.folder = Path(grid["folder"])
        self.stages = yaml.safe_load(STAGES.read_text())["stages"]

    def prepare(self) -> None:
        """Makes the datasets, partitions and, for DVC, hashes of the code: what cells share.

        Raises:
            ValueError: if that fails.
        """
        if self.with_dvc:
            names = (
                *(f"partition@{name}" for name in self.grid["partitions"]),
                *("train_code", "score_code"),
            )
            shared = ["stages/dvc.yaml:fresh", *(f"{STAGES}:{name}" for name in names)]
            commands = [_dvc("--wait-for-lock", "repro", *shared)]
        else:
            commands = [
                *([sys.executable, "-m", "stages.download", name] for name in self._missing_raw()),
                *(
                    self._command(stage, name)
                    for stage in ("dataset", "partition")
                    for name in self.grid[f"{stage}s"]
                    if not self._is_made(stage, name)
                ),
            ]
        for command in commands:
            for tries_left in reversed(range(TRIES)):
                done = subprocess.run(command, env=environment(), capture_output=True, text=True)
                if not done.returncode:
                    break
                if not tries_left:
                    said = (done.stdout + done.stderr).strip()
                    raise ValueError(f"{said}\npreparing the cells failed: {' '.join(command)}")
                time.sleep(1.0)

    def jobs(self, match: str) -> tuple[list[Job], int]:
        """The cells to be run, in order, and how many there are with those that are done."""
        cells = self.grid["cells"]
        wanted = [name for name in cells if match in name]
        if not wanted:
            raise ValueError(f"--match: no cell of {CELLS} has {match!r} in its name")
        done = self._done()
        needed: dict[str, None] = {}  # in order, without repetition
        for name in wanted:
            if name not in done:
                chain = [name]
                while (before := self._before(chain[-1])) and not (
                    before in done and self._is_there(before)
                ):
                    chain.append(before)
                needed |= dict.fromkeys(reversed(chain))
        jobs = [
            Job(name, self._commands(name), self._before(name), self._work(name)) for name in needed
        ]
        return jobs, len(set(wanted) | needed.keys())

    def _is_made(self, stage: str, name: str) -> bool:
        made = [self.folder / f"{stage}s" / f"{name}.json"]
        if stage == "dataset":  # whose page of facts is in git, and its indices are not
            made.append(self.folder / "longtail" / name)
        return all(path.exists() for path in made)

    def _before(self, name: str) -> str | None:
        start = Path(self.grid["cells"][name]["start"])
        return start.name if start.name in self.grid["cells"] else None

    def _is_there(self, name: str) -> bool:
        """Whether the cell's training is there; one with other params or images is not."""
        path = self.folder / "models" / name / "run.json"
        if not path.exists():
            return False
        run, entry = json.loads(path.read_text()), self.grid["cells"][name]
        facts = self._facts(entry["dataset"])
        return belongs(run | {"subset_sha256": run["data"]["sha256"]}, entry, facts)

    def _facts(self, dataset: str) -> dict[str, Any]:
        facts = json.loads((self.folder / "datasets" / f"{dataset}.json").read_text())
        assert isinstance(facts, dict)
        return facts

    def _done(self) -> set[str]:
        """Cells whose score is there and theirs; of those DVC knows, unless it says stale."""
        scored = set(Cells().scored)
        if not self.with_dvc:
            return scored
        printed = subprocess.run(
            _dvc("status", "--json", str(STAGES)),
            env=environment(),
            capture_output=True,
            text=True,
        )
        if printed.returncode:
            raise ValueError(f"dvc status failed: {printed.stderr.strip()}")
        status = json.loads(printed.stdout)
        known = yaml.load(LOCK.read_text(), yaml.CSafeLoader)["stages"] if LOCK.exists() else {}
        return {
            name
            for name in scored
            if f"train@{name}" not in known  # trained on another machine
            or all(_only_gone(status.get(f"{STAGES}:{s}@{name}", [])) for s in ("train", "score"))
        }

    def _commands(self, name: str) -> list[list[str]]:
        if self.with_dvc:
            return [
                _dvc("--wait-for-lock", "repro", "-s", f"{STAGES}:{stage}@{name}")
                for stage in ("train", "score")
            ]
        train, score = (self._command(stage, name) for stage in ("train", "score"))
        return [score] if self._is_there(name) else [train, score]

    def _command(self, stage: str, name: str) -> list[str]:
        """A stage's command, filled in as DVC does."""
        text: str = self.stages[stage]["do"]["cmd"]
        section = self.grid["cells" if stage in ("train", "score") else f"{stage}s"]
        values = {"key": name, "folder": self.grid["folder"]}
        values |= {f"item.{key}": value for key, value in section[name].items()}
        return ["sh", "-c", re.sub(r"\$\{([\w.]+)\}", lambda found: str(values[found[1]]), text)]

    def _missing_raw(self) -> list[str]:
        names = {facts["raw"] for facts in self.grid["datasets"].values()}
        return sorted(name for name in names if not Path("data/raw", name).exists())

    def _work(self, name: str) -> float:
        """Images that are shown, about: what the time left is reckoned by."""
        cell = self.grid["cells"][name]
        return float(cell["passes"] * self._facts(cell["dataset"])["train_images"])


def _only_gone(entries: Sequence[Any]) -> bool:
    """Whether `dvc status` misses nothing of a stage but outputs that were once made."""
    changed = [entry.values() for entry in entries if isinstance(entry, dict)]
    states = [state for values in changed for paths in values for state in paths.values()]
    # the state of a file of params is a mapping
    fine = all(isinstance(state, str) and state in GONE for state in states)
    return fine and len(changed) == len(entries)


def _dvc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def environment(**more: str) -> dict[str, str]:
    """This Python first on the path, for the stages' commands."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, **more}
