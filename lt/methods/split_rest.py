"""The split whose networks also see the other groups' images, all of them as one class "rest".

The seed, section 4.2, which describes but does not run it. The head's network sees all other
images; for the networks after it they are thinned, other ones every epoch: to the mean, the
smallest or the largest of the group's own classes, or to `ratio` times the group's own images
(the "others" class of Balanced Group Softmax, Li et al., CVPR 2020, with ratio 8), or not at all.

With `tau`, the logits are adjusted in training (Menon et al. 2021), so that at 1 the own classes
have what a balanced test gives them, and the rest the sum of what it gives the classes in it.
"""

from __future__ import annotations

import numpy as np

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import NonNegative, Positive
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(
    task: Task, *, thin: samplers.Thin, ratio: Positive, tau: NonNegative
) -> tuple[Expert, ...]:
    """Return an expert per group, with an output more than the group has classes."""

    def expert(k: int, group: tuple[int, ...]) -> Expert:
        view = ClassView(group, len(task.counts), "rest")
        own = np.array([task.counts[label] for label in group])
        rest = sum(task.counts) - int(own.sum())
        if k:
            sampler = samplers.thinned_rest(task.batch_size, thin, ratio)
            rest = samplers.rest_kept(own, rest, thin, ratio)
        else:
            sampler = samplers.shuffled(task.batch_size)
        # a balanced test has as much of the rest as of the classes in it, so that its prior is to
        # be compared with an own class's by the mean of theirs; a single group has no rest
        mean = rest / max(len(task.counts) - len(group), 1)
        loss = losses.adjusted([*own.tolist(), mean], tau) if tau else losses.cross_entropy
        phase = Phase(task.epochs, loss, sampler, (surgery.everything,))
        return Expert(view, (phase,), heads.linear)

    return tuple(expert(k, group) for k, group in enumerate(task.groups))
