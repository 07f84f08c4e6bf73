"""Figures by class: the rows of per_class.csv and confusion.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lt.data.views import Ints
from lt.score.said import Said, group_of
from lt.score.stats import wilson

# of per_class.csv: images train or validate, low and high are the Wilson interval of accuracy
COLUMNS: tuple[str, ...] = ("rank", "label", "class", "images", "group", "accuracy")
COLUMNS += ("within_group", "test_images", "low", "high")


def rows(said: Said, labels: Ints, cut: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Make the rows of per_class.csv, with the values of COLUMNS, the most frequent class first.

    Args:
        said: what the rule says of the test images.
        labels: (N,) their true classes.
        cut: what partition.json holds.
    """
    names, counts, num = cut["classes"], cut["counts"], len(cut["classes"])
    groups = group_of(cut["groups"], num).tolist()
    honest, oracle = (accuracies(given, labels, num) for given in (said.answers, said.within))
    sure = intervals(said.answers, labels, num)
    return [
        (rank, c, names[c], counts[c], groups[c], honest[c], oracle[c], *sure[c])
        for rank, c in enumerate([*cut["head"], *cut["tail"]])
    ]


def accuracies(predictions: Ints, labels: Ints, num_classes: int) -> list[float | None]:
    """Return the accuracy of each class; None for a class without a test image."""
    hits, images = hits_and_images(predictions, labels, num_classes)
    return [
        100 * float(hit) / num if num else None
        for hit, num in zip(hits.tolist(), images.tolist(), strict=True)
    ]


def hits_and_images(predictions: Ints, labels: Ints, num_classes: int) -> tuple[Ints, Ints]:
    """Return the right answers and the images of each class (num_classes,)."""
    hits = np.bincount(labels[predictions == labels], minlength=num_classes)
    return hits, np.bincount(labels, minlength=num_classes)


def intervals(
    predictions: Ints, labels: Ints, num_classes: int
) -> list[tuple[int, float | None, float | None]]:
    """Return of each class its test images, and the 95 % interval's ends: None without any."""
    hits, images = hits_and_images(predictions, labels, num_classes)
    return [
        (num, *(wilson(hit, num) or (None, None)))
        for hit, num in zip(hits.tolist(), images.tolist(), strict=True)
    ]


def confusion(predictions: Ints, labels: Ints, order: Sequence[int]) -> list[tuple[int, int, int]]:
    """Count the test images by their class and the predicted one.

    Args:
        predictions: (N,) predicted classes.
        labels: (N,) true classes.
        order: all classes.

    Returns:
        (class, predicted class, images), in `order`: the pairs that occur, and every class with
        itself, so that no class is missing on either side.

    >>> confusion(np.array([0, 0, 2]), np.array([0, 1, 1]), [1, 0, 2])
    [(1, 1, 0), (1, 0, 1), (1, 2, 1), (0, 0, 1), (2, 2, 0)]
    """
    rank = np.argsort(order)  # of each class
    places = rank[labels] * len(order) + rank[predictions]
    images = dict(zip(*map(np.ndarray.tolist, np.unique(places, return_counts=True)), strict=True))
    diagonal = range(0, len(order) ** 2, len(order) + 1)
    return [
        (order[place // len(order)], order[place % len(order)], images.get(place, 0))
        for place in sorted({*images, *diagonal})
    ]
