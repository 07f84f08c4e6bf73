"""BalPoE: branches with logit adjustments that spread around 1, trained on mixup, averaged.

Aimar et al., "Balanced Product of Calibrated Experts for Long-Tailed Recognition", CVPR 2023: where
the taus have the mean 1, the mean of the logits is that of a balanced prior; mixup calibrates the
branches, which this needs. Held against emasa/BalPoE-CalibratedLT at ca607ae, model/loss.py,
utils/combiner.py and configs/mixup/standard_training/config_cifar100_ir100_bs-experts.json, whose
alpha of mixup is 0.4 (0.8 in that of CIFAR-10). What it sets besides is in docs/methods.md.
"""

from __future__ import annotations

from lt.nets import branch_losses, heads, losses
from lt.params import Factor, NonNegative, Positive
from lt.train.plan import Expert, Fork, Mix, Task, single


def experts(
    task: Task, *, taus: tuple[NonNegative, ...], width: Factor, scale: Positive, mixup: NonNegative
) -> tuple[Expert, ...]:
    """Return a single expert for all classes, with a branch per tau, of `width` of the channels.

    `mixup` is mixup's alpha; 0 blends nothing.
    """
    if len(taus) < 2:
        raise ValueError(f"methods.balpoe.taus: expected at least two numbers, got {list(taus)}")
    of_branches = [losses.adjusted(task.counts, tau) for tau in taus]
    loss = branch_losses.each(of_branches, weight=1 / len(taus))
    head, fork = heads.cosine(scale), Fork(len(taus), width)
    return single(task, loss, head=head, mix=Mix.plain(mixup), fork=fork)
