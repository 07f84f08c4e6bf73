"""Which image files are meant by files, folders and lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt.data import folders, lists


def find(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Find the image files that arguments name.

    Args:
        arguments: image files; folders, of which all pictures count that are not hidden, in natural
            order, those of folders inside too; lists .txt with a file or folder on each line.

    Returns:
        their paths, in order, and what is wrong with an argument.

    Raises:
        ValueError: if a list is no text.
    """
    found: list[str] = []
    problems: list[str] = []
    for argument in arguments:
        of_list = Path(argument).suffix.lower() == ".txt" and Path(argument).is_file()
        names = lists.read_paths(Path(argument)) if of_list else [argument]
        if not names:
            problems.append(f"{argument}: no line in this list")
        for name in names:
            try:
                inside = _pictures(Path(name)) if Path(name).is_dir() else [name]
            except OSError as error:
                problems.append(f"{error.filename}: {error.strerror}")
                continue
            found += inside
            if not inside:
                problems.append(f"{name}: no picture in this folder")
    return found, problems


def _pictures(folder: Path) -> list[str]:
    names = folders.pictures(folder, folders.Found("folder"))
    return [str(folder / name) for name in sorted(names, key=folders.number_key)]
