"""Checkpoints: what a run that was cut off goes on from.

They lie in a folder named after everything that the outcome depends on, data, params, code and
device, so that a changed run never meets those of another. There is one file per expert, replaced
whole after an epoch. It is safetensors, with the rest as JSON in its header.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lt import files, process

# A checkpoint is put off while less than this many times what the last one took has passed since:
# where an epoch takes milliseconds, keeping it must not be what takes the time.
PATIENCE = 20.0


def scratch() -> Path:
    """Return the folder of all runs' checkpoints: the environment's LT_SCRATCH, or .scratch.

    It lies in the project, for a queued experiment as well.
    """
    return files.project() / (os.environ.get("LT_SCRATCH") or ".scratch")


@dataclass(frozen=True)
class Saved:
    """An expert after a whole epoch.

    phase, epoch: those that it has behind it, both from 1.
    tensors: those of the net ("net." and the name in its state_dict) and, in the order of the
        phase's parameters, of the optimizer ("momentum.0", ...).
    progress: the rest, as JSON can hold it.
    """

    phase: int
    epoch: int
    tensors: dict[str, Tensor]
    progress: dict[str, Any] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one run.

    Clones and queued experiments may share a root: a lock keeps two from training the same at once.

    Args:
        root: the folder of all runs' checkpoints; made when the first one is written.
        depends: what the outcome depends on, as JSON can hold it.
    """

    def __init__(self, root: Path, depends: Mapping[str, Any]) -> None:
        self.root, self.key = root, files.digest(depends)
        self.folder = root / self.key[:16]
        self.saved: dict[int, Saved] = {}
        self.refused: list[str] = []  # a line for each checkpoint that was there and cannot be used
        self.before = 0.0  # seconds of training, in the runs that were cut off
        self.start = time.monotonic()
        self.written: dict[int, float] = {}  # when, of each expert
        self.cost: float | None = None  # of a checkpoint, once there has been one
        for path in sorted(self.folder.glob("expert_*.safetensors")):
            self._load(int(path.stem.removeprefix("expert_")), path)

    def seconds(self) -> float:
        """Return the seconds of training so far, including those of runs that were cut off."""
        return self.before + time.monotonic() - self.start

    def epochs(self, numbers: Collection[int] | None = None) -> int:
        """Return how many epochs the experts (of `numbers`, or all) have behind them."""
        saved = [one for k, one in self.saved.items() if numbers is None or k in numbers]
        return sum(len(one.progress["history"]) for one in saved)

    def messages(self) -> list[str]:
        """List what a person should know before the run begins, a line each."""
        lines = [f"warning: checkpoint {line}" for line in self.refused]
        for number, saved in self.saved.items():
            place = f"phase {saved.phase}, epoch {saved.epoch}"
            lines.append(f"expert {number} goes on after {place} ({self._path(number)})")
        folders = {path.parent for path in self.root.glob("*/expert_*.safetensors")}
        others = len(folders - {self.folder})
        if others and not self.saved:
            lines.append(
                "starts from the first epoch; unfinished trainings with other data, params, code "
                f"or device in {self.root}: {others}"
            )
        return lines

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Let checkpoints be written within the block; a block that ends well removes them.

        If something stops the run from outside, the exception's notes say that it can go on.

        Raises:
            ValueError: before anything is trained, if checkpoints could not be written, or another
                process trains the same.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"checkpoints cannot be kept in {self.folder} ({error.strerror}); expected in "
                f"LT_SCRATCH a folder that can be written, got {os.environ.get('LT_SCRATCH')!r}"
            ) from None
        with process.lock(self.folder / ".lock"):
            try:
                yield
            except BaseException as error:
                if not any(self.folder.glob("expert_*")):
                    shutil.rmtree(self.folder)
                # a ValueError and the like would come again
                again = not isinstance(error, (ValueError, FloatingPointError))
                if again and (self.written or self.before):
                    error.add_note(f"the same run goes on from the checkpoint in {self.folder}")
                raise
            shutil.rmtree(self.folder)

    def save(self, number: int, saved: Saved, last: bool) -> None:
        """Keep expert `number`.

        Nothing is kept if too little time has passed, unless it is a `last` epoch.

        Raises:
            OSError: if that fails; the expert's former checkpoint is still there then.
        """
        begin = time.monotonic()
        patience = PATIENCE * (self.cost or 0.0) * len(self.written)
        if not last and begin - self.written.get(number, -math.inf) < patience:
            return
        tensors = {key: value.cpu().contiguous() for key, value in saved.tensors.items()}
        header = json.dumps(
            {
                "key": self.key,
                "phase": saved.phase,
                "epoch": saved.epoch,
                "seconds": self.seconds(),
                "progress": saved.progress,
            }
        )
        metadata = {"header": header, "digest": _digest(header, tensors)}
        with files.whole(self._path(number)) as temporary:
            temporary.write_bytes(safetensors.torch.save(tensors, metadata))
        self.written[number] = time.monotonic()
        # the first one does not count: in a new process, it takes many times longer
        self.cost = 0.0 if self.cost is None else self.written[number] - begin

    def _path(self, number: int) -> Path:
        return self.folder / f"expert_{number}.safetensors"

    def _load(self, number: int, path: Path) -> None:
        try:
            text, digest, tensors = _read(path)
            header = json.loads(text)
            if digest != _digest(text, tensors):
                self._refuse(path, "is damaged")
            elif header["key"] != self.key:
                self._refuse(path, "belongs to a run with other data, params, code or device")
            else:
                place = header["phase"], header["epoch"]
                self.saved[number] = Saved(*place, tensors, header["progress"])
                self.before = max(self.before, header["seconds"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            self._refuse(path, f"cannot be read ({error})")

    def _refuse(self, path: Path, why: str) -> None:
        self.refused.append(f"{path} {why}; expert {path.stem.split('_')[1]} starts over")


def _read(path: Path) -> tuple[str, str, dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        # copies, since what it gives is the file itself, mapped into memory
        tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
        return metadata["header"], metadata["digest"], tensors


def _digest(header: str, tensors: Mapping[str, Tensor]) -> str:
    sha = hashlib.sha256(header.encode())
    for key in sorted(tensors):
        sha.update(key.encode())
        sha.update(tensors[key].flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()
