"""The seed's "my model + LWS": the split, with a learned scale on every output.

The seed, section 5.2. `others` and `batches` are as in split.py. `scales`: "joint" trains them with
the networks, as the seed does; "two_stage" afterwards, class-balanced, on the frozen networks
for `scale_epochs` epochs (Kang et al., ICLR 2020, section 4.3).
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Count
from lt.train import schedules
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(
    task: Task,
    *,
    others: Literal["drop", "silent"],
    batches: Literal["own", "shared"],
    scales: Literal["joint", "two_stage"],
    scale_epochs: Count,
) -> tuple[Expert, ...]:
    """Return an expert per group."""
    make = samplers.shared if batches == "shared" else samplers.shuffled
    whole = Phase(task.epochs, losses.cross_entropy, make(task.batch_size), (surgery.everything,))
    balanced = samplers.class_balanced(task.batch_size, "match")
    lr = partial(schedules.cosine, lr=task.lr, epochs=scale_epochs)
    second = Phase(scale_epochs, losses.cross_entropy, balanced, (surgery.scales_only,), lr=lr)
    phases, head = (
        ((whole,), heads.scaled_linear) if scales == "joint" else ((whole, second), heads.linear)
    )
    views = [ClassView(group, len(task.counts), others) for group in task.groups]
    return tuple(Expert(view, phases, head) for view in views)
