"""Images that stay on disk: rows of an array in a file, read in batches ahead of their use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from mmap import mmap
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lt.data.views import Ints

T = TypeVar("T")
A = TypeVar("A")

AHEAD = 2  # batches that are read before they are asked for


@dataclass(frozen=True)
class Stored:
    """Some rows of an array, which may be mapped into memory from a file.

    Then they are read from the file and not through the mapping, whose pages would count as memory
    of the process.

    Attributes:
        array: in C order.
        index: which of its rows.
    """

    array: NDArray[Any]
    index: Ints

    @property
    def in_file(self) -> bool:
        """Whether the array is a whole one out of a file, as `numpy.load` maps it."""
        return isinstance(self.array, np.memmap) and isinstance(self.array.base, mmap)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array of these rows."""
        return len(self.index), *self.array.shape[1:]

    @property
    def nbytes(self) -> int:
        """Their bytes."""
        return prod(self.shape) * self.array.itemsize

    def some(self, positions: Ints) -> Stored:
        """Return these of the rows."""
        return Stored(self.array, self.index[positions])

    def read(self, positions: Ints | slice = slice(None)) -> NDArray[Any]:
        """Read rows, those of the file's beginning first.

        Raises:
            ValueError: if the file is cut short.
        """
        wanted = self.index[positions]
        if not self.in_file:
            return self.array[wanted]
        assert isinstance(self.array, np.memmap)
        rows = np.empty((len(wanted), *self.array.shape[1:]), self.array.dtype)
        size, name = prod(rows.shape[1:]) * rows.itemsize, os.fspath(self.array.filename or "")
        with open(name, "rb", buffering=0) as file:
            for k in np.argsort(wanted, kind="stable").tolist():
                file.seek(self.array.offset + int(wanted[k]) * size)
                if file.readinto(rows[k].data.cast("B")) != size:
                    raise ValueError(f"{name}: cut short while it was read")
        return rows


def ahead(read: Callable[[A], T], wanted: Iterable[A]) -> Iterator[T]:
    """Give `read` of each, in their order, some of them read by a thread before they are asked for.

    >>> list(ahead(abs, [-3, 2, -1]))
    [3, 2, 1]
    """
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[T]] = deque()
        for one in wanted:
            waiting.append(pool.submit(read, one))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
