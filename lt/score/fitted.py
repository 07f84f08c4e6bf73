"""Rules with numbers that are fitted on validation images: the least NLL.

Images weigh as in a balanced test set (`lt.score.validation`): were the classes that occur to weigh
the same, the offset of a group would lack log(its classes / those with an image).

Where all images are right as it is, ever larger scales make the NLL ever smaller: there is no least
one, and nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt.data import partition
from lt.data.views import ClassView, Ints
from lt.score import blocks
from lt.score.blocks import Floats, Logits, Views, concat, log_softmax, place
from lt.score.store import Outputs
from lt.score.validation import Groups, image_weights

Rule = Callable[[Logits, Views], Floats]

OFFSETS = ("group_offset", "prior_offset")  # which shift the classes of a single network, too
SCALES = (0.01, 100.0)  # bounds of the fit, wider for outputs that are much larger or smaller


@dataclass(frozen=True)
class Validation:
    """What a rule is fitted on.

    Attributes:
        logits: per expert (N, width), of the validation images.
        labels: (N,) their classes.
        views: the classes of each expert.
        groups: those of the partition, which weigh as in a balanced test set.
        counts: (C,) images per class of the long-tailed set, at least one of each.
    """

    logits: Logits
    labels: Ints
    views: Views
    groups: Groups
    counts: Ints

    @classmethod
    def of(cls, outputs: Outputs, views: Views, cut: Mapping[str, Any]) -> Validation:
        """Take the validation images of a training; `cut` is what partition.json holds."""
        counts = np.asarray(cut["counts"])
        return cls(outputs.val, outputs.val_labels, views, cut["groups"], counts)


Fit = Callable[[Validation], Rule]


def fit_temperature(known: Validation) -> Rule:
    """Fit a temperature per expert: the least NLL on the validation images of its own classes.

    The rule is then concat_softmax of the outputs over their temperature (Guo et al. 2017, per
    network).
    """
    from scipy.optimize import minimize_scalar

    found = []
    for block, view in zip(known.logits, known.views, strict=True):
        column = ClassView(view.classes, view.num_classes).targets(known.labels)
        seen = np.flatnonzero(column >= 0)
        weights = image_weights(known.labels[seen], known.groups)
        every = partial(_own_of, block, view, seen)
        if _all_right(every(), column[seen]):
            found.append(1.0)
            continue
        low, high = _bounds(_spread(every()))
        nll = partial(_tempered_nll, own=every, column=column[seen], weights=weights)
        bounds = (-np.log(high), -np.log(low))
        found.append(float(np.exp(minimize_scalar(nll, bounds=bounds, method="bounded").x)))
    return partial(tempered, temperatures=found)


Parts = Iterator[tuple[slice, Floats]]  # rows of scores (N, C), in blocks


def _own_of(block: Floats, view: ClassView, images: Ints) -> Parts:
    """Give an expert's outputs for its own classes, in float64, of some images."""
    for rows in blocks.row_blocks(len(images), len(view.classes)):
        (own,) = blocks.own([block[images[rows]]], [view])
        yield rows, own.astype(np.float64)


def _tempered_nll(log_t: float, own: Callable[[], Parts], column: Ints, weights: Floats) -> float:
    """Return the weighted NLL of an expert's own classes; `column` (N,) is the place of each."""
    total = 0.0
    for rows, part in own():
        log_p = log_softmax(part / np.exp(log_t))
        total -= float(weights[rows] @ log_p[np.arange(len(log_p)), column[rows]])
    return total


def _all_right(parts: Parts, labels: Ints) -> bool:
    """Check whether the right score is the only highest one of every image."""
    for rows, scores in parts:
        each, others = np.arange(len(scores)), scores.copy()
        others[each, labels[rows]] = -np.inf
        if not (scores[each, labels[rows]] > others.max(1)).all():
            return False
    return True


def _spread(parts: Parts) -> float:
    """Return the standard deviation of an image's scores, the mean over the images."""
    each = np.concatenate([scores.std(1) for _, scores in parts])
    return float(each.mean())


def _bounds(spread: float) -> tuple[float, float]:
    """Return the bounds of a scale for scores of that spread."""
    spread = spread or 1.0  # of one class
    return SCALES[0] / max(spread, 1.0), SCALES[1] / min(spread, 1.0)


def tempered(logits: Logits, views: Views, temperatures: Sequence[float]) -> Floats:
    """Divide each expert's own outputs by its temperature, then concat_softmax."""
    pairs = zip(blocks.own(logits, views), temperatures, strict=True)
    return place([log_softmax(block / t) for block, t in pairs], views)


