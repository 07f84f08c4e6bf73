"""Images of one's own as a dataset on disk: arrays, classes, and what they were made of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt import files
from lt.data import pixels
from lt.data.datasets import Recipe, path
from lt.params import Images

# what is there twice, in a warning
TRAIN, VAL = "training images", "validation images"
BOTH = "validation images that train as well"
MOST = 20  # pairs that are shown
BLOCK = 64  # images that are in memory at once

File = Sequence[Any]  # path, label, and what it is known by


@dataclass
class Part:
    """The files of an array, in its order, with the hashes of their pixels; `val`: validates."""

    name: str
    files: list[File]
    val: list[bool]
    digests: list[str | None]
    problems: list[str | None]

    @classmethod
    def of(cls, name: str, files: Sequence[File], val: Sequence[File] = ()) -> Part:
        """Return a part of which nothing is decoded."""
        every = [*files, *val]
        validates = [False] * len(files) + [True] * len(val)
        return cls(name, every, validates, [None] * len(every), [None] * len(every))

    def drop(self, bad: Sequence[int]) -> None:
        """Forget some files."""
        for name in ("files", "val", "digests", "problems"):
            values, gone = getattr(self, name), set(bad)
            setattr(self, name, [one for k, one in enumerate(values) if k not in gone])

    def labels(self) -> NDArray[np.int64]:
        """Return the labels (N,)."""
        return np.array([file[1] for file in self.files], dtype=np.int64)


def store(
    listing: Mapping[str, Any],
    options: Images,
    folder: Path,
    processes: int,
    report: Callable[[int], None] = lambda _number: None,
) -> tuple[dict[str, Any], list[str]]:
    """Decode the files of a listing into `folder`, which is made.

    The folder has the arrays of `lt.data.datasets.Raw`, classes.json, val.npy (indices of the
    training images that validate, where these are given), files.json (the path of each image) and
    about.json.

    Args:
        listing: what data/listing.json holds.
        options: params.yaml's section `images`.
        folder: the folder to make.
        processes: how many decode.
        report: called with the number of files that were just decoded.

    Returns:
        what about.json holds, for the summary of a subset and for run.json; and warnings. They are
        not in it: what is in it is trained anew when it changes.

    Raises:
        ValueError: if images cannot be read, or one is in training and in test.
    """
    folder.mkdir(parents=True)
    found = listing["files"]
    parts = [Part.of("train", found["train"], found["val"]), Part.of("test", found["test"])]
    _decode(parts, options.size, folder, processes, report)
    corrupt = _drop_corrupt(parts, options.skip_corrupt, folder)
    _check_classes(parts, listing["classes"], corrupt)
    warnings = check_same(parts, drawn=listing["test"].startswith("drawn"))
    train, test = parts
    for part in parts:
        np.save(path(folder, f"{part.name}_labels"), part.labels())
    if any(train.val):
        np.save(folder / "val.npy", np.flatnonzero(train.val))
    files.write_json(folder / "classes.json", listing["classes"])
    paths = {p.name: [_short(one[0], listing) for one in p.files] for p in parts}
    files.write_json(folder / "files.json", paths)
    about = {
        **{name: listing[name].split(":")[0] for name in ("given", "val")},  # no path
        "images": {"train": train.val.count(False), "val": sum(train.val), "test": len(test.files)},
        "size": options.size,
        "recipe": asdict(_recipe(folder, np.flatnonzero(~np.array(train.val)), options)),
        "sha256": {p.name: files.sha256(path(folder, f"{p.name}_images")) for p in parts},
        "corrupt": [_short(one, listing) for one in corrupt],
    }
    files.write_json(folder / "about.json", about)
    return about, [_short(one, listing) for one in warnings]


def _short(text: str, listing: Mapping[str, Any]) -> str:
    """Shorten paths: photos that are moved as a whole stay the dataset that they are."""
    for root in listing["roots"]:
        text = text.replace(f"{root}{os.sep}", "")
    return text


def _decode(
    parts: Sequence[Part],
    size: int,
    folder: Path,
    processes: int,
    report: Callable[[int], None],
) -> None:
    todo: list[pixels.Job] = []
    for part in parts:
        array = path(folder, f"{part.name}_images")
        pixels.create(array, len(part.files), size)
        todo += pixels.jobs(array, part.files)
    of_array = {path(folder, f"{part.name}_images"): part for part in parts}
    not_read: list[str] = []
    for done in pixels.run(todo, min(processes, len(todo))):
        part = of_array[done.job.array]
        rows = slice(done.job.first, done.job.first + len(done.digests))
        part.digests[rows], part.problems[rows] = done.digests, done.problems
        not_read += done.not_read
        report(len(done.digests))
    if not_read:
        more = len(not_read) - MOST
        told = [*not_read[:MOST], *([f"and {more} more"] * (more > 0))]
        anew = any(one.endswith(pixels.CHANGED) for one in not_read)
        raise ValueError("\n".join([*told, *(["`dvc repro` lists the files anew"] * anew)]))


def _drop_corrupt(parts: Sequence[Part], skip: bool, folder: Path) -> list[str]:
    """Go on without what cannot be read, and return it.

    Raises:
        ValueError: with all of it, unless it is to be skipped.
    """
    problems = [problem for part in parts for problem in part.problems if problem]
    if problems and not skip:
        number = sum(len(part.files) for part in parts)
        raise ValueError(
            f"{len(problems)} of {number} images cannot be read; images.skip_corrupt=true goes on "
            "without them:\n" + "\n".join(problems)
        )
    for part in parts:
        bad = [k for k, problem in enumerate(part.problems) if problem]
        if bad:
            _close_up(path(folder, f"{part.name}_images"), bad)
            part.drop(bad)
    return problems


def _close_up(array: Path, bad: Sequence[int]) -> None:
    """Write an array anew without some of its rows."""
    rows = np.load(array, mmap_mode="r")
    good, closed = np.delete(np.arange(len(rows)), bad), array.with_suffix(".closed")
    pixels.create(closed, len(good), rows.shape[1])
    for start in range(0, len(good), BLOCK):
        there = np.load(closed, mmap_mode="r+")
        there[start : start + BLOCK] = rows[good[start : start + BLOCK]]
        there.flush()
    closed.replace(array)


def _check_classes(parts: Sequence[Part], classes: Sequence[str], corrupt: Sequence[str]) -> None:
    """Refuse a class whose training images were all skipped, and a test set without an image."""
    train, test = parts
    there = {file[1] for file, val in zip(train.files, train.val, strict=True) if not val}
    gone = [name for label, name in enumerate(classes) if label not in there]
    gone += [] if test.files else ["the test set"]
    if gone:
        raise ValueError(
            "images.skip_corrupt: expected, of each class to train on and of the test set, an "
            f"image that can be read; got none of {', '.join(gone)}; remove or replace:\n"
            + "\n".join(corrupt[:MOST])
        )


def check_same(parts: Sequence[Part], drawn: bool) -> list[str]:
    """Look for pictures that are there twice, whatever their files are called.

    Args:
        parts: training and test.
        drawn: whether the test images were drawn from the training images: then all that is there
            twice is listed, since another draw tears other pairs apart.

    Returns:
        warnings, if training images are the same, or test images are, or if one both trains and
        validates.

    Raises:
        ValueError: if a test image is a training image, too: with the pairs, or, if they are the
            same files, with the first.
    """
    train, test = parts
    first, within, others = _in_training(train)
    pairs = [pair for several in within.values() for pair in several]
    _check_apart(test, first, pairs if drawn else [])
    twice, torn = _twice(test)
    return [
        f"{len(pairs)} {what} are there before, pixel by pixel{where}: {_some(pairs)}"
        for what, where, pairs in (
            *(
                (what, f", {others[what]} of them in another class" * (others[what] > 0), pairs)
                for what, pairs in within.items()
            ),
            ("test images", ", so that one answer counts twice", twice),
            ("test images", ", in another class, so that one answer counts as wrong", torn),
        )
        if pairs
    ]


def _in_training(
    train: Part,
) -> tuple[dict[str | None, File], dict[str, list[str]], dict[str, int]]:
    """Look for training and validation images that show the same.

    Returns:
        the first file of each picture, by its hash; by what they do, the pairs of files, and how
        many of these are in two classes.
    """
    first: dict[str | None, File] = {}
    validates: dict[str | None, bool] = {}  # the first one
    within: dict[str, list[str]] = {TRAIN: [], VAL: [], BOTH: []}
    others = dict.fromkeys(within, 0)
    for file, val, digest in zip(train.files, train.val, train.digests, strict=True):
        before, as_val = first.setdefault(digest, file), validates.setdefault(digest, val)
        if before is not file:
            what = BOTH if val != as_val else VAL if val else TRAIN
            others[what] += before[1] != file[1]
            within[what].append(f"{before[0]} = {file[0]}")
    return first, within, others


def _check_apart(test: Part, first: Mapping[str | None, File], in_training: Sequence[str]) -> None:
    """Refuse test images that are training images, too.

    Args:
        test: the test images.
        first: the first training or validation file of each picture, by its hash.
        in_training: pairs that are to be told as well.
    """
    across, same = [], []
    for file, digest in zip(test.files, test.digests, strict=True):
        if digest in first:
            across.append(f"{first[digest][0]} = {file[0]}")
            if os.path.samefile(first[digest][0], file[0]):  # perhaps by a link
                same.append(file[0])
    if same:  # a folder given for both: a line for each would be a flood
        raise ValueError(
            f"images.test: {len(same)} of {len(test.files)} test images are files of "
            f"images.train; expected others, got {same[0]}"
        )
    if across:
        more = [f"and in training: {pair}" for pair in in_training]
        raise ValueError(
            f"images.test: {len(across)} of {len(test.files)} test images are training images, "
            "too, pixel by pixel; expected none: remove one of each pair\n"
            + "\n".join(across + more)
        )


def _twice(part: Part) -> tuple[list[str], list[str]]:
    """Return the pairs of files that show the same, those in one class and those in two."""
    first: dict[str | None, File] = {}
    pairs: tuple[list[str], list[str]] = [], []
    for file, digest in zip(part.files, part.digests, strict=True):
        before = first.setdefault(digest, file)
        if before is not file:
            pairs[before[1] != file[1]].append(f"{before[0]} = {file[0]}")
    return pairs


def _some(pairs: Sequence[str]) -> str:
    more = len(pairs) - MOST
    return "; ".join([*pairs[:MOST], *([f"and {more} more"] * (more > 0))])


def _recipe(folder: Path, train: NDArray[np.int64], options: Images) -> Recipe:
    mean, std = options.mean, options.std
    if mean is None or std is None:
        measured = measure(path(folder, "train_images"), train)
        mean, std = mean or measured[0], std or measured[1]
    pad = options.size // 8 if options.pad is None else options.pad
    return Recipe(mean, std, pad, options.flip)


def measure(array: Path, index: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of some images' pixels in 0..1, by colour.

    They are counted, and so the same whatever the order. The deviation is at least 1/255.
    """
    counts = np.zeros((3, 256), dtype=np.int64)
    for block in _blocks(array, index):
        for k in range(3):
            counts[k] += np.bincount(block[..., k].ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = counts @ values / counts.sum(axis=1)
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    std = np.maximum(np.sqrt(variance), 1 / 255)
    return tuple(mean.round(6).tolist()), tuple(std.round(6).tolist())


def _blocks(array: Path, index: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    """Give some rows of an array, a few at a time: what was mapped before is let go."""
    for start in range(0, len(index), BLOCK):
        yield np.load(array, mmap_mode="r")[index[start : start + BLOCK]]
