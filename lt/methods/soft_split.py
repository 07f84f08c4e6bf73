"""The split made soft: every network sees all classes, but leans to a group; averaged.

Each network is trained with balanced softmax (Ren et al. 2020), less `lean` on the logits of its
own group, which those gain thereby. Where every loss is least, the mean of the networks' logits is
that of a balanced prior, whatever the lean: the argument of BalPoE (Aimar et al., CVPR 2023), whose
experts spread over the strength of the adjustment where these spread over the groups. The
classifier is a cosine one, as theirs, since a bias would take the offsets up. The rules that fit
numbers to networks (`temperature`, `affine`) weigh them unequally and undo the balance.

With a number per group the mean itself leans, to the groups with the larger ones. On images that
they have not seen, networks may still prefer frequent classes: leans of 0 for the head and more for
the tail counter that. An offset after training does so too, by what validation images tell
(`evaluate.combine`).
"""

from __future__ import annotations

from lt.nets import branch_losses, heads, losses
from lt.params import NonNegative, Positive
from lt.train.plan import Expert, Fork, Mix, Task, single


def experts(
    task: Task,
    *,
    lean: NonNegative | tuple[NonNegative, ...],
    scale: Positive,
    shared: bool,
    mixup: NonNegative,
) -> tuple[Expert, ...]:
    """Return an expert per group, each for all classes.

    `lean` is one number for all, or one per group, the head's first. With `shared`, it is a single
    expert, whose last two stages are there once for each group. `mixup` is mixup's alpha; 0 blends
    nothing.
    """
    leans = lean if isinstance(lean, tuple) else (lean,) * len(task.groups)
    if len(leans) != len(task.groups):
        raise ValueError(
            f"methods.soft_split.lean: expected a number, or one for each of the "
            f"{len(task.groups)} groups, got {list(leans)}"
        )
    each = losses.leaning(task.counts, task.groups, leans)
    head, mix = heads.cosine(scale), Mix.plain(mixup)
    if not shared:
        return tuple(single(task, loss, head=head, mix=mix)[0] for loss in each)
    if len(each) == 1:
        raise ValueError("methods.soft_split.shared: expected at least two groups, got one")
    loss = branch_losses.each(each, weight=1 / len(each))
    return single(task, loss, head=head, mix=mix, fork=Fork(len(each), 1.0))
