"""What metrics need of scores, for each image: scores of a block of images need not be kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lt.data.views import Ints
from lt.score.blocks import Floats, log_softmax


@dataclass(frozen=True)
class Said:
    """What metrics need of scores (N, C), in (N,) each: scores are made a block at a time.

    Attributes:
        answers: the predicted classes.
        within: those with the true group given.
        log_p: of the true class.
        confidence: the largest probability.
        sure: whether it is that of the true class.
    """

    answers: Ints
    within: Ints
    log_p: Floats
    confidence: Floats
    sure: NDArray[np.bool_]


def say(scores: Floats, within: Ints, labels: Ints) -> Said:
    """Return what scores (N, C) say of images (N,); `within`: see `within_group`."""
    log_p = log_softmax(scores)
    p = np.exp(log_p)
    return Said(
        answers=scores.argmax(axis=1),
        within=within,
        log_p=log_p[np.arange(len(labels)), labels],
        confidence=p.max(axis=1),
        sure=p.argmax(axis=1) == labels,
    )


def within_group(own_scores: Floats, labels: Ints, groups: Sequence[Sequence[int]]) -> Ints:
    """Return (N,) predictions with the true group given: the best score among its classes."""
    group_ids = group_of(groups, own_scores.shape[1])
    same = group_ids[labels][:, None] == group_ids[None, :]  # (N, C)
    result: Ints = np.where(same, own_scores, -np.inf).argmax(axis=1)
    return result


def group_of(groups: Sequence[Sequence[int]], num_classes: int) -> Ints:
    """Return the group (C,) of each class.

    Raises:
        ValueError: if a class is in no group, or in several.
    """
    every = Counter(label for classes in groups for label in classes)
    for label in sorted({*range(num_classes), *every}):
        if every[label] != 1 or not 0 <= label < num_classes:
            raise ValueError(
                f"groups: expected each of {num_classes} classes once, got {label} "
                f"{every[label]} times"
            )
    found = np.empty(num_classes, dtype=np.int64)
    for k, classes in enumerate(groups):
        found[list(classes)] = k
    return found
