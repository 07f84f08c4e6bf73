"""Random under-sampling: the baseline on as many images of each class as the smallest has.

The seed, section 3.1. An epoch is much shorter than the baseline's: compare updates too.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import losses
from lt.train.plan import Expert, Task, single


def experts(task: Task, *, redraw: bool) -> tuple[Expert, ...]:
    """Return a single expert for all classes; `redraw` draws other images every epoch."""
    sampler = samplers.under(task.batch_size, redraw)
    return single(task, losses.cross_entropy, sampler=sampler)
