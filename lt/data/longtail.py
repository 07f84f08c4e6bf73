"""A long-tailed subset of a balanced training set: how many images, which ones, validation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lt import files
from lt.data import datasets
from lt.data.views import Ints
from lt.params import Data


@dataclass(frozen=True)
class Subset:
    """What is left of a training set.

    Attributes:
        train: indices of the training images into the full set.
        val: the same, of the validation images.
        counts: (C,) images per class, of both together: the counts that the field speaks of. Of a
            validation set that was given, no image counts.
        val_counts: (C,) images per class, of `val` alone; a rare class may have none.
        sha256: SHA-256 of the kept indices before validation is taken out.
    """

    train: Ints
    val: Ints
    counts: Ints
    val_counts: Ints
    sha256: str


def make(labels: Ints, num_classes: int, options: Data, given: Ints | None = None) -> Subset:
    """Make the long-tailed subset that params.yaml's data section describes.

    The largest class gets as many images as the smallest one of the full set has, so that every
    class can follow the profile; imb_type "none" keeps every image.

    Args:
        labels: (N,) of the full training set.
        num_classes: C.
        options: the section.
        given: indices of the images that validate, where these are a set of their own; None: they
            are drawn.

    Raises:
        ValueError: if a class would be left without a training image.
    """
    pool = np.delete(np.arange(len(labels)), [] if given is None else given)
    full = np.bincount(labels[pool], minlength=num_classes)
    if options.imb_type == "none":
        counts = full.astype(np.int64)
    else:
        if full.min() < 1:
            raise ValueError(f"data: class {int(full.argmin())} has no training image")
        counts = class_counts(int(full.min()), num_classes, options.imb_type, options.imb_factor)
    kept = pool[keep(labels[pool], counts, options.subset, options.seed)]
    fraction = options.val_fraction if given is None else 0.0
    train, val = (kept[part] for part in split_validation(len(kept), fraction, options.seed))
    if options.name == "images":  # which may have classes of one image
        train, val = _give_back(train, val, labels)
    val = val if given is None else given
    left, taken = (
        np.bincount(labels[part], minlength=num_classes).astype(np.int64) for part in (train, val)
    )
    if left.min() < 1:
        raise ValueError(
            f"data.val_fraction: {options.val_fraction:g} takes the last training image of class "
            f"{int(left.argmin())} (of {counts[left.argmin()]}); allowed: a smaller one, "
            "a larger data.imb_factor or another data.seed"
        )
    return Subset(train, val, counts, taken, subset_hash(kept))


def _give_back(train: Ints, val: Ints, labels: Ints) -> tuple[Ints, Ints]:
    """Let the first validation image of each class train that has no training image."""
    there, back = set(labels[train].tolist()), []
    for position, label in enumerate(labels[val].tolist()):
        if label not in there:
            there.add(label)
            back.append(position)
    return np.concatenate([train, val[back]]), np.delete(val, back)


def summarise(subset: Subset, classes: list[str], options: Data) -> dict[str, Any]:
    """Describe a subset as JSON can hold it, for summary.json and a part of run.json.

    Args:
        subset: what `make` has made.
        classes: the names of the classes.
        options: what the subset was made by.
    """
    return {
        "name": options.name,
        "imb_type": options.imb_type,
        "imb_factor": options.imb_factor,
        "subset": options.subset,
        "seed": options.seed,
        "images": int(subset.counts.sum()),
        "train_images": len(subset.train),
        "val_images": len(subset.val),
        "classes": classes,
        "counts": subset.counts.tolist(),
        "val_counts": subset.val_counts.tolist(),
        "sha256": subset.sha256,
    }


def read_summary(folder: Path) -> dict[str, Any]:
    """Read summary.json of a subset, and check that the files beside it are those it was made with.

    Raises:
        ValueError: if a file is not whole, or of another subset.
    """
    keys = ("name", "images", "classes", "counts", "labels", "files")
    summary: dict[str, Any] = files.read_json(folder / "summary.json", *keys)
    files.check_manifest(folder, summary["files"], "summary.json")
    return summary


def check_raw(folder: Path, summary: Mapping[str, Any], owner: Path) -> None:
    """Raise a ValueError if a dataset is not the one that a subset was made of.

    Args:
        folder: of the dataset.
        summary: what `prepare`, or run.json, says of the subset.
        owner: of the summary, for the message.
    """
    same = files.sha256(datasets.path(folder, "train_labels")) == summary["labels"]
    if "raw" in summary:  # images of one's own, which may be stored anew in another size
        about = files.read_json(folder / "about.json", "sha256")
        same = same and about["sha256"] == summary["raw"]["sha256"]
    if not same:
        trains = ", which trains on what is there now" if "raw" in summary else ""
        raise ValueError(
            f"{folder} is not the dataset that {owner} was made of: run `dvc repro`{trains}"
        )


def class_counts(img_max: int, num_classes: int, imb_type: str, imb_factor: float) -> Ints:
    """Return the images per class after imbalancing, in label order: low labels are the head.

    exp: img_max * f ** (k / (C - 1)), truncated. step: the first C // 2 classes keep img_max, the
    other C - C // 2 keep img_max * f, truncated. (Cui et al. 2019, Cao et al. 2019.)

    Args:
        img_max: images of the largest class.
        num_classes: C, at least 2.
        imb_type: "exp" or "step".
        imb_factor: f = smallest / largest, in (0, 1].

    Returns:
        (C,) counts.

    Raises:
        ValueError: if a class would be left without an image, or there is no such imbalance.

    >>> class_counts(5000, 10, "exp", 0.1).tolist()
    [5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500]
    """
    if img_max < 1 or num_classes < 2:
        raise ValueError(
            f"img_max, num_classes: expected at least 1 and 2, got {img_max} and {num_classes}"
        )
    if imb_type not in ("exp", "step"):
        raise ValueError(f"imb_type: expected exp or step, got {imb_type!r}")
    if not 0 < imb_factor <= 1:
        raise ValueError(
            f"imb_factor: expected smallest / largest, in (0, 1], got {imb_factor:g} (the 100 of "
            "many papers is 0.01 here)"
        )
    if imb_type == "exp":
        ratios = [imb_factor ** (k / (num_classes - 1)) for k in range(num_classes)]
    else:
        head = num_classes // 2
        ratios = [1.0] * head + [imb_factor] * (num_classes - head)
    counts = np.array([int(img_max * ratio) for ratio in ratios], dtype=np.int64)
    if counts.min() < 1:
        empty = int(np.flatnonzero(counts < 1)[0])
        least = math.ceil(1e6 / img_max) / 1e6  # rounded up: what is printed must be allowed
        raise ValueError(
            f"data.imb_factor: {imb_factor:g} leaves class {empty} without an image; "
            f"allowed here: at least {least:g} (the largest class is to have {img_max} images)"
        )
    return counts


def keep(labels: ArrayLike, counts: ArrayLike, subset: str, seed: int) -> Ints:
    """Return the indices of the images that stay, class by class in label order.

    Args:
        labels: (N,) of the full training set.
        counts: (C,) images to keep per class.
        subset: "first_n": the first ones in file order. "ldam": the subset of Cao et al. 2019, from
            one legacy stream seeded with 0 whatever `seed` is. "random": a draw of its own by
            `seed`.
        seed: only for "random".

    Returns:
        (sum of counts,) indices into `labels`.

    Raises:
        ValueError: if there is no such subset, a class has fewer images than are to stay, or counts
            are not whole numbers from 0 on, one for each class.
    """
    if subset not in ("first_n", "ldam", "random"):
        raise ValueError(f"subset: expected first_n, ldam or random, got {subset!r}")
    labels, counts = np.asarray(labels), np.asarray(counts)
    classes = int(labels.max(initial=0)) + 1
    if counts.dtype.kind not in "iu" or counts.min(initial=0) < 0 or len(counts) < classes:
        raise ValueError(
            f"counts: expected a whole number from 0 on for each of {classes} classes, got "
            f"{counts.tolist()!s:.100}"
        )
    legacy = np.random.RandomState(0)
    rng = np.random.default_rng(seed)
    kept = []
    for label, count in enumerate(counts):
        index = np.flatnonzero(labels == label)
        if subset == "ldam":
            legacy.shuffle(index)
        elif subset == "random":
            index = rng.permutation(index)
        if len(index) < count:
            raise ValueError(f"class {label}: {count} images are to stay, but it has {len(index)}")
        kept.append(index[:count])
    return np.concatenate(kept).astype(np.int64)


def split_validation(num: int, fraction: float, seed: int) -> tuple[Ints, Ints]:
    """Return the positions of the training and validation images among `num` kept ones.

    The split is that of torch.utils.data.random_split with a generator seeded with `seed`.

    Returns:
        (num - v,) and (v,) positions in drawn order, v = int(num * fraction).
    """
    order = torch_randperm(num, seed)
    cut = num - int(num * fraction)
    return order[:cut], order[cut:]


def torch_randperm(num: int, seed: int) -> Ints:
    """Return torch.randperm(num) of a CPU generator seeded with `seed`, without importing torch.

    Both libraries start MT19937 alike from a 32-bit seed; torch swaps entry i with entry
    i + (next 32-bit draw mod (num - i)).
    """
    draws = np.random.RandomState(seed).randint(0, 2**32, size=max(num - 1, 0), dtype=np.uint32)
    order = list(range(num))
    for i, draw in enumerate(draws.tolist()):
        j = i + draw % (num - i)
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)


def subset_hash(indices: Ints) -> str:
    """Return the SHA-256 of the kept indices, as little-endian int64 in the order of `keep`."""
    return hashlib.sha256(np.ascontiguousarray(indices, dtype="<i8").tobytes()).hexdigest()
