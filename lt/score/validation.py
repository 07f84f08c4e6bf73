"""What long-tailed validation images can tell of a balanced test set.

The test set has every class; validation images are a part of the long-tailed training set, and
may lack rare ones: a tenth of CIFAR-100 exp 0.01 shows 38 of the 50 tail classes. A mean over the
classes that occur then counts the tail for less than the test does. So all that is fitted or
chosen on validation images weighs each group by its number of classes, with an image or not, and
shares that weight among those that have one (post-stratification).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lt.data.views import Ints

Groups = Sequence[Sequence[int]]
HALVES = ("head", "tail")


def class_weights(counts: Ints, groups: Groups) -> NDArray[np.float64]:
    """Return what each class that has an image stands for: classes of its group / those with one.

    Args:
        counts: (C,) images per class.
        groups: disjoint groups of class ids; a class of none of them weighs nothing.

    Returns:
        (C,) weights, 0 for a class without an image. They sum to the number of classes of all
        groups that have any image.

    >>> class_weights(np.array([9, 4, 2, 0]), [(0, 1), (2, 3)]).tolist()
    [1.0, 1.0, 2.0, 0.0]
    """
    weights = np.zeros(len(counts))
    for group in groups:
        seen = [label for label in group if counts[label]]
        weights[seen] = len(group) / max(len(seen), 1)
    return weights


def image_weights(labels: Ints, groups: Groups) -> NDArray[np.float64]:
    """Share the weight of each class among its images: (N,), with sum 1.

    Args:
        labels: (N,) classes, each of one of the groups; at least one.
        groups: disjoint groups of class ids.
    """
    counts = np.bincount(labels, minlength=1 + max(label for group in groups for label in group))
    weights: NDArray[np.float64] = (class_weights(counts, groups) / np.maximum(counts, 1))[labels]
    weights /= weights.sum()
    return weights


def balanced_accuracy(predictions: Ints, labels: Ints, groups: Groups) -> float | None:
    """Estimate the accuracy on a balanced test set, in percent.

    It is the mean of the classes' accuracies where every class has an image. Else each group
    counts by its number of classes, with the mean of those that have one.

    Args:
        predictions: (N,) classes.
        labels: (N,) true classes, all of them of the groups.
        groups: the classes of head and tail, as a rule.

    Returns:
        None if a group that has classes has no image: then there is nothing to estimate it from.
    """
    groups = [group for group in groups if len(group)]
    counts = np.bincount(labels, minlength=1 + max(label for group in groups for label in group))
    if not all(shown(counts, groups)):
        return None
    weights = class_weights(counts, groups)
    hits = np.bincount(labels[predictions == labels], minlength=len(counts))
    return 100 * float(np.average(hits / np.maximum(counts, 1), weights=weights))


def shown(counts: Ints, groups: Groups) -> list[int]:
    """Return of each group how many classes have an image.

    Args:
        counts: (C,) images per class.
        groups: groups of class ids.
    """
    return [sum(int(counts[label] > 0) for label in group) for group in groups]


def check_choice(counts: Ints, halves: Groups) -> None:
    """Raise a ValueError if head or tail has no validation image: then nothing can be chosen.

    Args:
        counts: (C,) validation images per class.
        halves: the classes of head and tail.
    """
    seen = dict(zip(HALVES, shown(counts, halves), strict=True))
    missing = [
        name for name, half in zip(HALVES, halves, strict=True) if len(half) > seen[name] == 0
    ]
    if missing:
        raise ValueError(
            f"data.val_fraction: this method chooses on validation images, and the "
            f"{' and the '.join(missing)} has none; expected a larger fraction, or a single value "
            f"to choose from; got a split whose {in_words(seen, sum(map(len, halves)))}"
        )


def halves_shown(val_counts: Sequence[int], cut: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return how many classes of head and tail have a validation image.

    Args:
        val_counts: (C,) validation images per class.
        cut: what partition.json holds.
    """
    halves = [cut[half] for half in HALVES]
    return dict(zip(HALVES, shown(np.array(val_counts), halves), strict=True))


def in_words(seen: Mapping[str, int], num_classes: int) -> str:
    """Say how many classes of head and tail have a validation image.

    Args:
        seen: what `halves_shown` returns.
        num_classes: C, half of which (rounded down) are the head.

    >>> in_words({"head": 50, "tail": 38}, 100)
    'validation images show 50 of 50 head classes and 38 of 50 tail classes'
    """
    if not any(seen.values()):
        return "there are no validation images"
    head = num_classes // 2
    return (
        f"validation images show {seen['head']} of {head} head classes "
        f"and {seen['tail']} of {num_classes - head} tail classes"
    )
