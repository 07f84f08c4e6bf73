"""Image files as batches of pixels, decoded in threads while a network is at work."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt import images
from lt.data.stored import ahead

THREADS = min(8, 1 + (os.cpu_count() or 1))
BATCH, BATCH_BYTES = 250, 2**24  # of a batch: its images at most, and their bytes


@dataclass(frozen=True)
class Batch:
    """Some files.

    Attributes:
        paths: of those that could be read.
        pixels: uint8 (N, size, size, channels).
        scaled: how many were of another size.
        problems: what is wrong with the others.
    """

    paths: list[str]
    pixels: NDArray[np.uint8]
    scaled: int
    problems: list[str]

    def __len__(self) -> int:
        return len(self.paths) + len(self.problems)


Decoded = tuple[NDArray[np.uint8], bool]


def batches(paths: Sequence[str], size: int, channels: int) -> Iterator[Batch]:
    """Give the files in batches: in the form that the networks were trained on."""
    number = max(1, min(BATCH, BATCH_BYTES // (size * size * channels)))
    parts = [paths[start : start + number] for start in range(0, len(paths), number)]
    pool = ThreadPoolExecutor(THREADS)

    def read(part: Sequence[str]) -> Batch:
        futures = [pool.submit(_decode, path, size, channels) for path in part]
        return _batch(part, futures, (size, size, channels))

    try:
        with warnings.catch_warnings():  # which threads set and reset across each other
            warnings.simplefilter("ignore")
            yield from ahead(read, parts)
    finally:
        pool.shutdown(cancel_futures=True)


def _batch(paths: Sequence[str], futures: Sequence[Future[Decoded]], shape: Any) -> Batch:
    read, blocks, problems, scaled = [], [], [], 0
    for path, future in zip(paths, futures, strict=True):
        try:
            block, other = future.result()
        except (ValueError, OSError) as error:
            problems.append(str(error))
            continue
        read.append(path)
        blocks.append(block.reshape(shape))
        scaled += other
    pixels = np.stack(blocks) if blocks else np.empty((0, *shape), np.uint8)
    return Batch(read, pixels, scaled, problems)


def _decode(path: str, size: int, channels: int) -> Decoded:
    """Read an image; and whether it was of another size."""
    image = images.read(path, "L" if channels == 1 else "RGB")
    square = images.square(image, size)
    return np.asarray(square, dtype=np.uint8), image.size != (size, size)
