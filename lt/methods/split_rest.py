"""The split whose networks also see the other groups' images, all of them as one class "rest".

The seed, section 4.2, which describes but does not run it. The head's network sees all other
images; for the networks after it they are thinned, other ones every epoch: to the mean, the
smallest or the largest of the group's own classes, or to `ratio` times the group's own images
(the "others" class of Balanced Group Softmax, Li et al., CVPR 2020, with ratio 8).
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Positive
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, thin: samplers.Thin, ratio: Positive) -> tuple[Expert, ...]:
    """Return an expert per group, with an output more than the group has classes."""

    def expert(k: int, group: tuple[int, ...]) -> Expert:
        view = ClassView(group, len(task.counts), "rest")
        thinned = samplers.thinned_rest(task.batch_size, thin, ratio)
        sampler = thinned if k else samplers.shuffled(task.batch_size)
        phase = Phase(task.epochs, losses.cross_entropy, sampler, (surgery.everything,))
        return Expert(view, (phase,), heads.linear)

    return tuple(expert(k, group) for k, group in enumerate(task.groups))
