"""Distillation of the split: one network for all classes learns from the groups' networks.

Xiang et al., "Learning from Multiple Experts", ECCV 2020 (LFME), its last step. Departs from it
in that each teacher is heard on the images of its own group, with one weight, where LFME paces
the weights by how far the student is behind, and orders the images by difficulty.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import NonNegative, Positive
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, temperature: Positive, weight: NonNegative) -> tuple[Expert, ...]:
    """Return a single expert for all classes, fresh; the networks of its start are its teachers."""
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    loss = losses.distilled(task.start, temperature, weight)
    phases = (
        Phase(task.epochs, loss, sampler, (surgery.learn_from_start,)),
        Phase(0, loss, sampler, (surgery.forget_teachers,)),
    )
    return (Expert(view, phases, heads.linear, start="teachers"),)
