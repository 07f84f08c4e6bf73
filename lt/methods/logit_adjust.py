"""Logit adjustment in training: the baseline with tau * log prior added to the logits of the loss.

Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021, equation 10. With `mixup`, the
images are blended too, as BalPoE does (Aimar et al., CVPR 2023): a single branch of it, but for its
cosine classifier.
"""

from __future__ import annotations

from lt.nets import losses
from lt.params import NonNegative
from lt.train.plan import Expert, Mix, Task, single


def experts(task: Task, *, tau: NonNegative, mixup: NonNegative) -> tuple[Expert, ...]:
    """Return a single expert for all classes; tau 0 is the baseline.

    `mixup` is mixup's alpha; 0 blends nothing.
    """
    return single(task, losses.adjusted(task.counts, tau), mix=Mix.plain(mixup))
