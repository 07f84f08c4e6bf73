"""Which chip computes, and how."""

from __future__ import annotations

import os

import torch


def pick_device() -> torch.device:
    """The GPU if there is one. Kernels are the deterministic ones where torch has them."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick_precision(wanted: str, device: torch.device) -> str:
    """What "auto" stands for: bf16 where the chip multiplies matrices in it, else fp32.

    That is a GPU of 2020 or later, or a CPU with AMX.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "fp32"