def fit_affine(known: Validation) -> Rule:
    """Fit a scale and an offset per expert; the first one's offset is 0."""
    weights, masks = image_weights(known.labels, known.groups), blocks.shares(known.views)
    free = np.arange(len(masks)) > 0
    stacks = blocks.stacks(known.logits, known.views)
    scales, offsets = _least_nll(stacks, known.labels, weights, len(masks), masks, free)
    return partial(shifted, scales=scales, offsets=offsets)


def shifted(logits: Logits, views: Views, scales: Floats, offsets: Floats) -> Floats:
    """Scale and shift each expert's own outputs by its two numbers, then concat."""
    stack, masks = blocks.stacked(logits, views), blocks.shares(views)
    scores: Floats = np.tensordot(scales, stack, 1) + offsets @ masks
    return scores


def fit_group_offset(known: Validation) -> Rule:
    """Fit a scale, and an offset per group of the partition, to `concat`: the least NLL.

    Networks that know all classes may lean to the frequent ones on images that they have not seen.
    The first group's offset is 0. All are 0 if a group has no validation image.
    """
    every = np.arange(len(known.counts))
    masks = np.array([np.isin(every, group) for group in known.groups], np.float64)
    return _fit_offsets(known, known.groups, masks, np.arange(len(masks)) > 0)


def fit_prior_offset(known: Validation) -> Rule:
    """Fit a scale, and τ of -τ log prior, to `concat`: the least NLL.

    It is the post-hoc logit adjustment of Menon et al. 2021, whose τ is fitted here. The prior is
    that of the long-tailed set. Whatever the partition is, head and tail weigh as in a balanced
    test set; τ is 0 if one of them has no validation image.

    Raises:
        ValueError: if a class has no image in that set.
    """
    if known.counts.min() < 1:
        raise ValueError(f"prior_offset: class {known.counts.argmin()} has no image, and no prior")
    log_prior = np.log(known.counts / known.counts.sum())
    halves = [half for half in partition.halves(known.counts) if half]
    return _fit_offsets(known, halves, (log_prior.mean() - log_prior)[None], np.array([True]))


def _fit_offsets(
    known: Validation, groups: Groups, directions: Floats, free: NDArray[np.bool_]
) -> Rule:
    """Fit a scale of `concat` and a number per direction (D, C), 0 where it is not `free` (D,).

    If a group has no image, no number is free: the images would only speak for the others.
    """
    free = free & all(np.isin(known.labels, group).any() for group in groups)
    weights = image_weights(known.labels, groups)
    once = blocks.stacks_of_one(known.logits, known.views)
    scales, numbers = _least_nll(once, known.labels, weights, 1, directions, free)
    return partial(offset, scales=scales, offsets=numbers @ directions)


def offset(logits: Logits, views: Views, scales: Floats, offsets: Floats) -> Floats:
    """Scale `concat` by the one of `scales`, and add an offset (C,) per class."""
    return concat(blocks.doubles(logits), views) * scales + offsets


def _least_nll(
    stacks: blocks.Stacks,
    labels: Ints,
    weights: Floats,
    num: int,
    directions: Floats,
    free: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Return the scales (num,) and numbers (D,) of the least weighted NLL.

    Scores are the blocks times their scales, summed, and the directions times their numbers.

    Args:
        stacks: gives blocks (num, N, C), with the rows that each holds.
        labels: (N,) true classes.
        weights: (N,) of the images, with sum 1.
        num: how many scales.
        directions: (D, C).
        free: (D,) which numbers are not 0.
    """
    from scipy.optimize import minimize

    def objective(x: Floats) -> tuple[float, Floats]:
        total, gradient = 0.0, np.zeros(num + len(directions))
        for rows, stack in stacks():
            scores = np.tensordot(x[:num], stack, 1) + x[num:] @ directions
            log_p, each = log_softmax(scores), np.arange(len(scores))
            slope = np.exp(log_p)
            slope[each, labels[rows]] -= 1
            slope *= weights[rows, None]
            gradient += np.array([*(slope * stack).sum((1, 2)), *(directions @ slope.sum(0))])
            total -= float(weights[rows] @ log_p[each, labels[rows]])
        return total, gradient

    def of(k: int) -> Parts:  # without the columns of classes that the block does not know
        return ((rows, stack[k][:, np.abs(stack[k]).any(0)]) for rows, stack in stacks())

    start = np.concatenate([np.ones(num), np.zeros(len(directions))])
    if _all_right(((rows, stack.sum(0)) for rows, stack in stacks()), labels):
        return start[:num], start[num:]
    bounds: list[tuple[float | None, float | None]] = [_bounds(_spread(of(k))) for k in range(num)]
    bounds += [(None, None) if one else (0.0, 0.0) for one in free]
    x = minimize(objective, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return x[:num], x[num:]


FITTED: dict[str, Fit] = {
    "temperature": fit_temperature,
    "affine": fit_affine,
    "group_offset": fit_group_offset,
    "prior_offset": fit_prior_offset,
}
