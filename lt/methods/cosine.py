"""The baseline with a cosine classifier: what LDAM's classifier does without its margins.

Outputs are `scale` times the cosines between features and class vectors, as in LDAM (Cao et al.
2019). LDAM's missing control.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Positive
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, scale: Positive) -> tuple[Expert, ...]:
    """Return a single expert for all classes."""
    view = ClassView.all(len(task.counts))
    sampler = samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, losses.cross_entropy, sampler, (surgery.everything,))
    return (Expert(view, (phase,), heads.cosine(scale)),)
