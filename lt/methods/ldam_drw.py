"""LDAM with deferred re-weighting: larger margins for rarer classes, later also larger weights.

Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS
2019: equation 13 on a cosine classifier; after `drw_epoch` epochs the class-balanced weights of
Cui et al. 2019.
"""

from __future__ import annotations

from lt.nets import heads, losses
from lt.params import Count, Fraction, Positive
from lt.train.plan import Expert, Task, single


def experts(
    task: Task,
    *,
    scale: Positive,
    largest_margin: Positive,
    beta: Fraction,
    drw_epoch: Count,
) -> tuple[Expert, ...]:
    """Return a single expert for all classes; `drw_epoch` is the last epoch without weights."""
    if drw_epoch >= task.epochs:
        raise ValueError(
            f"methods.ldam_drw.drw_epoch: expected less than train.epochs, {task.epochs}, since "
            f"after it the weights begin; got {drw_epoch}"
        )
    weights = losses.effective_number_weights(task.counts, beta)
    loss = losses.ldam(task.counts, largest_margin, scale, weights, drw_epoch)
    return single(task, loss, head=heads.cosine(scale))
