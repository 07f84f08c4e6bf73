"""The baseline with a cosine classifier: what LDAM's classifier does without its margins.

Outputs are `scale` times the cosines between features and class vectors, as in LDAM (Cao et al.
2019). LDAM's missing control.
"""

from __future__ import annotations

from lt import heads, losses, samplers, setups
from lt.plan import ClassView, Expert, Phase, Task
from lt.schema import Positive


def experts(task: Task, *, scale: Positive) -> tuple[Expert, ...]:
    """A single expert for all classes."""
    view = ClassView.all(len(task.counts))
    sampler = samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, losses.cross_entropy, sampler, (setups.everything,))
    return (Expert(view, (phase,), heads.cosine(scale)),)
