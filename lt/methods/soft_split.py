"""The split made soft: every network sees all classes, but leans to a group; averaged.

Each network is trained with balanced softmax (Ren et al. 2020), whose prior is shifted so that the
classes of its own group gain `lean` over the others. In the mean of the logits the shifts cancel:
it is that of a balanced prior, as in BalPoE (Aimar et al., CVPR 2023, theorem 1), which spreads
over the strength of the adjustment where this spreads over the groups. With lean 0 it is an
ensemble of balanced_softmax; the larger lean, the more is each network one for its own group.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import branch_losses, heads, losses, surgery
from lt.params import NonNegative
from lt.train.plan import ClassView, Expert, Fork, Phase, Task


def experts(task: Task, *, lean: NonNegative, shared: bool) -> tuple[Expert, ...]:
    """Return an expert per group, each for all classes.

    With `shared`, it is a single expert, whose last two stages are there once for each group.
    """
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    each = losses.leaning(task.counts, task.groups, lean)
    if not shared:
        phases = (Phase(task.epochs, loss, sampler, (surgery.everything,)) for loss in each)
        return tuple(Expert(view, (phase,), heads.linear) for phase in phases)
    if len(each) == 1:
        raise ValueError("methods.soft_split.shared: expected at least two groups, got one")
    loss = branch_losses.each(each, weight=1 / len(each))
    phase = Phase(task.epochs, loss, sampler, (surgery.everything,))
    return (Expert(view, (phase,), heads.linear, fork=Fork(len(each), 1.0)),)
