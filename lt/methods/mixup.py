"""Mixup: the baseline on pairs of images, blended, with labels blended alike; or Remix.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018. With `remix` (Chou et al.,
"Remix: Rebalanced Mixup", ECCV workshops 2020, equation 6): where one of the two classes has at
least `kappa` times the images of the other, and the rarer one's share is more than 1 - `tau`,
the label is the rarer one's alone.
"""

from __future__ import annotations

from lt.nets import losses, mixing
from lt.params import NonNegative, Positive
from lt.train.plan import Expert, Mix, Task, single


def experts(
    task: Task, *, alpha: Positive, remix: bool, kappa: Positive, tau: NonNegative
) -> tuple[Expert, ...]:
    """Return a single expert for all classes; kappa and tau are those of Remix."""
    mix = Mix(alpha, mixing.remix(task.counts, kappa, tau) if remix else mixing.plain)
    return single(task, losses.cross_entropy, mix=mix)
