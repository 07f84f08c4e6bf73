"""Lists of pictures: a CSV with a header, or lines of a path and a label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from lt.data.folders import PARTS, Found, Picture, class_name, number_key

COLUMNS = ("path", "label", "split")
MOST = 10  # lines at fault that are shown


def read_csv(path: Path, root: Path, part: str = "train") -> Found:
    """Read a CSV file with the columns path and label, and perhaps split.

    Args:
        path: of the file.
        root: the folder that the paths in it start from.
        part: "train", or "test" for a file that is a test set, which has no split.

    Raises:
        ValueError: with the lines that are at fault, and what is allowed.
    """
    rows = _rows(path)
    header = [name.strip() for name in next(rows, ("", []))[1]]
    optional = COLUMNS[2:] if part == "train" else ()
    known = [name for name in header if name in (*COLUMNS[:2], *optional)]
    if known != header or len(set(known)) < len(known) or not {*COLUMNS[:2]} <= {*known}:
        allowed = "path,label,split or path,label" if part == "train" else "path,label"
        raise ValueError(f"{path} line 1: expected the columns {allowed}, got {','.join(header)!r}")
    found, problems = Found("CSV file"), []
    for place, row in rows:
        values = dict(zip(header, (cell.strip() for cell in row), strict=False))
        split = PARTS.get(values.get("split", "train").casefold())
        if not row:
            continue
        if len(row) != len(header) or not values["path"] or not values["label"]:
            problems.append(f"{place}: expected {','.join(header)}, got {','.join(row)!r}")
        elif split is None:
            given = values["split"]
            problems.append(f"{place}: expected a split of {', '.join(PARTS)}, got {given!r}")
        else:
            picture = Picture(str(root / values["path"]), class_name(values["label"]))
            found.pictures[split if part == "train" else part].append(picture)
            _note(found, picture, place, problems)
    refuse(problems)
    return found


def read_list(path: Path, root: Path, names: Sequence[str] | None, part: str = "train") -> Found:
    """Read a list: on each line a path and, after the last space, an integer label.

    Args:
        path: of the file.
        root: the folder that the paths in it start from.
        names: of the classes, by their labels; None: the labels themselves.
        part: "train" or "test".

    Raises:
        ValueError: with the lines that are at fault, and what is allowed.
    """
    found, problems = Found("list", order=names), []
    allowed = "from 0" if names is None else f"in 0 .. {len(names) - 1}"
    for place, line in _lines(path):
        name, _, label = line.rpartition(" ")
        if not name.strip() or not (label.isascii() and label.isdecimal()):
            problems.append(
                f"{place}: expected a path and a label, an integer {allowed}, got {line!r}"
            )
        elif names is not None and int(label) >= len(names):
            problems.append(f"{place}: expected a label {allowed}, got {label}")
        else:
            picture = Picture(
                str(root / name.strip()), str(int(label)) if names is None else names[int(label)]
            )
            found.pictures[part].append(picture)
            _note(found, picture, place, problems)
    refuse(problems)
    return found


def _note(found: Found, picture: Picture, place: str, problems: list[str]) -> None:
    """Note the line of a picture; a path that an earlier line names is a problem."""
    before = found.places.setdefault(picture.path, place)
    if before != place:
        problems.append(f"{place}: expected each file once, got that of {before}: {picture.path}")


def read_names(path: Path) -> list[str]:
    """Read the names of the classes, one a line, in the order of their labels.

    Raises:
        ValueError: if a name comes twice, or there is none.
    """
    names = [class_name(line) for _, line in _lines(path)]
    twice = sorted({name for name in names if names.count(name) > 1}, key=number_key)
    if twice or not names:
        what = f"{', '.join(map(repr, twice[:MOST]))} twice" if twice else "no name"
        raise ValueError(f"images.classes: {path}: expected a name a line, each once, got {what}")
    return names


def read_paths(path: Path) -> list[str]:
    """Read a list of files, one a line.

    Raises:
        ValueError: if it is no text.
    """
    return [line.strip() for line in _text(path).split("\n") if line.strip()]


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Give the rows of a CSV file, each with the words that say where it is."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    begin = 1
    try:
        for row in reader:
            yield f"{path} line {reader.line_num}", row
            begin = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f'{path} line {begin}: expected a row of a CSV file ({error}); is there a " too many?'
        ) from None


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Give the lines that are not empty, each with the words that say where it is."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path} line {number}", line.replace("\t", " ").strip()


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected text in UTF-8, got {error}; if it is an archive, unpack it and name "
            "the folder"
        ) from None


def refuse(problems: Sequence[str]) -> None:
    """Raise a ValueError with the first problems, if there are any."""
    if problems:
        more = len(problems) - MOST
        raise ValueError("\n".join([*problems[:MOST], *([f"and {more} more"] * (more > 0))]))
