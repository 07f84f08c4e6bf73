"""The stages of the pipeline: each reads, makes one call into lt, and writes."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from lt import process

RAW = Path("data/raw")
LONGTAIL = Path("data/longtail")
PARTITION = Path("data/partition.json")
FINAL = Path("models/final")

if "DVC_STAGE" in os.environ:  # now, and not in main: importing torch takes seconds
    process.stop_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until main, an end without a traceback


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit status 1, as all else that a user gets wrong."""

    def error(self, message: str) -> NoReturn:  # noqa: D102
        raise ValueError(f"{message}; see --help")


def no_arguments(arguments: Sequence[str]) -> None:
    """Raise a ValueError if there are any arguments: params go through `resolve`."""
    if arguments:
        raise ValueError(
            f"expected no arguments, got {' '.join(arguments)}; "
            "params are given to `python -m stages.resolve`"
        )


def main(stage: Callable[[Sequence[str]], None]) -> None:
    """Run a stage on the command line's arguments; what can be foreseen ends in one message.

    The exit status is then 1; for a stage that a signal stopped, it is 128 and the signal's number.
    """
    name = Path(sys.argv[0]).stem
    try:
        with process.stoppable():
            stage(sys.argv[1:])
    except process.Stopped as stop:
        _say(name, stop, str(stop))
        sys.exit(128 + stop.number)
    except Exception as error:
        text = _explain(error)
        if text is None:
            raise
        _say(name, error, text)
        sys.exit(1)


def _say(name: str, error: BaseException, text: str) -> None:
    notes = getattr(error, "__notes__", [])
    print("; ".join([f"{name}: {text}", *notes]), file=sys.stderr)


def _explain(error: Exception) -> str | None:
    """Say in a line what went wrong; None for a mistake of ours, whose traceback is wanted."""
    if isinstance(error, (ValueError, FloatingPointError)):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"{error.filename}: no such file; run `dvc repro`, which makes it"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if _out_of_memory(error):
        first = str(error).strip().split("\n")[0]
        return f"out of memory ({first}); try a smaller train.batch_size"
    return None


def _out_of_memory(error: Exception) -> bool:
    # torch's own errors, told apart without importing it: on a GPU a class, on a CPU a text
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (
            isinstance(error, RuntimeError)
            and any(words in str(error) for words in ("out of memory", "allocate memory", "ALLOC"))
        )
    )
