"""Distillation of the split: one network for all classes learns from the groups' networks.

Xiang et al., "Learning from Multiple Experts", ECCV 2020 (LFME), its last step. Departs from it
in that each teacher is heard on the images of its own group, with one weight, where LFME paces
the weights by how far the student is behind, and orders the images by difficulty.
"""

from __future__ import annotations

from lt import heads, losses, samplers, setups
from lt.plan import ClassView, Expert, Phase, Task
from lt.schema import NonNegative, Positive


def experts(task: Task, *, temperature: Positive, weight: NonNegative) -> tuple[Expert, ...]:
    """A single expert for all classes, fresh; the networks of its start are its teachers."""
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    loss = losses.distilled(task.groups, temperature, weight)
    phases = (
        Phase(task.epochs, loss, sampler, (setups.learn_from_start,)),
        Phase(0, loss, sampler, (setups.forget_teachers,)),
    )
    return (Expert(view, phases, heads.linear, start="teachers"),)
