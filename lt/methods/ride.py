"""RIDE: one network that has its last stage several times, trained to differ, and averaged.

After Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts", ICLR
2021. Simpler in much: the last stage alone is there several times, at full width, where theirs
are the last two, narrowed; branches have linear classifiers and plain cross entropy, not LDAM's;
diversity is measured from the mean of the branches, at one temperature, 1, for all classes; there
is no distillation and no routing. Not to be held against its published figures.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Branches, NonNegative
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, num: Branches, diversity: NonNegative) -> tuple[Expert, ...]:
    """Return a single expert for all classes, with `num` branches."""
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, losses.branched(diversity), sampler, (surgery.branch(num),))
    return (Expert(view, (phase,), heads.linear),)
