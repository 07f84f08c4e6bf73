"""RIDE: one network whose last stage is there several times, trained to differ, and averaged.

Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts", ICLR 2021,
equations 2 and 3. Departs from it in that there is no routing and no distillation, that the loss
of a branch is plain cross entropy, and that diversity has one temperature, 1, for all classes.
"""

from __future__ import annotations

from typing import Annotated

from lt import losses, nets, samplers, setups
from lt.params import NonNegative, Range
from lt.plan import ClassView, Expert, Phase, Task


def experts(
    task: Task, *, num: Annotated[int, Range(2)], diversity: NonNegative
) -> tuple[Expert, ...]:
    """A single expert for all classes, with `num` branches."""
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, losses.branched(diversity), sampler, (setups.branch(num),))
    return (Expert(view, (phase,), nets.linear),)
