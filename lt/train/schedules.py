"""Learning rates as pure functions of the epoch, counted from 1."""

from __future__ import annotations

import math
from collections.abc import Sequence


def stepped(
    epoch: int,
    lr: float,
    warmup: int,
    step_size: int | None,
    milestones: Sequence[int],
    gamma: float,
) -> float:
    """Return the learning rate of an epoch: a linear warm-up, then falls by gamma.

    Args:
        epoch: from 1.
        lr: the learning rate between warm-up and first fall.
        warmup: its length in epochs; in the k-th of them the rate is lr * k / warmup. The epochs of
            the falls are counted from the start, warm-up included.
        step_size: epochs after which the rate falls, again and again (torch's StepLR); None: never.
        milestones: epochs after which the rate falls, each once (torch's MultiStepLR).
        gamma: what is left of the rate after a fall, as a factor.

    >>> epochs = (1, 5, 6, 160, 161, 180, 181)
    >>> [round(stepped(epoch, 0.1, 5, None, (160, 180), 0.01), 9) for epoch in epochs]
    [0.02, 0.1, 0.1, 0.1, 0.001, 0.001, 1e-05]
    >>> [round(stepped(e, 0.1, 0, 150, (), 0.1), 9) for e in (1, 150, 151, 301)]
    [0.1, 0.1, 0.01, 0.001]
    """
    if epoch <= warmup:
        return lr * epoch / warmup
    falls = sum(epoch > milestone for milestone in milestones)
    return lr * gamma ** (falls + ((epoch - 1) // step_size if step_size else 0))


def cosine(epoch: int, lr: float, epochs: int) -> float:
    """Return the rate on half a cosine from lr, in the first epoch, towards 0, after the last.

    >>> [round(cosine(epoch, 0.1, 4), 6) for epoch in (1, 2, 3, 4)]
    [0.1, 0.085355, 0.05, 0.014645]
    """
    return lr * (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2


def risen(epoch: int, lr: float, warmup: int, epochs: int) -> float:
    """Return the rate of a linear warm-up, then half a cosine over the epochs that are left.

    >>> [round(risen(epoch, 0.1, 2, 6), 6) for epoch in (1, 2, 3, 4, 5, 6)]
    [0.05, 0.1, 0.1, 0.085355, 0.05, 0.014645]
    """
    if epoch <= warmup:
        return lr * epoch / warmup
    return cosine(epoch - warmup, lr, epochs - warmup)
