"""Several networks, averaged: what a split that costs as much must beat.

They differ in their initial weights and augmentation, and are baselines, or, with `tau`, trained
with logit adjustment; with `mixup`, on blended images. Averaging is evaluate's: the mean of what
the networks say of a class is what every combination rule but `sum` and `unlabelled` does where
several know it.
"""

from __future__ import annotations

from lt.nets import losses
from lt.params import Networks, NonNegative
from lt.train.plan import Expert, Mix, Task, single


def experts(
    task: Task, *, num: Networks, tau: NonNegative, mixup: NonNegative
) -> tuple[Expert, ...]:
    """Return `num` experts for all classes; tau 0 is the baseline's loss.

    `mixup` is mixup's alpha; 0 blends nothing.
    """
    loss = losses.adjusted(task.counts, tau) if tau else losses.cross_entropy
    return single(task, loss, mix=Mix.plain(mixup)) * num
