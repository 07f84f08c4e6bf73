"""Learnable Weight Scaling: after the baseline, only a scale per class is trained, class-balanced.

Kang et al., "Decoupling Representation and Classifier", ICLR 2020, section 4.3. Departs from
the authors' code in the second stage's learning rate: here it is train.lr, not a cosine of its own.
"""

from __future__ import annotations

from lt import losses, nets, samplers, setups
from lt.params import Count
from lt.plan import ClassView, Expert, Phase, Task


def experts(
    task: Task, *, scale_epochs: Count, epoch_length: samplers.EpochLength
) -> tuple[Expert, ...]:
    """A single expert for all classes, in two phases; `scale_epochs` is the second's length."""
    view = ClassView.all(len(task.counts))
    natural = samplers.shuffled(task.batch_size)
    balanced = samplers.class_balanced(task.batch_size, epoch_length)
    phases = (
        Phase(task.epochs, losses.cross_entropy, natural, (setups.everything,)),
        Phase(scale_epochs, losses.cross_entropy, balanced, (setups.scales_only,)),
    )
    return (Expert(view, phases, nets.linear),)
