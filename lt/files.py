"""Outputs appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; it takes the place of `path` when the block ends well.

    The block creates a file or a directory there. If the block raises, `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _remove(temporary)
    try:
        yield temporary
        if path.exists() and (path.is_dir() or temporary.is_dir()):
            # os.replace swaps files only: a folder in the way is moved aside first
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            os.replace(path, old)
            os.replace(temporary, path)
            _remove(old)
        else:
            os.replace(temporary, path)
    finally:
        _remove(temporary)


def write_json(path: str | Path, value: Any) -> None:
    """Writes indented JSON; `path` may be inside a directory that `whole` made."""
    with whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path: str | Path) -> Any:
    """Reads a JSON file."""
    return json.loads(Path(path).read_text())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
