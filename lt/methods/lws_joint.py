"""The seed's LWS: the baseline with a learned scale per class, trained jointly from the start.

The seed, section 3.2. It departs from LWS as published (see lws.py), which learns the scales
alone, on a frozen network.
"""

from __future__ import annotations

from lt.nets import heads, losses
from lt.train.plan import Expert, Task, single


def experts(task: Task) -> tuple[Expert, ...]:
    """Return a single expert for all classes, its logits (bias included) scaled per class."""
    return single(task, losses.cross_entropy, head=heads.scaled_linear)
