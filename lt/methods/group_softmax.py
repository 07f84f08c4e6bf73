"""Balanced Group Softmax: one network, a softmax per group of classes, each with "others".

Li et al., "Overcoming Classifier Imbalance for Long-Tail Object Detection", CVPR 2020, section
3.2, for classification: groups are those of the partition, there is no background, and the
outputs are the log probabilities of each class in its own group. Departs in that the whole network
is trained from the start, where theirs trains the last layer of a detector.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Positive
from lt.train.plan import ClassView, Expert, Phase, Task


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
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    loss = losses.group_softmax(task.groups, ratio)
    phase = Phase(task.epochs, loss, sampler, (surgery.everything,))
    return (Expert(view, (phase,), heads.grouped(task.groups)),)
