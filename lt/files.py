"""Reading and writing files; outputs appear whole or not at all."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What a file that the pipeline has written needs, if it is not whole. DVC takes what its cache
# holds for whole; docs/damage.md says how to find out.
AGAIN = "run `dvc repro`, which makes it anew (docs/damage.md, if it says so again)"
QUEUED = (".dvc", "tmp", "exps")


def project() -> Path:
    """Return the folder of the project, from here.

    DVC runs a queued experiment in a copy of what git tracks, .dvc/tmp/exps/<some name>, which it
    deletes afterwards: then it is the folder of the original.
    """
    for parent in Path.cwd().parents:
        if parent.parts[-len(QUEUED) :] == QUEUED:
            return parent.parents[len(QUEUED) - 1]
    return Path()


def given(path: str) -> Path:
    """Return a path that params name, ~ as the home.

    A relative one starts from the project, if it is there: the copy that a queued experiment runs
    in has what git tracks alone, perhaps a list without its photos, or a part of these.

    Raises:
        ValueError: if there is no such home.
    """
    try:
        here = Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: expected a path; {path.split('/')[0]} has no home") from None
    return project() / here if (project() / here).exists() else here


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; it takes the place of `path` when the block ends well.

    The block creates a file or a directory there. If the block raises, `path` stays as it was; an
    OSError then names `path`. What a killed process left of its own attempts is removed.

    Raises:
        IsADirectoryError: if the block creates a file and `path` is a folder, which stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _remove_leftovers(path)
    try:
        yield temporary
        _sync(temporary)
        if path.is_dir() and not temporary.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
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


def read_json(path: str | Path, *keys: str) -> Any:
    """Read a JSON file, an object that has `keys` if there are any.

    Raises:
        ValueError: if it is not whole, or lacks a key; the message names the file.
    """
    try:
        value = json.loads(Path(path).read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: cut short, or not JSON ({error}); {AGAIN}") from None
    missing = [key for key in keys if not isinstance(value, dict) or key not in value]
    if missing:
        raise ValueError(f"{path}: has no {missing[0]!r}: cut short, or of other code; {AGAIN}")
    return value


def read_npy(path: str | Path, mmap: bool = False) -> NDArray[Any]:
    """Read an array that numpy has saved; `mmap`: mapped into memory.

    Raises:
        ValueError: if it is not whole; the message names the file.
    """
    import numpy as np

    with _whole_file(path):
        array: NDArray[Any] = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    return array


def read_npz(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of an .npz file, by their names.

    Raises:
        ValueError: if it is not whole; the message names the file.
    """
    import numpy as np

    with (
        _whole_file(path),
        Path(path).open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return {name: arrays[name] for name in arrays.files}


def read_csv(path: str | Path, header: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV file with that header: a dict per row, values as text.

    Raises:
        ValueError: if it is not whole, or has another header; the message names the file.
    """
    with _whole_file(path), Path(path).open(newline="") as file:
        first, *rows = list(csv.reader(file)) or [[]]
        if first != list(header):
            raise ValueError(f"expected the columns {', '.join(header)}, got {', '.join(first)}")
        return [dict(zip(header, row, strict=True)) for row in rows]


@contextmanager
def _whole_file(path: str | Path) -> Iterator[None]:
    """Make of whatever a reader raises at a damaged file one message that names the file."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # BadZipFile, EOFError, zlib.error, TokenError, KeyError, ...
        raise ValueError(f"{path}: cut short or damaged ({error}); {AGAIN}") from None


def manifest(folder: str | Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder, by its name."""
    return {path.name: sha256(path) for path in sorted(Path(folder).iterdir()) if path.is_file()}


def check_manifest(folder: str | Path, manifest: Mapping[str, str], source: str) -> None:
    """Raise a ValueError if a file is not the one whose SHA-256 `manifest` holds.

    Args:
        folder: where the files are.
        manifest: SHA-256 by name.
        source: the file in it that holds the manifest.
    """
    for name, expected in manifest.items():
        path = Path(folder) / name
        if not path.exists() or sha256(path) != expected:
            state = "is not the file that belongs to" if path.exists() else "is missing beside"
            raise ValueError(
                f"{path}: {state} {Path(folder) / source}: cut short, or of another run; {AGAIN}"
            )


def digest(value: Any) -> str:
    """Return the SHA-256 of a value as JSON: the mark by which files know what they belong to."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file; `path` may be inside a directory that `whole` made."""
    with whole(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:  # which may be larger than memory
        return hashlib.file_digest(file, "sha256").hexdigest()


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
            if kind == "old" and not path.exists():  # killed between two renames
                os.replace(leftover, path)
            else:
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
