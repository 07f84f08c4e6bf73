"""Whether what a stage depends on still is what it was when the stage started.

DVC hashes what a stage depends on when the stage ends. An edit meanwhile would go into its records
as what the result was made of, and the result into the cache under the wrong name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

SMALL = 4 * 2**20  # bytes; of a larger file, size and times tell what hashing would take long for

Mark = tuple[Any, ...] | str | None


class Changed(Exception):  # noqa: N818
    """What a running stage depends on has changed, so that its result cannot be kept."""


class Snapshot:
    """Files as they were at a moment.

    A small file is known by its bytes, so that it may be touched, or changed and changed back. A
    large one is known by inode, size and times: whoever writes to it changes these, also with the
    same bytes.
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self.roots: list[Path] = []
        self.marks: dict[Path, Mark] = {}
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> None:
        """Take in a file, or all that are in a folder now."""
        self.roots.append(path)
        self.marks |= {one: _mark(one) for one in _files(path)}

    def changed(self) -> list[Path]:
        """List the files that are others now, gone, or new in a folder."""
        there = [path for root in self.roots for path in _files(root)]
        new = [path for path in there if path not in self.marks]
        return [path for path, mark in self.marks.items() if _mark(path) != mark] + new


def code(root: Path, folders: Sequence[str] = ("lt", "stages")) -> dict[str, str]:
    """Return the SHA-256 of each Python file in some folders, by its path from `root`."""
    every = (path for name in folders for path in (root / name).glob("**/*.py"))
    # an editor's lock beside a file is hidden, and leads nowhere
    paths = sorted(path for path in every if path.name[0] != "." and path.is_file())
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Say in what two values of JSON differ: "train.lr: 0.1, now 0.03"."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        found = [differences(old.get(key), new.get(key), f"{prefix}.{key}") for key in keys]
        return [one for several in found for one in several]
    if old == new:
        return []
    if isinstance(old, Mapping) or isinstance(new, Mapping):
        return [f"{prefix.lstrip('.') or 'model'}: another now"]
    return [f"{prefix.lstrip('.')}: {old}, now {new}"]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.rglob("*") if one.is_file())


def _mark(path: Path) -> Mark:
    try:
        stat = path.stat()
        if stat.st_size <= SMALL:
            return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None  # whoever reads it says more
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
