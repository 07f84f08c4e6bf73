"""Which files train, validate and test, and their classes: looked at before one is decoded."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lt import files as on_disk
from lt.data import folders, lists
from lt.data.folders import ENDINGS, Found, Picture
from lt.params import Listing

MOST = 10  # of what is shown of many

Files = dict[str, list[Picture]]
Who = dict[str, tuple[int, int]]  # by its path, what is the same for all paths to a file


def make(options: Listing) -> dict[str, Any]:
    """Return what data/listing.json holds, and "skipped", how many files are left alone and why.

    "files" has for train, val and test a list of files, each with path, label and what it is known
    by (`folders.mark`). Labels count the classes that have a training image. "roots" are the
    folders that the paths start from.

    Raises:
        ValueError: with the key, what is allowed and what was given, for all that can be seen
            without decoding an image.
    """
    found = _read(options.train, "images.train", options)
    marks, who = _marks(found)
    files, test = found.pictures, f"the test part of {options.train}"
    if options.test is not None:
        given, test = _read(options.test, "images.test", options), options.test
        own, theirs = _marks(given)
        marks, who = marks | own, who | theirs
        files = _with_test(files, given, who, options)
        found.skipped += given.skipped
        found.empty += given.empty
    classes = _classes(files["train"], found, options.train)
    _check_classes(files, classes, test)
    warnings = [f"{name} has no image: left out" for name in found.empty]
    warnings += _twins(classes)
    drawn = not files["test"]
    sources = [on_disk.given(one) for one in (options.train, options.test) if one]
    roots = list(dict.fromkeys(os.path.abspath(_root(one, options)) for one in sources))
    if drawn:
        files = _draw_test(files, classes, options, roots[0])
    warnings += _without_test(files, classes)
    labels = {name: k for k, name in enumerate(classes)}
    return {
        "given": f"{found.kind}: {options.train}",
        "classes": classes,
        "test": f"drawn, {options.test_fraction:g} of each class" if drawn else f"given: {test}",
        "val": "given" if files["val"] else "data.val_fraction",
        "skipped": dict(sorted((+found.skipped).items())),  # without zeros
        "warnings": warnings,
        "roots": roots,
        "files": {
            part: [[os.path.abspath(o.path), labels[o.label], *marks[o.path]] for o in pictures]
            for part, pictures in files.items()
        },
    }


def in_words(listing: Mapping[str, Any]) -> str:
    """Say in a line what was found."""
    numbers = {part: len(files) for part, files in listing["files"].items()}
    parts = [f"{number} {part}" for part, number in numbers.items() if number]
    return (
        f"{sum(numbers.values())} images of {len(listing['classes'])} classes "
        f"({_some(listing['classes'])}): {', '.join(parts)} "
        f"(test {listing['test']}); files skipped: {_counted(listing['skipped'])}"
    )


def _root(path: Path, options: Listing) -> Path:
    """Return the folder that the paths in a folder or file start from."""
    if path.is_dir():
        return path
    return path.parent if options.root is None else on_disk.given(options.root)


def _read(given: str, key: str, options: Listing) -> Found:
    path = on_disk.given(given)
    if not path.exists():
        raise ValueError(
            f"{key}: expected a folder of class folders, a .csv or a list, got {given!r}; "
            f"{path.absolute()} does not exist"
        )
    test = key == "images.test"
    found = _read_folder(path, key, options) if path.is_dir() else _read_file(path, key, options)
    if not found.pictures["test" if test else "train"]:
        raise ValueError(
            f"{key}: {given} has no image in a class folder or line; files skipped: "
            f"{_counted(found.skipped)}; names of images end in {', '.join(sorted(ENDINGS))}"
        )
    return found


def _read_folder(path: Path, key: str, options: Listing) -> Found:
    if key == "images.test":
        return folders.find_test(path)
    _expect_null(options, "root", "classes")
    return folders.find(path, key)


def _read_file(path: Path, key: str, options: Listing) -> Found:
    root = _root(path, options)
    if not root.is_dir():
        raise ValueError(f"images.root: expected a folder, got {options.root!r}")
    part = "test" if key == "images.test" else "train"
    if path.suffix.lower()[1:] in ENDINGS:
        raise ValueError(
            f"{key}: expected a folder of class folders, a .csv or a list, got the image {path}"
        )
    if path.suffix.lower() == ".csv":
        if part == "train":
            _expect_null(options, "classes")
        return lists.read_csv(path, root, part)
    names = options.classes and lists.read_names(on_disk.given(options.classes))
    return lists.read_list(path, root, names or None, part)


def _expect_null(options: Listing, *names: str) -> None:
    """Refuse what would have no effect."""
    for name in names:
        if getattr(options, name) is not None:
            raise ValueError(
                f"images.{name}: expected null with {options.train}, since only "
                f"{'a list has labels to name' if name == 'classes' else 'a file has paths'}; "
                f"got {getattr(options, name)!r}"
            )


def _with_test(files: Files, given: Found, who: Who, options: Listing) -> Files:
    if files["test"]:
        raise ValueError(
            f"images.test: expected null, since {options.train} has a test part; got "
            f"{options.test!r}"
        )
    test = given.pictures["test"]
    return {**_held_out(files, test, given, who, options), "test": test}


def _held_out(
    files: Files, test: Sequence[Picture], given: Found, who: Who, options: Listing
) -> Files:
    """Leave out of training what a file names as a test image: a test set that is to stay.

    Raises:
        ValueError: if its class there is another, or nothing is left.
    """
    if not given.places:  # folders
        return files
    label_of = {who[one.path]: one for one in test}
    problems = [
        f"{given.places[other.path]}: expected {one.label}, as in {options.train}, got "
        f"{other.label}: {one.path}"
        for one in (*files["train"], *files["val"])
        if (other := label_of.get(who[one.path])) and other.label != one.label
    ]
    lists.refuse(problems)
    if all(who[one.path] in label_of for one in files["train"]):
        raise ValueError(f"images.test: {options.test} names every training image")
    return {
        part: [one for one in pictures if who[one.path] not in label_of]
        for part, pictures in files.items()
    }


def _classes(train: Sequence[Picture], found: Found, given: str) -> list[str]:
    """Return the classes that have a training image, in their order; note those without."""
    there = {picture.label for picture in train}
    every = found.order or sorted(there, key=folders.number_key)
    found.empty += [f"class {name}" for name in every if name not in there]
    classes = [name for name in every if name in there]
    if len(classes) < 2:
        raise ValueError(
            f"images.train: expected at least two classes, got {_some(classes)} in {given}"
        )
    return classes


def _check_classes(files: Files, classes: Sequence[str], test: str) -> None:
    for part, place in (("val", "the validation part"), ("test", test)):
        counts = Counter(picture.label for picture in files[part])
        strange = sorted(set(counts) - set(classes), key=folders.number_key)
        if strange:
            told = ", ".join(f"{name!r} ({counts[name]} images)" for name in strange[:MOST])
            more = f" and {len(strange) - MOST} more" if len(strange) > MOST else ""
            raise ValueError(
                f"images.{'test' if part == 'test' else 'train'}: {place} has classes without a "
                f"training image: {told}{more}; add some, or take these out; allowed: "
                f"{_some(classes)}"
            )


def _draw_test(files: Files, classes: Sequence[str], options: Listing, root: str) -> Files:
    """Take the test images out of those of each class that has two, at least one of each.

    A file's name draws for it: where images are added or removed, nearly all others stay.
    """
    train = files["train"]
    of_class: dict[str, list[int]] = {name: [] for name in classes}
    for k, one in enumerate(train):
        of_class[one.label].append(k)
    taken: set[int] = set()
    for index in of_class.values():
        number = min(max(round(len(index) * options.test_fraction), 1), len(index) - 1)
        index.sort(key=lambda k: _lot(train[k], root, options.seed))
        taken |= set(index[:number])
    if not taken:
        raise ValueError(
            "images.test: expected a test set, or a class with two images to take one; got "
            f"{len(classes)} classes of one image each"
        )
    split: Files = {"train": [], "val": files["val"], "test": []}
    for k, picture in enumerate(train):
        split["test" if k in taken else "train"].append(picture)
    return split


def _lot(picture: Picture, root: str, seed: int) -> bytes:
    """Return what is drawn for a file, whatever other files there are."""
    name = os.path.relpath(os.path.abspath(picture.path), root)
    return hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest()


def _twins(classes: Sequence[str]) -> list[str]:
    """Warn of classes whose names are the same but for case."""
    by_name: dict[str, list[str]] = {}
    for name in classes:
        by_name.setdefault(name.casefold(), []).append(name)
    same = [" and ".join(names) for names in by_name.values() if len(names) > 1]
    return [f"the same name but for case, and two classes: {one}" for one in same]


def _without_test(files: Files, classes: Sequence[str]) -> list[str]:
    tested = {picture.label for picture in files["test"]}
    missing = [name for name in classes if name not in tested]
    told = f"no test image of {len(missing)} of {len(classes)} classes: {_some(missing)}"
    return [f"{told}; their figures are null"] if missing else []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" * (len(names) > MOST))


def _marks(found: Found) -> tuple[dict[str, list[int]], Who]:
    """Return what each file is known by, by its path, and who it is.

    Raises:
        ValueError: for files that are not there, and those that several lines name; it names each
            with its line.
    """
    marks, missing = {}, []
    who: Who = {}
    first: dict[tuple[int, int], str] = {}  # line
    for one in (picture for pictures in found.pictures.values() for picture in pictures):
        place, what = found.places.get(one.path), ""
        try:
            there = os.stat(one.path)
            marks[one.path] = folders.mark(there)
            who[one.path] = folders.identity(there)
            if not stat.S_ISREG(there.st_mode):
                what = "expected an image file, got no file"
            elif place and first.setdefault(who[one.path], place) != place:
                what = f"expected each file once, got that of {first[who[one.path]]}"
        except (FileNotFoundError, NotADirectoryError):
            what = "no such image file"
        if what:
            missing.append(f"{place}: {what}: {one.path}" if place else f"{one.path}: {what}")
    if len(missing) > 1 and not marks and found.places:
        missing.insert(0, "images.root: expected the folder that the paths start from; got none of")
    lists.refuse(missing)
    return marks, who


def _counted(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in skipped.items()) or "none"
