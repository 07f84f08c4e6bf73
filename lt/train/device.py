"""Which device computes, and how."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TypeVar

import joblib
import torch

T = TypeVar("T")

DEVICES = Path("/dev")
SMALL = 8  # pixels along a side, up to which one thread does the work (LOG.md, 2026-11-25)


def pick_device(deterministic: bool) -> torch.device:
    """Return the GPU if there is one, else the CPU with as many threads as the process may use.

    Processes that torchrun has started share them. Convolutions in fp32 are computed in fp32, and
    not in TF32, which torch prefers.

    deterministic: True allows deterministic kernels alone: where torch has none, the computation
        ends in a RuntimeError. False takes the fastest.

    Raises:
        ValueError: if there is a GPU that this torch cannot use.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cuda.enable_cudnn_sdp(not deterministic)
    torch.backends.cudnn.allow_tf32 = False
    cpus = joblib.cpu_count() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(min(torch.get_num_threads(), max(1, cpus)))
    _keep_memory()
    return torch.device("cuda" if _has_gpu() else "cpu")


def _has_gpu() -> bool:
    """Check whether there is a GPU; refuse one that would silently be left out, or fail later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch warns of is refused here
        available = torch.cuda.is_available()
    way_out = "or CUDA_VISIBLE_DEVICES= for the CPU"
    if not available:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
        # a torch without CUDA is a choice of the CPU
        if torch.version.cuda and not hidden and any(DEVICES.glob("nvidia[0-9]*")):
            raise ValueError(
                f"there is an NVIDIA GPU, and torch {torch.__version__} cannot use it: {_why()}; "
                f"expected a driver for CUDA {torch.version.cuda}, {way_out}"
            )
        return False
    own = torch.cuda.get_device_capability()
    built = [re.match(r"sm_(\d+)(\d)", name) for name in torch.cuda.get_arch_list()]
    lowest = min(((int(one[1]), int(one[2])) for one in built if one), default=own)
    if own < lowest:
        raise ValueError(
            f"{torch.cuda.get_device_name()} has compute capability {own[0]}.{own[1]}; expected "
            f"{lowest[0]}.{lowest[1]} or more, of which torch {torch.__version__} has kernels, "
            f"{way_out}"
        )
    return True


def _why() -> str:
    """Return torch's reason for using no GPU."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (AssertionError, RuntimeError) as error:
        return str(error).strip().split("\n")[0]
    return "it finds none"


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
