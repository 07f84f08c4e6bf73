"""Logit adjustment in training: the baseline with tau * log prior added to the logits of the loss.

Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021, equation 10.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import NonNegative
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, tau: NonNegative) -> tuple[Expert, ...]:
    """Return a single expert for all classes; tau 0 is the baseline."""
    view = ClassView.all(len(task.counts))
    sampler = samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, losses.adjusted(task.counts, tau), sampler, (surgery.everything,))
    return (Expert(view, (phase,), heads.linear),)
