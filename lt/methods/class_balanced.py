"""Class-balanced loss: the baseline with each class weighted by its effective number of images.

Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, with softmax
cross entropy, weights as in equation 3, scaled to sum to C. Departs from the paper in the mean
over a batch, which is divided by the weights in it, as torch's is. Divided by the number of images
its gradient would be some five times smaller on CIFAR exp 0.01.
"""

from __future__ import annotations

from lt.nets import losses
from lt.params import Fraction
from lt.train.plan import Expert, Task, single


def experts(task: Task, *, beta: Fraction) -> tuple[Expert, ...]:
    """Return a single expert for all classes; beta 0 is the baseline."""
    loss = losses.weighted(losses.effective_number_weights(task.counts, beta))
    return single(task, loss)
