"""Learning rates as pure functions of the epoch, counted from 1."""

from __future__ import annotations


def step(epoch: int, lr: float, step_size: int, gamma: float) -> float:
    """Torch's StepLR, stepped once an epoch: lr times gamma for every full step_size epochs.

    >>> [step(epoch, 0.1, 150, 0.1) for epoch in (1, 150, 151)]
    [0.1, 0.1, 0.010000000000000002]
    """
    return lr * gamma ** ((epoch - 1) // step_size)
