"""Balanced Group Softmax: one network, a softmax per group of classes, each with "others".

Li et al., "Overcoming Classifier Imbalance for Long-Tail Object Detection", CVPR 2020, section
3.2, for classification: groups are those of the partition, there is no background, and the
outputs are the log probabilities of each class in its own group. Departs in that the whole network
is trained from the start, where theirs trains the last layer of a detector.
"""

from __future__ import annotations

from lt.nets import heads, losses
from lt.params import Positive
from lt.train.plan import Expert, Task, single


def experts(task: Task, *, ratio: Positive) -> tuple[Expert, ...]:
    """Return a single expert for all classes.

    In a batch, `ratio` bounds the images of others, as a multiple of those of the group.
    """
    lone = [group for group in task.groups if len(group) == 1]
    if lone:
        raise ValueError(
            "partition: group_softmax expected groups of at least 2 classes, since a softmax over "
            f"one tells nothing apart; got the group {list(lone[0])}"
        )
    loss = losses.group_softmax(task.groups, ratio)
    return single(task, loss, head=heads.grouped(task.groups))
