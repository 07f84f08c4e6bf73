"""Image files to rows of an array on disk, by several processes."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lt import images, process
from lt.data import folders

AT_ONCE = 16  # images that a process decodes before it tells
ROWS = 256  # of an image that are hashed at once
CHANGED = "changed since it was listed"
LESS = "expected a smaller image, or fewer processes (LOKY_MAX_CPU_COUNT=1)"


@dataclass(frozen=True)
class Job:
    """Files to decode, and where their pixels go.

    Attributes:
        array: the .npy file, uint8 (N, size, size, 3).
        first: the row of the first file.
        files: of each, path, label and what it is known by, as in data/listing.json.
    """

    array: Path
    first: int
    files: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Done:
    """What became of a job: of each file the hash of its pixels, or what is wrong with it.

    `not_read`: what says nothing of an image, but that it could not be read now.
    """

    job: Job
    digests: list[str | None]
    problems: list[str | None]
    not_read: list[str]


def create(array: Path, number: int, size: int) -> None:
    """Make the .npy file for `number` images, as large as it is going to be.

    Its blocks are taken now: a write through a mapping to a full disk would kill the process.

    Raises:
        OSError: if there is no room for it.
    """
    shape = (number, size, size, 3)
    np.lib.format.open_memmap(array, mode="w+", dtype=np.uint8, shape=shape).flush()
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with array.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, array.stat().st_size)


def jobs(array: Path, files: Sequence[Sequence[Any]]) -> list[Job]:
    """Cut the files of an array into jobs."""
    starts = range(0, len(files), AT_ONCE)
    return [Job(array, start, files[start : start + AT_ONCE]) for start in starts]


def decode(job: Job) -> Done:
    """Decode the files of a job, and write their pixels.

    The hash is of all pixels as the image is seen, before it is scaled.
    """
    rows = np.load(job.array, mmap_mode="r+")
    done = Done(job, [], [], [])
    for row, (path, _, *mark) in enumerate(job.files, job.first):
        digest = problem = stopped = None
        try:
            image = images.read(path, "RGB")
            digest = _digest(image)
            rows[row] = np.asarray(images.square(image, rows.shape[1]))
        except images.NotReadable as error:
            stopped = str(error)
        except ValueError as error:
            problem = str(error)
        except MemoryError:
            stopped = f"{path}: out of memory: {LESS}"
        if _has_changed(path, mark):
            stopped = f"{path}: {CHANGED}"
        if stopped:
            done.not_read.append(stopped)
        done.digests.append(digest)
        done.problems.append(problem)
    rows.flush()
    return done


def _has_changed(path: str, mark: Sequence[int]) -> bool:
    """Check whether the content is another; other times may change with what reads nothing."""
    try:
        return folders.mark(os.stat(path))[:2] != mark[:2]
    except FileNotFoundError:
        return True
    except OSError:  # which says nothing of the file
        return False


def _digest(image: Image.Image) -> str:
    sha = hashlib.sha256(repr(image.size).encode())
    for top in range(0, image.height, ROWS):  # an array of all would be as large as the image
        bottom = min(top + ROWS, image.height)
        sha.update(image.crop((0, top, image.width, bottom)).tobytes())
    return sha.hexdigest()


def run(todo: Sequence[Job], processes: int) -> Iterator[Done]:
    """Do the jobs, in any order.

    Args:
        todo: the jobs.
        processes: how many work on them; with one, this one does.

    Raises:
        ValueError: if a process was killed.
    """
    if processes == 1:
        yield from map(decode, todo)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks
    pool = ProcessPoolExecutor(processes, context, initializer=process.stop_with_parent)
    left = iter(todo)
    try:
        waiting = {pool.submit(decode, one) for one in islice(left, 4 * processes)}
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(decode, one) for one in islice(left, len(ready))}
            yield from (one.result() for one in ready)
    except BrokenProcessPool:
        raise ValueError(
            "a process that decodes images was killed, perhaps for want of memory; "
            "run `dvc repro` again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
