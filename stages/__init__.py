"""The stages of the pipeline: each reads, makes one call into lt, and writes."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from lt import process, unchanged

# Now, and not in main: importing torch takes seconds. The code is hashed before it is imported.
CODE_ROOT = Path(__file__).parents[1]
CODE = unchanged.code(CODE_ROOT)
if {"DVC_STAGE", "TORCHELASTIC_RUN_ID"} & os.environ.keys():
    process.stop_with_parent()
process.end_quietly_until_main()

T = TypeVar("T")

GRACE_S = 20.0
RAW = Path("data/raw")
LISTING = Path("data/listing.json")
LONGTAIL = Path("data/longtail")
PARTITION = Path("data/partition.json")
TRAINED = Path("models/trained")
FINAL = Path("models/final")
METRICS = Path("metrics")
OUTPUTS = (Path("resolved"), Path("data"), Path("models"), METRICS)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit status 1, as all else that a user gets wrong."""

    def error(self, message: str) -> NoReturn:  # noqa: D102
        raise ValueError(f"{message}; see --help")


class Started:
    """A stage that has started: what it depends on is to stay as it is then.

    Args:
        name: of its file in resolved/.

    Raises:
        ValueError: if that file is not what params.yaml and the code ask for now.
    """

    def __init__(self, name: str) -> None:
        from lt import resolved  # after the code was hashed

        self.name, self.inputs = name, unchanged.Snapshot([resolved.path(name)])
        self.before = resolved.read(name)
        self.said = resolved.now(name, CODE)
        found = resolved.differences(self.before, self.said)
        if found:
            # DVC may hold it for up to date: without it, the next `dvc repro` makes it anew
            resolved.path(name).unlink(missing_ok=True)  # of several processes, one is first
            raise ValueError(
                f"{resolved.path(name)} was of other params or code: {', '.join(found)}; "
                "run `dvc repro`, which makes it anew"
            )
        self.check()

    def what(self, cls: type[T]) -> T:
        """Return what the stage is to do."""
        from lt import resolved

        return resolved.what(cls, self.name)

    def input(self, path: Path) -> Path:
        """Return `path`, a file or folder that the stage is about to read."""
        self.inputs.add(path)
        return path

    def check(self) -> None:
        """Raise `unchanged.Changed` if params, code or inputs are not what they were."""
        from lt import resolved

        found = [*map(str, self.inputs.changed()), *edited(resolved.STAGES[self.name])]
        try:
            found += resolved.differences(self.said, resolved.now(self.name, CODE))
        except (ValueError, OSError) as error:  # it is being edited
            found.append(" ".join(str(error).split()))
        refuse_if_changed(found)


def edited(stage: str | None = None) -> list[str]:
    """List the files of code that were edited since this process began, of a stage or all."""
    from lt import resolved

    before, now = CODE, unchanged.code(CODE_ROOT)
    if stage:
        before, now = (resolved.code_of(stage, code) for code in (before, now))
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]


def refuse_if_changed(found: Sequence[str]) -> None:
    """Raise `unchanged.Changed` if something was found."""
    if found:
        raise unchanged.Changed(
            f"changed while this ran, so that its result is not kept: {', '.join(found)}; "
            "`dvc repro` makes what is asked for now"
        )


def no_arguments(arguments: Sequence[str]) -> None:
    """Raise a ValueError if there are any arguments: params go through `resolve`."""
    if arguments:
        raise ValueError(
            f"expected no arguments, got {' '.join(arguments)}; "
            "params are given to `python -m stages.resolve`"
        )


def main(stage: Callable[[Sequence[str]], None], own_help: bool = False) -> None:
    """Run a stage on the command line's arguments; what can be foreseen ends in one message.

    The exit status is then 1; for a stage that a signal stopped, it is 128 and the signal's number.

    Args:
        stage: called with the arguments.
        own_help: whether it answers to --help itself; else its docstrings do.
    """
    name = Path(sys.argv[0]).stem
    if not own_help and {"-h", "--help"} & set(sys.argv[1:]):
        print(f"{sys.modules[stage.__module__].__doc__}\n\n{stage.__doc__}")
        return
    try:
        with process.stoppable():
            stage(sys.argv[1:])
    except process.Stopped as stop:
        if "TORCHELASTIC_RUN_ID" not in os.environ:  # else the process that stopped it says so
            _say(name, stop, str(stop))
        sys.exit(128 + stop.number)
    except process.Gone as gone:
        time.sleep(GRACE_S)  # for the message of the one that is gone, and the end of all
        _say(name, gone, f"another process of this training has ended ({gone})")
        sys.exit(1)
    except process.Failed as failed:
        _say(name, failed, str(failed))
        sys.exit(1)
    except BrokenPipeError:  # as of `| head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        text = _explain(error)
        if text is None:
            raise
        _say(name, error, text)
        sys.exit(1)
    if "DVC_STAGE" in os.environ:
        # DVC hashes what the stage depends on as soon as this is over: Python and torch are not to
        # take their time after the last look at it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _say(name: str, error: BaseException, text: str) -> None:
    """Print a line; a process that torchrun has started tells that one, which prints it once."""
    line = "; ".join([text, *getattr(error, "__notes__", [])])
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if file is None:
        print(f"{name}: {line}", file=sys.stderr)
    else:
        Path(file).write_text(json.dumps({"message": line, "timestamp": int(time.time())}))


def _explain(error: Exception) -> str | None:
    """Say in a line what went wrong; None for a mistake of ours, whose traceback is wanted."""
    if isinstance(error, (ValueError, FloatingPointError, unchanged.Changed)):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename:
        path = Path(os.fsdecode(error.filename))
        ours = any(path.is_relative_to(folder) for folder in OUTPUTS)
        return f"{path}: no such file" + ("; run `dvc repro`, which makes it" if ours else "")
    if isinstance(error, OSError):
        why = error.strerror or " ".join(map(str, error.args))
        if "written" in why:  # numpy's words, of an array that was cut short
            why += "; is the disk full?"
        return f"{error.filename}: {why}" if error.filename else str(error)
    if isinstance(error, RuntimeError) and "deterministic implementation" in str(error):
        first = str(error).split(",")[0]
        return f"{first}; expected train.deterministic=false, or another network or method"
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
