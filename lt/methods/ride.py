"""RIDE: one network that has its last two stages several times, trained to differ, and averaged.

Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts", ICLR 2021,
without its routing and its distillation: the last two stages per branch, narrowed, LDAM's loss and
classifier on each, and their diversity, whose temperatures and weights change as in LDAM-DRW. Held
against frank-xwang/RIDE-LongTailRecognition at ab8be5c, model/loss.py and configs/
config_imbalance_cifar100_ride.json; what that sets besides is in docs/methods.md. With a diversity
of 0 their LDAM is of the mean of the branches; here it stays that of each.
"""

from __future__ import annotations

from lt.nets import branch_losses, heads, losses
from lt.params import Branches, Count, Factor, Fraction, NonNegative, Positive
from lt.train.plan import Expert, Fork, Task, single


def experts(
    task: Task,
    *,
    num: Branches,
    width: Factor,
    scale: Positive,
    largest_margin: Positive,
    beta: Fraction,
    drw_epoch: Count,
    diversity: NonNegative,
    temperature: Positive,
    spread: Fraction,
) -> tuple[Expert, ...]:
    """Return a single expert for all classes, with `num` branches of `width` of the channels.

    scale, largest_margin, beta and drw_epoch are those of ldam_drw; diversity, temperature and
    spread those of `branch_losses.ride`.
    """
    if drw_epoch >= task.epochs:
        raise ValueError(
            f"methods.ride.drw_epoch: expected less than train.epochs, {task.epochs}, since after "
            f"it the weights begin; got {drw_epoch}"
        )
    weights = losses.effective_number_weights(task.counts, beta)
    own = losses.ldam(task.counts, largest_margin, scale, weights, drw_epoch)
    loss = branch_losses.ride(own, task.counts, diversity, temperature, spread, drw_epoch)
    return single(task, loss, head=heads.cosine(scale), fork=Fork(num, width))
