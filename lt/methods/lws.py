"""Learnable Weight Scaling: on the frozen baseline, only class scales are learned, class-balanced.

Kang et al., "Decoupling Representation and Classifier", ICLR 2020, section 4.3; the learning
rate falls from train.lr along half a cosine, as there. Departs from facebookresearch/
classifier-balancing at f162ade as crt does, and in 10 epochs where its config has 5.
"""

from __future__ import annotations

from functools import partial

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Count
from lt.train import schedules
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(
    task: Task, *, scale_epochs: Count, epoch_length: samplers.EpochLength
) -> tuple[Expert, ...]:
    """Return a single expert for all classes; `scale_epochs` is the length of this second stage."""
    view = ClassView.all(len(task.counts))
    balanced = samplers.class_balanced(task.batch_size, epoch_length)
    lr = partial(schedules.cosine, lr=task.lr, epochs=scale_epochs)
    phase = Phase(scale_epochs, losses.cross_entropy, balanced, (surgery.scales_only,), lr=lr)
    return (Expert(view, (phase,), heads.linear, start="needed"),)
