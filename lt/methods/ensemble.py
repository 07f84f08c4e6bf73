"""Several baselines, averaged: what a split that costs as much must beat.

They differ in their initial weights and augmentation. Averaging is evaluate's: the mean of what
the networks say of a class is what every combination rule does where several know it.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Networks
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, num: Networks) -> tuple[Expert, ...]:
    """Return `num` experts for all classes."""
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, losses.cross_entropy, sampler, (surgery.everything,))
    return tuple(Expert(view, (phase,), heads.linear) for _ in range(num))
