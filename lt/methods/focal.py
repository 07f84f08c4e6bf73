"""Focal loss: the baseline, but images that it has right already count less.

Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 4, in the softmax form
that the long-tail papers compare with: gamma acts on the unweighted probability of the class.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import NonNegative
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, gamma: NonNegative) -> tuple[Expert, ...]:
    """Return a single expert for all classes; gamma 0 is the baseline."""
    view = ClassView.all(len(task.counts))
    sampler = samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, losses.focal(gamma), sampler, (surgery.everything,))
    return (Expert(view, (phase,), heads.linear),)
