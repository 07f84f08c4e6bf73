"""Losses: (logits (B, width), targets (B,), epoch) -> scalar."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001 (the contract)
    """Mean softmax cross entropy."""
    return functional.cross_entropy(logits, targets)
