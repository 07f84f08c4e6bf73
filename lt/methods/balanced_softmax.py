"""Balanced softmax: the baseline with log counts added to the logits in training.

Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020, equation 4,
without the meta sampler. It is logit adjustment with tau 1.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task) -> tuple[Expert, ...]:
    """Return a single expert for all classes."""
    view = ClassView.all(len(task.counts))
    sampler = samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, losses.adjusted(task.counts, 1.0), sampler, (surgery.everything,))
    return (Expert(view, (phase,), heads.linear),)
