"""The seed's split: one baseline network per group of classes, each blind to the other groups.

The seed, section 4.1. `others`: "silent" keeps C outputs in every network, as the seed does,
"drop" gives each network outputs for its own classes only. `batches`: "own" draws full batches
from the group, "shared" takes the group's images out of batches drawn from all of them, as the
seed's loop does (few, and sometimes none, for a small tail).
"""

from __future__ import annotations

from typing import Literal

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(
    task: Task, *, others: Literal["drop", "silent"], batches: Literal["own", "shared"]
) -> tuple[Expert, ...]:
    """Return an expert per group."""
    make = samplers.shared if batches == "shared" else samplers.shuffled
    sampler = make(task.batch_size)
    phase = Phase(task.epochs, losses.cross_entropy, sampler, (surgery.everything,))
    views = [ClassView(group, len(task.counts), others) for group in task.groups]
    return tuple(Expert(view, (phase,), heads.linear) for view in views)
