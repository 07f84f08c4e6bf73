"""A stage as a process: its lock, its signals, its end with DVC, and what a person sees of it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from tqdm import tqdm

PATIENCE_S = 5.0  # for a holder of the lock that is about to end
LOOK_EVERY_S = 0.2
LINE_EVERY_S = 5.0  # of progress, where there is no terminal


class Stopped(BaseException):
    """What is raised when a signal asks the process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class Held(ValueError):  # noqa: N818
    """What is raised when another process holds a lock."""


class Gone(BaseException):
    """What is raised when another process of the same training has ended before its time."""


class Failed(BaseException):
    """What is raised in the process that has started others, when one of them fails."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Make SIGINT and SIGTERM raise Stopped within the block."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def end_quietly_until_main() -> None:
    """Have Ctrl-C end `python -m <module>` without a traceback of what it was importing."""
    if sys.argv[0] == "-m":  # as it is while the module's package is imported, and only then
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop_with_parent() -> None:
    """Kill this process when the one that started it is gone.

    A stage whose DVC was killed would otherwise train on, for nobody, and hold its lock. The signal
    is SIGKILL, since a SIGTERM would wait for the main thread to come back from the device.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; the system lets go of it however the process ends.

    Raises:
        Held: if another process holds it, and still does after a few seconds. The message says
            which.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _wait_for(file.fileno(), path)
        if not _is_there(file.fileno(), path):  # removed by the one who held it
            with lock(path):
                yield
            return
        holder = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "command": " ".join(sys.orig_argv),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        file.truncate(0)
        file.write(json.dumps(holder))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


@contextmanager
def patient_lock(path: Path, told: str = "") -> Iterator[None]:
    """Hold the lock file `path`, however long another process has it first.

    told: what is printed once, if the wait is longer than a few seconds.
    """
    with ExitStack() as stack:
        while True:
            with suppress(Held):
                stack.enter_context(lock(path))
                break
            if told:
                print(told, flush=True)
                told = ""
        yield


def _is_there(descriptor: int, path: Path) -> bool:
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())


def _wait_for(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Held(
                    f"another run is at work here: {path} is held by {_holder(path)}; "
                    "wait for it, or stop it"
                ) from None
            time.sleep(LOOK_EVERY_S)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return (
            f"process {holder['process']} on {holder['host']} "
            f"({holder['command']}, since {holder['since']})"
        )
    except (ValueError, KeyError):  # it has only just taken it
        return "a process that has just started"


def _has_terminal() -> bool:
    """Check whether a bar would show: a terminal without a size, as of a container, hides it."""
    return sys.stderr.isatty() and min(os.get_terminal_size(sys.stderr.fileno())) > 1


class Bar:
    """A bar in a terminal, plain lines elsewhere; it counts things that are done.

    `unit`: what they are, in the plural; `before`: those that an earlier process has done.
    """

    def __init__(self, total: int, name: str, unit: str, before: int = 0) -> None:
        self.total, self.name, self.unit, self.before, self.done = total, name, unit, before, before
        self.start = self.printed = time.monotonic()
        self.bar = None
        if _has_terminal():
            shown = "{desc} {percentage:3.0f}%|{bar}| {n}/{total} [{elapsed}<{remaining}]{postfix}"
            self.bar = tqdm(total=total, initial=before, desc=name, bar_format=shown)

    def advance(self, number: int, figures: str = "") -> None:
        """Count `number` things that are done; `figures` are told of them, or else their rate."""
        self.done += number
        now = time.monotonic()
        rate = (self.done - self.before) / max(now - self.start, 1e-9)
        figures = figures or f"{self.unit}, {rate:.0f} {self.unit}/s"
        if self.bar is not None:
            self.bar.set_postfix_str(figures, refresh=False)
            self.bar.update(number)
            if self.done == self.total:
                self.bar.close()
            return
        first = self.done - self.before == number
        if first or now - self.printed >= LINE_EVERY_S or self.done == self.total:
            left = (self.total - self.done) / rate
            line = f"{self.name} {self.done}/{self.total} {figures}; {left:.0f} s left"
            print(line, flush=True)
            self.printed = now


class Progress(Bar):
    """A bar that counts epochs over all experts and phases."""

    def __init__(self, epochs: int, name: str, before: int = 0) -> None:
        super().__init__(epochs, name, "epochs", before)

    def report(self, row: dict[str, Any]) -> None:
        """Count an epoch that is over; `row`: that of the history."""
        val = "–" if row["val_accuracy"] is None else f"{row['val_accuracy']:.2f} %"
        # what matters first: a narrow terminal cuts the rest off
        self.advance(
            1,
            f"loss {row['train_loss']:.4f}, val {val}, {row['images_per_s']:.0f} images/s, "
            f"expert {row['expert']} phase {row['phase']} epoch {row['epoch']}",
        )
