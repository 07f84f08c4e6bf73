"""Reading and writing files; outputs appear whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; it takes the place of `path` when the block ends well.

    The block creates a file or a directory there. If the block raises, `path` stays as it was; an
    OSError then names `path`. What a killed process left of its own attempts is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _remove_leftovers(path)
    try:
        yield temporary
        _sync(temporary)
        if path.exists() and (path.is_dir() or temporary.is_dir()):
            # os.replace swaps files only: a folder in the way is moved aside first
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            os.replace(path, old)
            os.replace(temporary, path)
            _remove(old)
        else:
            os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # of a failed write, Python gives none
        raise
    finally:
        _remove(temporary)


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON; `path` may be inside a directory that `whole` made."""
    with whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file; `path` may be inside a directory that `whole` made."""
    with whole(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _sync(path: Path) -> None:
    """Bring a file or a folder to the disk.

    A power cut must not leave the new name on bytes that are not there.
    """
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())


def _remove_leftovers(path: Path) -> None:
    for leftover in path.parent.glob(f".{path.name}.*"):
        pid, _, kind = leftover.name.removeprefix(f".{path.name}.").partition(".")
        if pid.isdecimal() and kind in ("tmp", "old") and not _runs(int(pid)):
            _remove(leftover)


def _runs(pid: int) -> bool:
    """Check whether another process of that number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
