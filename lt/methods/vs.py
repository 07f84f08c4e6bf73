"""VS-loss: the baseline with its logits scaled by class and shifted by tau * log prior in training.

Kini et al., "Label-Imbalanced and Group-Sensitive Classification under Overparameterization",
NeurIPS 2021, equation 2, without weights. Held against orparask/VS-Loss at 7ade9c9,
class_imbalance/losses.py; its README has gamma 0.2 and tau 1.2 for CIFAR-10 exp 0.01.
"""

from __future__ import annotations

from lt.nets import losses
from lt.params import NonNegative
from lt.train.plan import Expert, Mix, Task, single


def experts(
    task: Task, *, gamma: NonNegative, tau: NonNegative, mixup: NonNegative
) -> tuple[Expert, ...]:
    """Return a single expert for all classes; gamma 0 is logit_adjust.

    `mixup` is mixup's alpha; 0 blends nothing.
    """
    return single(task, losses.vs(task.counts, gamma, tau), mix=Mix.plain(mixup))
