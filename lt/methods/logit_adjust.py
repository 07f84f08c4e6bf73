"""Logit adjustment in training: the baseline with tau * log prior added to the logits of the loss.

Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021, equation 10. With `mixup`, the
images are blended too, as BalPoE does (Aimar et al., CVPR 2023): a single branch of it, but for its
cosine classifier.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import NonNegative
from lt.train.plan import ClassView, Expert, Mix, Phase, Task


def experts(task: Task, *, tau: NonNegative, mixup: NonNegative) -> tuple[Expert, ...]:
    """Return a single expert for all classes; tau 0 is the baseline.

    `mixup` is mixup's alpha; 0 blends nothing.
    """
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    mix = Mix.plain(mixup)
    loss = losses.adjusted(task.counts, tau)
    phase = Phase(task.epochs, loss, sampler, (surgery.everything,), mix=mix)
    return (Expert(view, (phase,), heads.linear),)
