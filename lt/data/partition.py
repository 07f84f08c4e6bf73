"""Cut the classes into groups by their measured frequency."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lt import files, params
from lt.data.views import Ints

Groups = tuple[tuple[int, ...], ...]
# (i, j), one of them an array (N,) -> the costs (N,) of the runs [i, j); a later one breaks ties
Cost = Callable[[Any, Any], list[NDArray[Any]]]

# Fewest images of a many-shot and of a medium-shot class, validation images among them: published
# subsets have none, so that these are the field's counts. By what is left to train on, a tenth less
# for validation, CIFAR-100 exp 0.01 would have 32/34/34 classes where the field has 35/35/30.
MANY, MEDIUM = 101, 20


def describe(summary: Mapping[str, Any], options: params.Partition) -> dict[str, Any]:
    """Describe how the classes are cut, for partition.json.

    Args:
        summary: what `prepare` says of the subset: its classes, and the images of each, with those
            that validate. Its hash is the mark by which partition.json knows what it belongs to.
        options: the criterion.

    Raises:
        ValueError: if the classes cannot be cut that way.
    """
    counts = np.array(summary["counts"])
    cut = partition(counts, options.criterion, options.num_groups, options.thresholds)
    head, tail = halves(counts)
    return {
        "data": {"name": summary["name"], "images": summary["images"]},
        "summary": files.digest(summary),
        "classes": summary["classes"],
        "counts": counts.tolist(),
        "criterion": options.criterion,
        "groups": cut,
        "head": head,
        "tail": tail,
        **shots(counts),
    }


def by_frequency(counts: Ints) -> Ints:
    """Return the class ids from the most to the least frequent; equal counts by label."""
    return np.argsort(-np.asarray(counts), kind="stable").astype(np.int64)


def halves(counts: Ints) -> Groups:
    """Return head and tail: the first C // 2 classes by frequency, and the rest.

    >>> halves(np.array([5, 9, 1]))
    ((1,), (0, 2))
    """
    return _slice(by_frequency(counts), [len(counts) // 2])


def shots(counts: Ints) -> dict[str, tuple[int, ...]]:
    """Return the many-, medium- and few-shot classes, any of which may be empty.

    Many have > 100 images, medium 20 to 100, few < 20, as the field counts them.

    Args:
        counts: (C,) images per class, validation images among them.
    """
    groups = _slice(by_frequency(counts), _threshold_cuts(counts, (MANY, MEDIUM)))
    return dict(zip(("many", "medium", "few"), groups, strict=True))


def partition(
    counts: ArrayLike, criterion: str, num_groups: int, thresholds: Sequence[int] = ()
) -> Groups:
    """Cut the classes into K groups, from the most frequent to the least.

    Args:
        counts: (C,) images per class, validation images among them.
        criterion: "half": equal numbers of classes (the seed's rule for K = 2). "mass": images per
            group as equal as can be. "ratio": largest / smallest class within each group as even as
            can be. "shots": many, medium and few, those that exist. "thresholds": a group for the
            classes of at least each threshold, and one for the rest.
        num_groups: K of "half", "mass" and "ratio"; for the other two it follows from the counts.
        thresholds: those of "thresholds", strictly falling.

    Raises:
        ValueError: if there is no such criterion, there are more groups than classes, or a group
            would be empty.
    """
    counts = np.asarray(counts)
    order = by_frequency(counts)
    if criterion == "shots":
        return tuple(group for group in shots(counts).values() if group)
    if criterion == "thresholds":
        return _slice(order, _checked_thresholds(counts, thresholds))
    if criterion not in ("half", "mass", "ratio"):
        raise ValueError(
            "partition.criterion: expected half, mass, ratio, shots or thresholds, "
            f"got {criterion!r}"
        )
    if not 1 <= num_groups <= len(counts):
        raise ValueError(
            f"partition.num_groups: expected 1 to {len(counts)}, the number of classes, "
            f"got {num_groups}"
        )
    falling = counts[order].astype(float)
    if criterion == "half":
        cuts = [len(counts) * k // num_groups for k in range(1, num_groups)]
    elif criterion == "mass":
        mass = np.concatenate([[0.0], np.cumsum(falling)])
        cuts = _best_cuts(len(counts), num_groups, lambda i, j: [(mass[j] - mass[i]) ** 2])
    else:
        if falling[-1] < 1:
            raise ValueError(f"counts: ratio needs an image of each class, got {falling[-1]:g}")
        logs = np.log(falling)
        # classes per group second, so that equal counts are cut into equal parts
        cuts = _best_cuts(
            len(counts), num_groups, lambda i, j: [(logs[i] - logs[j - 1]) ** 2, (j - i) ** 2]
        )
    return _slice(order, cuts)


def _slice(order: Ints, cuts: Sequence[int]) -> Groups:
    return tuple(tuple(part.tolist()) for part in np.split(order, cuts))


def _threshold_cuts(counts: Ints, thresholds: Sequence[int]) -> list[int]:
    return [int((np.asarray(counts) >= threshold).sum()) for threshold in thresholds]


def _checked_thresholds(counts: Ints, thresholds: Sequence[int]) -> list[int]:
    given = f"got {list(thresholds)}"
    if not thresholds or any(a <= b for a, b in pairwise(thresholds)):
        raise ValueError(f"partition.thresholds: expected falling image counts, {given}")
    cuts = _threshold_cuts(counts, thresholds)
    edges = [0, *cuts, len(counts)]
    for k, (start, stop) in enumerate(pairwise(edges)):
        if start == stop:
            raise ValueError(
                f"partition.thresholds: group {k} would have no class and so no training image; "
                f"class sizes run from {counts.max()} to {counts.min()}, {given}"
            )
    return cuts


def _best_cuts(num: int, num_groups: int, cost: Cost) -> list[int]:
    """Return the cuts of range(num) into non-empty runs [i, j) with the least summed cost.

    Costs are compared lexicographically; of equals, the first cut comes as early as can be.
    """
    best = np.stack(cost(np.arange(num), num), 1)  # of range(i, num) in as many runs as so far
    ends = np.zeros((num_groups, num), np.int64)  # of the first of so many runs, by its start
    for groups in range(1, num_groups):
        for start in range(num - groups):
            stops = np.arange(start + 1, num - groups + 1)
            totals = np.stack(cost(start, stops), 1) + best[stops]  # those of one run less
            least = np.flatnonzero(totals[:, 0] == totals[:, 0].min())
            k = least[np.lexsort(totals[least].T[::-1])[0]]
            best[start], ends[groups, start] = totals[k], stops[k]
    cuts = [0]
    for groups in range(num_groups - 1, 0, -1):
        cuts.append(int(ends[groups, cuts[-1]]))
    return cuts[1:]
