"""Classifier re-training: a new classifier on the frozen baseline, on class-balanced batches.

Kang et al., "Decoupling Representation and Classifier", ICLR 2020, section 4.1; the learning
rate falls from train.lr along half a cosine, as there. Departs from facebookresearch/
classifier-balancing at f162ade in that batch-norm statistics are frozen, too, and in the draws:
each image's class is drawn by itself, where theirs goes round all classes, four images of each.
"""

from __future__ import annotations

from functools import partial

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Count
from lt.train import schedules
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, epochs: Count, epoch_length: samplers.EpochLength) -> tuple[Expert, ...]:
    """Return a single expert for all classes; `epochs` is the length of this second stage."""
    view = ClassView.all(len(task.counts))
    balanced = samplers.class_balanced(task.batch_size, epoch_length)
    lr = partial(schedules.cosine, lr=task.lr, epochs=epochs)
    phase = Phase(epochs, losses.cross_entropy, balanced, (surgery.new_classifier,), lr=lr)
    return (Expert(view, (phase,), heads.linear, start="needed"),)
