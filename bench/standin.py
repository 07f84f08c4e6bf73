"""A stand-in of ImageNet-LT: as many images, as many of each class, and nothing to look at.

    python -m bench.standin data/raw/cifar100              # the arrays of a dataset
    python -m bench.standin --lists /tmp/standin           # PNG files, and lists "path label"

115,846 training images in 1,000 classes, 1280 to 5 of each, and 50 test images of each (Liu et al.
2019, "Large-Scale Long-Tailed Recognition in an Open World", section 4). How they fall is ours: 385
classes have more than 100, 136 less than 20, and in between the counts are a smooth curve with that
sum. An image is its class's pattern of 4x4 colours with noise, so that a network can learn it. For
other shapes: --classes, --images, --most, --least, --many, --few, --test, --size.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from PIL import Image

from lt import files

PATTERN = 4  # pixels along a side
NOISE = 40.0  # standard deviation, of 255
AT_ONCE = 4096  # images
SHAPE = {"classes": 1000, "images": 115_846, "most": 1280, "least": 5, "many": 385, "few": 136}


def counts(
    classes: int, images: int, most: int, least: int, many: int, few: int
) -> NDArray[np.int64]:
    """Return falling images per class, from `most` to `least`, whose sum is `images`.

    `many` classes have more than 100, `few` ones less than 20.

    >>> counts(1000, 115_846, 1280, 5, 385, 136)[[0, 1, 384, 385, 863, 864, 999]].tolist()
    [1280, 968, 101, 100, 20, 19, 5]

    Raises:
        ValueError: if there is no such curve.
    """
    ranks, edges = np.arange(classes), [0, many - 1, many, classes - few - 1, classes - few]
    if not 1 < many < classes - few - 1 < classes - 2:
        raise ValueError(f"{many} and {few} of {classes} classes leave no curve between them")

    def curve(bend: float) -> NDArray[np.int64]:
        logs = np.interp(ranks, [*edges, classes - 1], np.log([most, 101, 100, 20, 19, least]))
        head = np.log(101 / most) * (ranks[:many] / (many - 1)) ** bend
        logs[:many] = np.log(most) + head
        return np.rint(np.exp(logs)).astype(np.int64)

    low, high = 1e-2, 1e2  # the sum rises with the bend
    for _ in range(100):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if curve(middle).sum() <= images else (low, middle)
    found = curve(low)
    left = images - int(found.sum())  # what rounding leaves: one more for the largest but the first
    if not 0 <= left < many - 2:
        raise ValueError(f"no curve of {classes} counts from {most} to {least} sums to {images}")
    found[1 : 1 + left] += 1
    return found


def pictures(
    labels: NDArray[np.int64], classes: int, size: int, seed: int
) -> Iterator[NDArray[np.uint8]]:
    """Give images (n, size, size, 3) of the labels, some thousand at a time."""
    patterns = np.random.default_rng(0).integers(0, 256, (classes, PATTERN, PATTERN, 3))
    rng = np.random.default_rng(seed)
    where = np.arange(size) * PATTERN // size
    for start in range(0, len(labels), AT_ONCE):
        own = patterns[labels[start : start + AT_ONCE]][:, where][:, :, where]
        noisy = own + rng.normal(0, NOISE, own.shape).astype(np.float32)
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def write_arrays(
    folder: Path, parts: dict[str, NDArray[np.int64]], classes: int, size: int
) -> None:
    """Write what `lt.data.datasets.save` writes, without holding it in memory."""
    with files.whole(folder) as made:
        made.mkdir()
        for seed, (part, labels) in enumerate(parts.items(), 1):
            shape = (len(labels), size, size, 3)
            images = open_memmap(made / f"{part}_images.npy", "w+", np.uint8, shape)
            start = 0
            for some in pictures(labels, classes, size, seed):
                images[start : start + len(some)] = some
                start += len(some)
            images.flush()
            np.save(made / f"{part}_labels.npy", labels)
        names = [f"class {label}" for label in range(classes)]
        (made / "classes.json").write_text(json.dumps(names) + "\n")


def write_lists(folder: Path, parts: dict[str, NDArray[np.int64]], classes: int, size: int) -> None:
    """Write PNG files, and train.txt and test.txt with a line "path label" for each."""
    with files.whole(folder) as made:
        for seed, (part, labels) in enumerate(parts.items(), 1):
            lines, at = [], 0
            for some in pictures(labels, classes, size, seed):
                for image in some:
                    path = Path(part) / f"{labels[at]:05d}" / f"{at:07d}.png"
                    (made / path).parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(image).save(made / path)
                    lines.append(f"{path} {labels[at]}")
                    at += 1
            (made / f"{part}.txt").write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lists", action="store_true", help="files and lists, not arrays")
    for name, value in SHAPE.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--test", type=int, default=50, help="test images of each class")
    parser.add_argument("--size", type=int, default=32, help="pixels along a side")
    given = parser.parse_args()
    per_class = counts(**{name: getattr(given, name) for name in SHAPE})
    every = np.arange(given.classes)
    parts = {"train": np.repeat(every, per_class), "test": np.repeat(every, given.test)}
    write = write_lists if given.lists else write_arrays
    write(given.folder, parts, given.classes, given.size)


if __name__ == "__main__":
    main()
