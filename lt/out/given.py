"""Which image files are meant by files, folders and lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lt.data import folders, lists


@dataclass
class Given:
    """Image files, in order.

    Attributes:
        paths: of the files.
        folders: of those that were found in a folder, the names of the folders in which a file
            lies, from the first one in that folder to its own, and then that one.
        problems: what is wrong with an argument.
    """

    paths: list[str] = field(default_factory=list)
    folders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def find(arguments: Sequence[str]) -> Given:
    """Find the image files that arguments name.

    Args:
        arguments: image files; folders, of which all pictures count that are not hidden, in natural
            order, those of folders inside too; lists .txt with a file or folder on each line.

    Raises:
        ValueError: if a list is no text.
    """
    found = Given()
    for argument in arguments:
        of_list = Path(argument).suffix.lower() == ".txt" and Path(argument).is_file()
        names = lists.read_paths(Path(argument)) if of_list else [argument]
        if not names:
            found.problems.append(f"{argument}: no line in this list")
        for name in names:
            if not Path(name).is_dir():
                found.paths.append(name)
                continue
            try:
                _add_pictures(Path(name), found)
            except OSError as error:
                found.problems.append(f"{error.filename}: {error.strerror}")
    return found


def _add_pictures(folder: Path, found: Given) -> None:
    inside = sorted(folders.pictures(folder, folders.Found("folder")), key=folders.number_key)
    for name in inside:
        path = str(folder / name)
        found.paths.append(path)
        found.folders[path] = (*Path(name).parts[:-1], folder.resolve().name)
    if not inside:
        found.problems.append(f"{folder}: no picture in this folder")
