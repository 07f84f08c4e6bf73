"""The baseline with a cosine classifier: what LDAM's classifier does without its margins.

Outputs are `scale` times the cosines between features and class vectors, as in LDAM (Cao et al.
2019). LDAM's missing control.
"""

from __future__ import annotations

from lt.nets import heads, losses
from lt.params import Positive
from lt.train.plan import Expert, Task, single


def experts(task: Task, *, scale: Positive) -> tuple[Expert, ...]:
    """Return a single expert for all classes."""
    return single(task, losses.cross_entropy, head=heads.cosine(scale))
