from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from lt.data import stored
from lt.data.stored import Stored

ARRAY = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3)).astype(np.uint8)


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "a.npy", ARRAY)
    return np.load(tmp_path / "a.npy", mmap_mode="r")


def test_rows_are_those_of_the_array(mapped: np.ndarray) -> None:
    index = np.array([7, 3, 3, 19, 0])
    rows = Stored(mapped, index)
    assert rows.in_file
    assert (len(rows), rows.shape, rows.nbytes) == (5, (5, 4, 4, 3), 5 * 48)
    assert np.array_equal(rows.read(), ARRAY[index])
    assert np.array_equal(rows.read(np.array([4, 0])), ARRAY[[0, 7]])
    assert np.array_equal(rows.read(slice(1, 3)), ARRAY[[3, 3]])
    assert np.array_equal(rows.some(np.array([3, 1])).read(), ARRAY[[19, 3]])
    assert rows.read(np.array([], dtype=np.int64)).shape == (0, 4, 4, 3)


def test_a_part_of_a_mapped_array_is_no_file(mapped: np.ndarray) -> None:
    """It begins elsewhere, and does not say where."""
    index = np.array([2, 0])
    for part in (mapped[5:], ARRAY[5:]):
        rows = Stored(part, index)
        assert not rows.in_file
        assert np.array_equal(rows.read(), ARRAY[[7, 5]])


def test_a_file_that_is_cut_short_is_named(mapped: np.ndarray, tmp_path: Path) -> None:
    rows = Stored(mapped, np.arange(20))
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(600)
    with pytest.raises(ValueError, match=r"a\.npy: cut short while it was read"):
        rows.read()


def test_reading_is_some_batches_ahead_and_no_more() -> None:
    read, asked = [], threading.Semaphore(0)

    def one(number: int) -> int:
        read.append(number)
        asked.release()
        return number

    batches = stored.ahead(one, range(10))
    assert next(batches) == 0
    for _ in range(stored.AHEAD + 1):
        assert asked.acquire(timeout=10)
    assert read == [0, 1, 2]
    assert list(batches) == list(range(1, 10))


def test_what_goes_wrong_in_the_thread_comes_out() -> None:
    def fail(number: int) -> int:
        if number == 3:
            raise OSError("disk")
        return number

    batches = stored.ahead(fail, range(10))
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="disk"):
        next(batches)
