"""Rules with numbers that are fitted on validation images: the least NLL.

Images weigh as in a balanced test set (`lt.score.validation`): were the classes that occur to weigh
the same, the offset of a group would lack log(its classes / those with an image).

Where all images are right, ever larger numbers make the NLL ever smaller: there is no least one. If
they are right as it is, nothing is fitted. If they become so, the numbers that are found are
brought back to scales of 1, in the geometric mean.
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
SCALES = (0.01, 100.0)  # bounds of the fit, of outputs with a deviation of 1


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
    network). A network whose images are all right has the geometric mean of the others' ones, or 1.
    """
    from scipy.optimize import minimize_scalar

    found: list[float | None] = []
    for block, view in zip(known.logits, known.views, strict=True):
        column = ClassView(view.classes, view.num_classes).targets(known.labels)
        seen = np.flatnonzero(column >= 0)
        weights = image_weights(known.labels[seen], known.groups)
        every = partial(_own_of, block, view, seen)
        if _all_right(every(), column[seen]):
            found.append(None)
            continue
        nll = partial(_tempered_nll, own=every, column=column[seen], weights=weights)
        bounds = tuple(np.log(_deviation(every()) / np.array(SCALES[::-1])))
        found.append(float(minimize_scalar(nll, bounds=bounds, method="bounded").x))
    logs = [one for one in found if one is not None]
    others = float(np.mean(logs)) if logs else 0.0
    each = [float(np.exp(others if one is None else one)) for one in found]
    return partial(tempered, temperatures=each)


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


def _deviation(parts: Parts) -> float:
    """Return the standard deviation of all scores of all images; 1 if they are all equal."""
    number, mean, squares = 0, 0.0, 0.0  # Chan et al. 1983, a block at a time
    for _, scores in parts:
        own, total = float(scores.mean()), number + scores.size
        squares += scores.var() * scores.size + (own - mean) ** 2 * number * scores.size / total
        mean, number = mean + (own - mean) * scores.size / total, total
    return float(np.sqrt(squares / number)) or 1.0


def tempered(logits: Logits, views: Views, temperatures: Sequence[float]) -> Floats:
    """Divide each expert's own outputs by its temperature, then concat_softmax."""
    pairs = zip(blocks.own(logits, views), temperatures, strict=True)
    return place([log_softmax(block / t) for block, t in pairs], views)


def fit_affine(known: Validation) -> Rule:
    """Fit a scale and an offset per expert; the first one's offset is 0."""
    weights, masks = image_weights(known.labels, known.groups), blocks.shares(known.views)
    free = np.arange(len(masks)) > 0
    stacks = blocks.stacks(known.logits, known.views)
    scaled = _Sum(stacks, len(masks), masks, known.labels, weights)
    scales, offsets = _least_nll(scaled, masks > 0, free)
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
    moved = _Sum(once, 1, directions, known.labels, weights)
    scales, numbers = _least_nll(moved, np.ones((1, len(known.counts)), dtype=bool), free)
    return partial(offset, scales=scales, offsets=numbers @ directions)


def offset(logits: Logits, views: Views, scales: Floats, offsets: Floats) -> Floats:
    """Scale `concat` by the one of `scales`, and add an offset (C,) per class."""
    return concat(blocks.doubles(logits), views) * scales + offsets


@dataclass(frozen=True)
class _Sum:
    """Scores that are blocks times their scales, summed, and directions times their numbers.

    What takes x takes the scales (K,) and the numbers (D,), one after the other.

    Attributes:
        stacks: gives blocks (K, N, C), with the rows that each holds.
        num: K.
        directions: (D, C).
        labels: (N,) true classes.
        weights: (N,) of the images, with sum 1.
    """

    stacks: blocks.Stacks
    num: int
    directions: Floats
    labels: Ints
    weights: Floats

    def score(self, x: Floats, stack: Floats) -> Floats:
        scores: Floats = np.tensordot(x[: self.num], stack, 1) + x[self.num :] @ self.directions
        return scores

    def all_right(self, x: Floats) -> bool:
        return _all_right(
            ((rows, self.score(x, stack)) for rows, stack in self.stacks()), self.labels
        )

    def nll(self, x: Floats) -> tuple[float, Floats]:
        """Return the weighted NLL, and its gradient (K + D,)."""
        total, gradient = 0.0, np.zeros(len(x))
        for rows, stack in self.stacks():
            log_p = log_softmax(self.score(x, stack))
            each = np.arange(len(log_p))
            slope = np.exp(log_p)
            slope[each, self.labels[rows]] -= 1
            slope *= self.weights[rows, None]
            gradient += np.array([*(slope * stack).sum((1, 2)), *(self.directions @ slope.sum(0))])
            total -= float(self.weights[rows] @ log_p[each, self.labels[rows]])
        return total, gradient


def _least_nll(
    of: _Sum, known: NDArray[np.bool_], free: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return the scales (K,) and numbers (D,) of the least weighted NLL.

    Args:
        of: what is scaled and shifted.
        known: (K, C) which classes each block has outputs for.
        free: (D,) which numbers are not 0.
    """
    from scipy.optimize import minimize

    def block(k: int) -> Parts:
        return ((rows, stack[k][:, known[k]]) for rows, stack in of.stacks())

    # the tolerances of the search are absolute: it is for outputs with a deviation of 1
    units = np.array([_deviation(block(k)) for k in range(of.num)] + [1.0] * len(free))

    def objective(searched: Floats) -> tuple[float, Floats]:
        total, gradient = of.nll(searched / units)
        return total, gradient / units

    start = np.concatenate([np.ones(of.num), np.zeros(len(free))])
    if of.all_right(start):
        return start[: of.num], start[of.num :]
    bounds: list[tuple[float | None, float | None]] = [SCALES] * of.num
    bounds += [(None, None) if one else (0.0, 0.0) for one in free]
    how = {"method": "L-BFGS-B", "options": {"ftol": 1e-12, "gtol": 1e-8}}
    x = minimize(objective, start, jac=True, bounds=bounds, **how).x / units
    if of.all_right(x):
        x /= np.exp(np.log(x[: of.num]).mean())
    return x[: of.num], x[of.num :]


FITTED: dict[str, Fit] = {
    "temperature": fit_temperature,
    "affine": fit_affine,
    "group_offset": fit_group_offset,
    "prior_offset": fit_prior_offset,
}
