"""Which device computes, and how."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Generator, Sequence
from typing import TypeVar

import joblib
import torch

T = TypeVar("T")

SMALL = 8  # pixels along a side, up to which one thread does the work (LOG.md, 2026-11-25)


def pick_device(deterministic: bool) -> torch.device:
    """Return the GPU if there is one, else the CPU with as many threads as the process may use.

    Processes that torchrun has started share them.

    deterministic: True chooses deterministic kernels where torch has them, False the fastest.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not deterministic
    cpus = joblib.cpu_count() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(min(torch.get_num_threads(), max(1, cpus)))
    _keep_memory()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _keep_memory() -> None:
    """Keep memory that is freed for the next maps, where the C library is glibc.

    By default it gives blocks of some MB back to the system. Each page of them costs a fault when
    the next map is made: in an evaluation, more than the convolutions (LOG.md, 2026-11-25).
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD, the largest that it takes
        library.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD: bytes that may lie free


def use_threads(image_size: int) -> None:
    """Take one thread for small images, else as many as `pick_device` has set.

    A step on 8x8 images is a thousand parallel regions of microseconds, each with a barrier: a
    second thread gains little, and beside a busy process it costs many times the step. The rule
    knows the size of the images and never the load, so that a run is the same bit for bit.

    Args:
        image_size: pixels along a side.
    """
    if image_size <= SMALL:
        torch.set_num_threads(1)


def pick_precision(wanted: str, device: torch.device) -> str:
    """Return the precision `wanted`, or what "auto" stands for.

    That is bf16 where the device multiplies matrices in it, else fp32. Such a device is a GPU of
    2020 or later, or a CPU with AVX512-BF16, where it was measured faster for every backbone
    (bench/README.md), or AMX.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "fp32"


def side_by_side(runs: Sequence[Generator[None, None, T]], device: torch.device) -> list[T]:
    """Return the results of runs that yield whenever the device has work to do.

    On a GPU they share it, each on a stream of its own; on a CPU one follows the other.
    """
    if device.type != "cuda":
        return [take_turns([run], [None])[0] for run in runs]
    torch.cuda.synchronize(device)  # what the runs read is there before other streams read it
    results = take_turns(runs, [torch.cuda.Stream(device) for _ in runs])  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    return results


def take_turns(
    runs: Sequence[Generator[None, None, T]], streams: Sequence[torch.cuda.Stream | None]
) -> list[T]:
    """Return the results of runs that go on in turn, from yield to yield, each on its stream."""
    waiting, results = dict(enumerate(runs)), {}
    while waiting:
        for k, run in list(waiting.items()):
            try:
                with torch.cuda.stream(streams[k]):
                    next(run)
            except StopIteration as end:
                results[k] = end.value
                del waiting[k]
    return [results[k] for k in range(len(runs))]
