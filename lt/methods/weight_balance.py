"""Weight balancing: the baseline's classifier trained further, with hard decay and bounded norms.

Alshammari et al., "Long-Tailed Recognition via Weight Balancing", CVPR 2022: the second stage,
class-balanced loss, weight decay and MaxNorm on the classifier alone. The first stage there has a
decay of 5e-3, the main ingredient; here it is that of the method to start from, untuned unless
train.weight_decay is. Departs in the bound too, which is `max_norm` times the mean norm that the
classifier's rows begin with, one for all of them.
"""

from __future__ import annotations

from functools import partial

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Count, Fraction, NonNegative, Positive
from lt.train import schedules
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(
    task: Task,
    *,
    epochs: Count,
    lr: Positive,
    weight_decay: NonNegative,
    max_norm: Positive,
    beta: Fraction,
) -> tuple[Expert, ...]:
    """Return a single expert for all classes; `beta` is that of class_balanced."""
    view = ClassView.all(len(task.counts))
    phase = Phase(
        epochs,
        losses.weighted(losses.effective_number_weights(task.counts, beta)),
        samplers.shuffled(task.batch_size),
        (surgery.max_norm(max_norm),),
        lr=partial(schedules.cosine, lr=lr, epochs=epochs),
        weight_decay=weight_decay,
    )
    return (Expert(view, (phase,), heads.linear, start="needed"),)
