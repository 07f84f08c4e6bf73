"""Focal loss: the baseline, but images that it has right already count less.

Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 4, in the softmax form
that the long-tail papers compare with: gamma acts on the unweighted probability of the class.
"""

from __future__ import annotations

from lt.nets import losses
from lt.params import NonNegative
from lt.train.plan import Expert, Task, single


def experts(task: Task, *, gamma: NonNegative) -> tuple[Expert, ...]:
    """Return a single expert for all classes; gamma 0 is the baseline."""
    return single(task, losses.focal(gamma))
