"""Distillation of the split: one network for all classes learns from the groups' networks.

Xiang et al., "Learning from Multiple Experts", ECCV 2020 (LFME), its last step, with the loss and
the constants of xiangly55/LFME at 0a18a06, run_network_LFME.py and config/ImageNet_LT/LFME.py:
every teacher is heard on all images, at temperature 2, with weight 1. Departs from it in that the
weights stay, where LFME lets each fall as the student's validation accuracy on the group passes 0.3
of the teacher's (0.6 in the paper), and in that images come in random order, where LFME paces them
by difficulty and draws them class by class.
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
