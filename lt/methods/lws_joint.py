"""The seed's LWS: the baseline with a learned scale per class, trained jointly from the start.

The seed, section 3.2. It departs from LWS as published (see lws.py), which learns the scales
alone, on a frozen network.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task) -> tuple[Expert, ...]:
    """Return a single expert for all classes, its logits (bias included) scaled per class."""
    view = ClassView.all(len(task.counts))
    sampler = samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, losses.cross_entropy, sampler, (surgery.everything,))
    return (Expert(view, (phase,), heads.scaled_linear),)
