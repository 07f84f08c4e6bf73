"""Scores and labels -> metrics. Percent where it is one; None where a group has no class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt.combine import log_softmax

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
ECE_BINS = 15


@dataclass(frozen=True)
class WithinGroup:
    """Accuracy where the label chooses the group: an oracle, not a prediction (the seed's)."""

    accuracy: float
    head: float | None
    tail: float | None


@dataclass(frozen=True)
class Metrics:
    """accuracy, head ... few and group_accuracy use no label; nll is in nats, the rest percent."""

    accuracy: float
    head: float | None
    tail: float | None
    many: float | None
    medium: float | None
    few: float | None
    within_group: WithinGroup
    group_accuracy: float
    macro_f1: float
    ece: float
    nll: float

    def as_dict(self) -> dict[str, Any]:
        """Nested dict, in the order above."""
        return asdict(self)


def evaluate(
    scores: Floats,
    own_scores: Floats,
    labels: Ints,
    groups: Sequence[Sequence[int]],
    parts: Mapping[str, Sequence[int]],
) -> Metrics:
    """Scores a prediction.

    Args:
        scores: (N, C) combined; softmax(scores) is the predicted distribution.
        own_scores: (N, C) each class's output by its own network (the concat rule): what
            chooses within a given group.
        labels: (N,) true classes.
        groups: the K groups of the partition.
        parts: classes of head, tail, many, medium and few.
    """
    predictions = scores.argmax(axis=1)
    right = predictions == labels
    within = within_group(own_scores, labels, groups) == labels
    group_of = _group_of(groups, scores.shape[1])
    log_p = log_softmax(scores.astype(np.float64))
    return Metrics(
        accuracy=percent(right),
        **{name: _part(right, labels, classes) for name, classes in parts.items()},
        within_group=WithinGroup(
            percent(within), *(_part(within, labels, parts[name]) for name in ("head", "tail"))
        ),
        group_accuracy=percent(group_of[predictions] == group_of[labels]),
        macro_f1=macro_f1(predictions, labels, scores.shape[1]),
        ece=ece(np.exp(log_p), labels),
        nll=-float(log_p[np.arange(len(labels)), labels].mean()),
    )


def within_group(own_scores: Floats, labels: Ints, groups: Sequence[Sequence[int]]) -> Ints:
    """(N,) predictions where the true group is given: the best score among its classes."""
    group_of = _group_of(groups, own_scores.shape[1])
    same = group_of[labels][:, None] == group_of[None, :]  # (N, C)
    result: Ints = np.where(same, own_scores, -np.inf).argmax(axis=1)
    return result


def percent(right: NDArray[np.bool_]) -> float:
    """Percent of True."""
    return 100 * float(np.count_nonzero(right)) / len(right)


def per_class(predictions: Ints, labels: Ints, num_classes: int) -> list[float | None]:
    """Accuracy of each class, None for a class without a test image."""
    right = predictions == labels
    return [_part(right, labels, [label]) for label in range(num_classes)]


def macro_f1(predictions: Ints, labels: Ints, num_classes: int) -> float:
    """Mean over the classes of F1 = 2 TP / (2 TP + FP + FN), in percent; 0 where it is 0 / 0."""
    hits = np.bincount(labels[predictions == labels], minlength=num_classes)
    both = np.bincount(labels, minlength=num_classes) + np.bincount(
        predictions, minlength=num_classes
    )
    return 100 * float(np.mean(2 * hits / np.maximum(both, 1)))


def ece(probabilities: Floats, labels: Ints, bins: int = ECE_BINS) -> float:
    """Expected calibration error in percent, equal bins of the top probability (Guo et al. 2017).

    Bin b holds the confidences in (b / bins, (b + 1) / bins].
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, right - confidence, bins)  # per bin, its size times its gap
    return 100 * float(np.abs(gaps).sum()) / len(labels)


def _group_of(groups: Sequence[Sequence[int]], num_classes: int) -> Ints:
    group_of = np.zeros(num_classes, dtype=np.int64)
    for k, classes in enumerate(groups):
        group_of[list(classes)] = k
    return group_of


def _part(right: NDArray[np.bool_], labels: Ints, classes: Sequence[int]) -> float | None:
    inside = np.isin(labels, list(classes))
    return percent(right[inside]) if inside.any() else None
