"""Fills the grid on all GPUs of a machine, or on its CPU.

    python -m paper.run                   every cell that is not there yet, most important first
    python -m paper.run --match split     those whose names hold "split", and what they start from
    python -m paper.run --per-gpu 3       three at a time on each GPU

It can be stopped and started again at any time: a cell that is done is not trained again, one
that was cut off goes on from its last epoch, and one that failed is tried again. With DVC, a cell
is done if DVC says so; without (a machine that only trains), if its score file is there.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from lt import files, process
from paper import CELLS
from paper.jobs import Job, Plan, environment
from stages import Parser, main

LOOK_EVERY_S = 0.2
PER_GPU = 2


@dataclass
class Running:
    """A job at work in a slot: the environment of a GPU, or of the CPU."""

    job: Job
    slot: dict[str, str]
    child: subprocess.Popen[bytes]
    since: float = field(default_factory=time.monotonic)


def slots(per_gpu: int) -> list[dict[str, str]]:
    """The environments in which cells run side by side: `per_gpu` a GPU, or one on the CPU."""
    import torch

    number = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(gpu) for gpu in range(number)]
    gpus = [{"CUDA_VISIBLE_DEVICES": name} for name in names[:number]]
    return gpus * per_gpu or [{}]  # the first of every GPU before the second of any


class Filler:
    """Runs jobs in slots until none is left."""

    def __init__(self, jobs: Sequence[Job], free: list[dict[str, str]], logs: Path) -> None:
        self.waiting, self.free, self.logs = list(jobs), free, logs
        self.running: list[Running] = []
        self.failed: dict[str, str] = {}  # name -> why
        self.unfinished = {job.name for job in jobs}
        self.number, self.ended = len(jobs), 0
        self.total = self.left = sum(job.work for job in jobs)
        self.begin = time.monotonic()
        tqdm.monitor_interval = 0  # no thread: what runs between fork and exec must be alone
        form = "{l_bar}{bar}| {n_fmt}/{total_fmt} cells"  # the time left is ours, by work
        self.bar = tqdm(total=len(jobs), bar_format=form, disable=None)

    def run(self) -> None:
        """Until all are done or have failed; the others do not mind a failure."""
        self.logs.mkdir(parents=True, exist_ok=True)
        while self.waiting or self.running:
            self._start_what_can()
            time.sleep(LOOK_EVERY_S)
            for one in list(self.running):
                if one.child.poll() is not None:
                    self._ended(one)
        self.bar.close()

    def _start_what_can(self) -> None:
        for job in list(self.waiting):
            if job.before in self.failed:
                self.waiting.remove(job)
                self._finish(job, f"{job.before}, which it starts from, failed")
            elif self.free and job.before not in self.unfinished:
                self.waiting.remove(job)
                slot = self.free.pop(0)
                self.running.append(Running(job, slot, self._start(job, slot)))

    def _start(self, job: Job, slot: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with (self.logs / f"{job.name}.log").open("ab") as log:
            return subprocess.Popen(
                job.commands.pop(0),
                env=environment(**slot),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=process.die_with_parent,
            )

    def _ended(self, one: Running) -> None:
        if one.child.returncode == 0 and one.job.commands:
            one.child = self._start(one.job, one.slot)
            return
        self.running.remove(one)
        self.free.append(one.slot)
        log = self.logs / f"{one.job.name}.log"
        why = f"exit status {one.child.returncode}, see {log}" if one.child.returncode else None
        self._finish(one.job, why, time.monotonic() - one.since)

    def _finish(self, job: Job, why: str | None, seconds: float = 0.0) -> None:
        self.unfinished.discard(job.name)
        self.left -= job.work
        if why:
            self.failed[job.name] = why
        share = 1 - self.left / self.total if self.total else 1.0
        left = (time.monotonic() - self.begin) * (1 / share - 1) if share > 0 else 0.0
        self.ended += 1
        self.bar.update()
        self.bar.write(
            f"{self.ended}/{self.number} {job.name}: {why or f'done in {seconds:.0f} s'}; "
            f"{_clock(left)} left"
        )


def _clock(seconds: float) -> str:
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def run(arguments: Sequence[str]) -> None:
    """Runs the cells that are missing; says at the end which failed."""
    parser = Parser(prog="python -m paper.run", description=__doc__.split("\n")[0])
    parser.add_argument("--match", default="", help="only cells with this in their names")
    parser.add_argument("--per-gpu", type=int, default=PER_GPU, help="cells at a time on a GPU")
    given = parser.parse_args(arguments)
    if given.per_gpu < 1:
        raise ValueError(f"--per-gpu: expected an integer at least 1, got {given.per_gpu}")
    plan = Plan(files.read_json(CELLS), with_dvc=find_spec("dvc") is not None)
    with process.lock(plan.folder / ".run.lock"):
        plan.prepare()
        jobs, number = plan.jobs(given.match)
        print(f"{number - len(jobs)} of {number} cells are done, {len(jobs)} to run", flush=True)
        filler = Filler(jobs, slots(given.per_gpu), plan.folder / "logs")
        filler.run()
    if filler.failed:
        lines = [f"{name}: {why}" for name, why in filler.failed.items()]
        raise ValueError("\n".join([f"{len(lines)} of {len(jobs)} cells failed:", *lines]))


if __name__ == "__main__":
    main(run)
