"""SADE: three branches that share their first stages, each trained for another test prior.

Zhang et al., "Self-Supervised Aggregation of Diverse Experts for Test-Agnostic Long-Tailed
Recognition", NeurIPS 2022, section 4.1: cross entropy, balanced softmax, and a loss for the prior
in reverse order, on cosine classifiers. Held against Vanint/SADE-AgnosticLT at cba11b8,
model/loss.py and configs/config_cifar100_ir100_sade.json; what that sets besides is in
docs/methods.md. Classes of equal counts swap their priors in the order of their labels, in theirs
in that of torch's sort. Branches are averaged, as for a balanced test set; the combination rule
"unlabelled" weights them by the test outputs (their section 4.2, in another form:
lt/score/unlabelled.py).
"""

from __future__ import annotations

from lt.nets import branch_losses, heads, losses
from lt.params import Factor, NonNegative, Positive
from lt.train.plan import Expert, Fork, Task, single


def experts(
    task: Task, *, width: Factor, scale: Positive, strength: NonNegative
) -> tuple[Expert, ...]:
    """Return a single expert for all classes, with three branches of `width` of the channels.

    `strength` is that of the third one's prior, their lambda: at 0 it trains for a balanced
    prior, at 1 for the reversed one.
    """
    of_branches = (
        losses.cross_entropy,
        losses.adjusted(task.counts, 1.0),
        branch_losses.opposed(task.counts, strength),
    )
    loss = branch_losses.each(of_branches, weight=1.0)
    return single(task, loss, head=heads.cosine(scale), fork=Fork(3, width))
