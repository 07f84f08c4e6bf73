"""Class folders: which pictures there are, of which class, for training, validation and test."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# names of folders, and values of the column split
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
LIKE_PARTS = {*PARTS, "training", "testing", "eval", "evaluation", "dev"}  # no names of classes
# how names of image files end
ENDINGS = {"avif", "bmp", "gif", "ico", "jfif", "jp2", "jpe", "jpeg", "jpg"}
ENDINGS |= {"pbm", "pgm", "png", "pnm", "ppm", "tga", "tif", "tiff", "webp"}
# why a file is skipped; else its ending
HIDDEN, OUTSIDE, DANGLING = "hidden", "outside of class folders", "link to nothing"


@dataclass(frozen=True)
class Picture:
    """A file, and the name of its class."""

    path: str
    label: str


@dataclass
class Found:
    """What is there.

    Attributes:
        kind: of what was given, in words.
        pictures: by part: train, val, test.
        skipped: files that are left alone, counted by the reason.
        empty: class folders without a picture.
        order: of the classes, where the user has given one.
        places: for a path, the line that names it.
    """

    kind: str
    pictures: dict[str, list[Picture]] = field(
        default_factory=lambda: {part: [] for part in ("train", "val", "test")}
    )
    skipped: Counter[str] = field(default_factory=Counter)
    empty: list[str] = field(default_factory=list)
    order: Sequence[str] | None = None
    places: dict[str, str] = field(default_factory=dict)


def find(folder: Path, key: str) -> Found:
    """Find the pictures of class folders, or of train, val and test folders with these in them.

    Raises:
        ValueError: if it cannot be told which of both it is, or a part comes twice.
    """
    found = Found("class folders")
    below = _folders(folder, found)
    parts = [one for one in below if one.name.casefold() in PARTS]
    if not any(one.name.casefold() == "train" for one in below):
        if below and all(one.name.casefold() in LIKE_PARTS for one in below):
            raise ValueError(
                f"{key}: expected class folders, or folders train and perhaps val (valid, "
                f"validation) and test with class folders in them; got {folder} with the folders "
                f"{', '.join(one.name for one in below)}"
            )
        if parts:
            raise ValueError(
                f"{key}: {folder} has the folder {parts[0].name} beside others; expected class "
                "folders alone, or train, val and test with class folders in them; a class of that "
                "name needs a .csv"
            )
        _take(below, "train", found)
        return found
    if len(parts) < len(below):
        others = [one.name for one in below if one not in parts]
        raise ValueError(
            f"{key}: {folder} has the folders {', '.join(one.name for one in parts)} and "
            f"{', '.join(others[:3])} side by side; expected class folders, or train, val and test "
            "with class folders in them and nothing else"
        )
    found.kind = f"class folders in {', '.join(one.name for one in parts)}"
    names = [PARTS[one.name.casefold()] for one in parts]
    if len(set(names)) < len(names):
        raise ValueError(f"{key}: {folder} has {found.kind}; expected each part once")
    for one, part in zip(parts, names, strict=True):
        _take(_folders(one, found), part, found)
    return found


def find_test(folder: Path) -> Found:
    """Find the pictures of class folders that are a test set."""
    found = Found("class folders")
    _take(_folders(folder, found), "test", found)
    return found


def mark(there: os.stat_result) -> list[int]:
    """Return what a file is known by: bytes, and nanoseconds of the last change.

    The first time is that of the content, the second that of anything else, too: of another file
    that was moved to its place, or of its rights. An inode would not do: USB sticks and some
    network disks number them anew.
    """
    return [there.st_size, there.st_mtime_ns, there.st_ctime_ns]


def number_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return what to sort names by so that 2 comes before 10.

    >>> sorted(["10", "b2", "2", "b10", "B1"], key=number_key)
    ['2', '10', 'B1', 'b2', 'b10']
    """
    pieces = re.split(r"([0-9]+)", name.casefold())
    keys = [(0, int(one), "") if k % 2 else (1, 0, one) for k, one in enumerate(pieces) if one]
    return (*keys, (1, 0, name))


def class_name(text: str) -> str:
    """Return a class's name as everybody spells it: ä as one character, not as a and two dots.

    Raises:
        ValueError: for the name of a folder that is no UTF-8: no table could hold it.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"images: expected class folders named in UTF-8, got {text!r}") from None
    return composed(text)


def composed(text: str) -> str:
    """Return a name with ä as one character, whether it is UTF-8 or not."""
    return unicodedata.normalize("NFC", text.strip())


def _folders(folder: Path, found: Found) -> list[Path]:
    """Return the folders in a folder, and count the files beside them."""
    below = []
    for path in sorted(folder.iterdir(), key=lambda path: number_key(path.name)):
        if path.name.startswith("."):
            found.skipped[HIDDEN] += 1
        elif path.is_dir():
            below.append(path)
        else:
            found.skipped[OUTSIDE] += 1
    return below


def _take(folders: Sequence[Path], part: str, found: Found) -> None:
    """Take in the pictures of class folders, in the order of their names within these.

    Where the names are numbers, that is the order of the numbers, whatever the classes: a dataset
    that was written out comes back as it was.
    """
    keyed = []
    for k, folder in enumerate(folders):
        names = list(pictures(folder, found))
        if not names:
            found.empty.append(f"folder {folder}")
        label = class_name(folder.name)
        keyed += [(number_key(name), k, str(folder / name), label) for name in names]
    found.pictures[part] += [Picture(path, label) for *_, path, label in sorted(keyed)]


def pictures(folder: Path, found: Found) -> Iterator[str]:
    """Give the pictures in a folder and those in it, as paths from there."""

    def fail(error: OSError) -> None:
        raise error

    seen = {identity(os.stat(one)) for one in folder.resolve().parents}
    for at, below, names in os.walk(folder, onerror=fail, followlinks=True):
        here = identity(os.stat(at))
        if here in seen:  # a link back
            below.clear()
            continue
        seen.add(here)
        found.skipped[HIDDEN] += sum(name.startswith(".") for name in (*below, *names))
        below[:] = [name for name in below if not name.startswith(".")]
        for name in (name for name in names if not name.startswith(".")):
            ending = os.path.splitext(name)[1].lower()
            if not _leads_somewhere(os.path.join(at, name)):
                found.skipped[DANGLING] += 1
            elif ending[1:] in ENDINGS:
                yield os.path.relpath(os.path.join(at, name), folder)
            else:
                found.skipped[ending or "no ending"] += 1


def _leads_somewhere(path: str) -> bool:
    """Check whether it is no dangling link.

    Raises:
        OSError: if that cannot be known: the folder may be listed, and not entered.
    """
    try:
        os.stat(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return False
    return True


def identity(there: os.stat_result) -> tuple[int, int]:
    """Return what is the same for all paths to a file or folder."""
    return there.st_dev, there.st_ino
