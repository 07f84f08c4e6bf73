"""Weight balancing: the baseline's classifier trained on, weights decayed hard and norms bounded.

Alshammari et al., "Long-Tailed Recognition via Weight Balancing", CVPR 2022: the second stage,
class-balanced loss, weight decay and MaxNorm on the classifier alone. Its first stage is a
baseline with a tuned decay (5e-3 there): train.weight_decay. Departs in the bound, which is
`max_norm` times the mean norm that the classifier's rows begin with, not a constant.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

from lt import losses, nets, samplers, schedules, setups
from lt.params import Count, NonNegative, Positive, Range
from lt.plan import ClassView, Expert, Phase, Task


def experts(
    task: Task,
    *,
    epochs: Count,
    weight_decay: NonNegative,
    max_norm: Positive,
    beta: Annotated[float, Range(0, 1, open_high=True)],
) -> tuple[Expert, ...]:
    """A single expert for all classes; `beta` is that of class_balanced."""
    view = ClassView.all(len(task.counts))
    phase = Phase(
        epochs,
        losses.weighted(losses.effective_number_weights(task.counts, beta)),
        samplers.shuffled(task.batch_size),
        (setups.max_norm(max_norm),),
        lr=partial(schedules.cosine, lr=task.lr, epochs=epochs),
        weight_decay=weight_decay,
    )
    return (Expert(view, (phase,), nets.linear),)
