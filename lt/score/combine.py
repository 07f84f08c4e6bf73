"""From the outputs of several experts to one score per class: the thirteen rules.

A rule is (logits, views) -> scores and cannot see a label. softmax(scores) is the predicted
distribution, but for the rules of NO_DISTRIBUTION, whose scores are bounded; a rule made of
probabilities returns their logarithms. Where several experts know a class, its score is their
mean. With one expert every rule predicts the same classes, but for the two of OFFSETS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from lt import params
from lt.data.partition import halves as halved
from lt.data.views import ClassView, Ints
from lt.score import blocks, unlabelled
from lt.score.blocks import Floats as Floats
from lt.score.blocks import Logits as Logits
from lt.score.blocks import Views as Views
from lt.score.blocks import log_softmax as log_softmax
from lt.score.validation import Groups, image_weights

Bools = NDArray[np.bool_]
Rule = Callable[[Logits, Views], Floats]
Fit = Callable[[Logits, Ints, Views, Groups, Ints], Rule]  # the arguments are those of `make`

RULES: tuple[str, ...] = get_args(params.Rule)
NO_DISTRIBUTION = ("concat_abssum", "concat_zscore")
OFFSETS = ("group_offset", "prior_offset")  # which shift the classes of a single network, too
TEMPERATURES = (0.01, 100.0)  # bounds of the fit
SCALES = (0.01, 100.0)


def concat(logits: Logits, views: Views) -> Floats:
    """Put each expert's outputs for its own classes side by side (the seed)."""
    return _place(blocks.own(logits, views), views)


def sum_outputs(logits: Logits, views: Views) -> Floats:
    """Add up the full outputs (the seed); without silent outputs, this is the same as concat."""
    total = np.zeros((len(logits[0]), views[0].num_classes))
    for block, view in zip(logits, views, strict=True):
        if view.others == "silent":
            total += block
        else:
            total[:, view.classes] += block[:, view.columns]
    return total


def concat_abssum(logits: Logits, views: Views) -> Floats:
    """Divide each expert's outputs by the sum of their absolute values, then concat (the seed)."""
    return concat([block / _tiny(np.abs(block).sum(1, keepdims=True)) for block in logits], views)


def concat_softmax(logits: Logits, views: Views) -> Floats:
    """Put each expert's probabilities among its own classes side by side."""
    return _place([log_softmax(block) for block in blocks.own(logits, views)], views)


def concat_zscore(logits: Logits, views: Views) -> Floats:
    """Shift and scale each expert's own outputs to mean 0 and deviation 1, per image."""

    def standardised(block: Floats) -> Floats:
        centred: Floats = block - block.mean(1, keepdims=True)
        return centred / _tiny(centred.std(1, keepdims=True))  # 0 for an expert of one class

    return _place([standardised(block) for block in blocks.own(logits, views)], views)


def rest(logits: Logits, views: Views) -> Floats:
    """Multiply p(class among the own) of each expert by its 1 - p(rest), exactly.

    The product is p(class), among all outputs of the expert (the seed, section 4.2).
    """
    return max_confidence(logits, views)


def rest_pair(logits: Logits, views: Views) -> Floats:
    """Multiply p(class) of each expert by p(rest) of every other: p_head(rest) gates the tail."""
    log_p = [log_softmax(block) for block in logits]
    if len(views) > 1:
        gates = [block[:, -1:] for block in log_p]  # log p(rest)
        for k, block in enumerate(log_p):
            log_p[k] = block + sum(gate for j, gate in enumerate(gates) if j != k)
    return _place(blocks.own(log_p, views), views)


def max_confidence(logits: Logits, views: Views) -> Floats:
    """Let the expert answer that has the largest probability of an own class.

    The probability is that among all of the expert's outputs.
    """
    return _place(blocks.own([log_softmax(block) for block in logits], views), views)


def weighted(logits: Logits, views: Views) -> Floats:
    """Weight the experts by what their outputs for all these images tell, without a label.

    The same as concat where no class has two experts (after Zhang et al. 2022).
    """
    return weighted_by(logits, views, _told(logits, views))


def weighted_by(logits: Logits, views: Views, weights: Floats) -> Floats:
    """Return the mean of the experts' own outputs with these weights (K,)."""
    stack = blocks.stacked(blocks.doubles(logits), views)
    return unlabelled.weighted(weights, stack, blocks.shares(views))


def _told(told: Logits, views: Views) -> Floats:
    return unlabelled.choose(blocks.stacks(told, views), blocks.shares(views))


UNFITTED: dict[str, Rule] = {
    "concat": concat,
    "sum": sum_outputs,
    "concat_abssum": concat_abssum,
    "concat_softmax": concat_softmax,
    "concat_zscore": concat_zscore,
    "rest": rest,
    "rest_pair": rest_pair,
    "max_confidence": max_confidence,
    "unlabelled": weighted,
}


def fit_temperature(
    logits: Logits, labels: Ints, views: Views, groups: Groups, _counts: Ints
) -> Rule:
    """Fit a temperature per expert: the least NLL on the validation images of its own classes.

    The rule is then concat_softmax of the outputs over their temperature (Guo et al. 2017, per
    network). Images weigh as in a balanced test set (`lt.score.validation`).
    """
    from scipy.optimize import minimize_scalar

    temperatures = []
    for block, view in zip(blocks.own(logits, views), views, strict=True):
        column = ClassView(view.classes, view.num_classes).targets(labels)
        seen = column >= 0
        own, column = block[seen], column[seen]
        weights = image_weights(labels[seen], groups)

        def nll(
            log_t: float, own: Floats = own, column: Ints = column, weights: Floats = weights
        ) -> float:
            parts = []
            for rows in blocks.row_blocks(*own.shape):
                log_p = log_softmax(own[rows].astype(np.float64) / np.exp(log_t))
                parts.append(log_p[np.arange(len(log_p)), column[rows]])
            return -float(weights @ np.concatenate(parts))

        bounds = tuple(np.log(TEMPERATURES))
        best = minimize_scalar(nll, bounds=bounds, method="bounded").x
        temperatures.append(float(np.exp(best)))

    return partial(tempered, temperatures=temperatures)


def tempered(logits: Logits, views: Views, temperatures: Sequence[float]) -> Floats:
    """Divide each expert's own outputs by its temperature, then concat_softmax."""
    pairs = zip(blocks.own(logits, views), temperatures, strict=True)
    return _place([log_softmax(block / t) for block, t in pairs], views)


def fit_affine(logits: Logits, labels: Ints, views: Views, groups: Groups, _counts: Ints) -> Rule:
    """Fit a scale and an offset per expert: the least NLL of the joint outputs.

    Images weigh as in a balanced test set (`lt.score.validation`): were the classes that occur to
    weigh the same, the offset of a group would lack log(its classes / those with an image).
    """
    weights, masks = image_weights(labels, groups), blocks.shares(views)
    free = np.arange(len(views)) > 0
    stacks = blocks.stacks(logits, views)
    scales, offsets = _least_nll(stacks, labels, weights, len(views), masks, free)
    return partial(shifted, scales=scales, offsets=offsets)


def shifted(logits: Logits, views: Views, scales: Floats, offsets: Floats) -> Floats:
    """Scale and shift each expert's own outputs by its two numbers, then concat."""
    stack, masks = blocks.stacked(logits, views), blocks.shares(views)
    scores: Floats = np.tensordot(scales, stack, 1) + offsets @ masks
    return scores


def fit_group_offset(
    logits: Logits, labels: Ints, views: Views, groups: Groups, counts: Ints
) -> Rule:
    """Fit a scale, and an offset per group of the partition, to `concat`: the least NLL.

    Networks that know all classes may lean to the frequent ones on images that they have not seen.
    The first group's offset is 0. All are 0 if a group has no validation image. Images weigh as in
    a balanced test set.
    """
    masks = np.array([np.isin(np.arange(len(counts)), group) for group in groups], np.float64)
    return _fit_offsets(logits, labels, views, groups, masks, np.arange(len(groups)) > 0)


def fit_prior_offset(
    logits: Logits, labels: Ints, views: Views, _groups: Groups, counts: Ints
) -> Rule:
    """Fit a scale, and τ of -τ log prior, to `concat`: the least NLL.

    It is the post-hoc logit adjustment of Menon et al. 2021, whose τ is fitted here. The prior is
    that of the long-tailed set. Whatever the partition is, head and tail weigh as in a balanced
    test set; τ is 0 if one of them has no validation image.
    """
    log_prior = np.log(counts / counts.sum())
    direction, halves = log_prior.mean() - log_prior, [half for half in halved(counts) if half]
    return _fit_offsets(logits, labels, views, halves, direction[None], np.array([True]))


def _fit_offsets(
    logits: Logits,
    labels: Ints,
    views: Views,
    groups: Groups,
    directions: Floats,
    free: Bools,
) -> Rule:
    """Fit a scale of `concat` and a number per direction (D, C), 0 where it is not `free` (D,).

    If a group has no image, no number is free: the images would only speak for the others.
    """
    free = free & all(np.isin(labels, group).any() for group in groups)
    weights, every = image_weights(labels, groups), ClassView.all(directions.shape[1])
    once = blocks.stacks([concat(blocks.doubles(logits), views)], [every])
    scales, numbers = _least_nll(once, labels, weights, 1, directions, free)
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
    free: Bools,
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

    start = np.concatenate([np.ones(num), np.zeros(len(directions))])
    bounds = [SCALES] * num + [(None, None) if one else (0.0, 0.0) for one in free]
    x = minimize(objective, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return x[:num], x[num:]


FITTED: dict[str, Fit] = {
    "temperature": fit_temperature,
    "affine": fit_affine,
    "group_offset": fit_group_offset,
    "prior_offset": fit_prior_offset,
}


def why_not(name: str, views: Views, val_counts: Ints) -> str | None:
    """Say why the rule `name` does not apply; None if it does.

    Args:
        name: one of RULES.
        views: the classes of each expert.
        val_counts: (C,) validation images per class. Fitted rules need one of each expert: what
            has no image has no temperature or offset either.
    """
    rests = len(views) == 1 or all(view.others == "rest" for view in views)
    if name in ("rest", "rest_pair") and not rests:
        return "rest rules need rest outputs"
    if name in FITTED:
        if not val_counts.any():
            return "no validation images"
        for k, view in enumerate(views):
            if not val_counts[list(view.classes)].any():
                return f"no validation image of any of expert {k}'s {len(view.classes)} classes"
    return None


def applicable(views: Views, val_counts: Ints) -> list[str]:
    """List the rules that make sense: see `why_not`."""
    return [name for name in RULES if why_not(name, views, val_counts) is None]


def same_as(name: str, views: Views) -> str:
    """Return the rule that has the same scores as `name`, bit for bit, or `name` itself.

    Among large numbers of classes, it saves computing them again.
    """
    one = len(views) == 1
    if name == "unlabelled" and blocks.shares(views).max(0).min() == 1:
        return "concat"  # no class has two experts
    if name == "sum" and one:
        return "concat"
    if name == "rest" or (name == "rest_pair" and one):
        return "max_confidence"
    return name


def check_applies(name: str, views: Views, val_counts: Ints) -> None:
    """Raise a ValueError if the rule `name` does not apply to these experts: see `why_not`."""
    reason = why_not(name, views, val_counts)
    if reason:
        raise ValueError(
            f"evaluate.combine: {name!r} does not apply to these experts ({reason}); "
            f"allowed: {', '.join(applicable(views, val_counts))}"
        )


def make(
    name: str,
    val_logits: Logits,
    val_labels: Ints,
    views: Views,
    groups: Groups,
    counts: Ints,
) -> Rule:
    """Make the rule `name`; what it fits is fitted on validation images.

    Args:
        name: one of RULES.
        val_logits: per expert (N, width), of the validation images.
        val_labels: (N,) their classes.
        views: the classes of each expert.
        groups: the groups of the partition, which weigh as in a balanced test set.
        counts: (C,) images per class of the long-tailed set, at least one of each.

    Raises:
        ValueError: if the rule does not apply.
    """
    check_applies(name, views, np.bincount(val_labels, minlength=views[0].num_classes))
    if name in UNFITTED:
        return UNFITTED[name]
    return FITTED[name](val_logits, val_labels, views, groups, np.asarray(counts))


def settle(
    name: str,
    val_logits: Logits,
    val_labels: Ints,
    views: Views,
    groups: Groups,
    counts: Ints,
    test: Logits,
) -> Rule:
    """Make the rule `name` as `evaluate` uses it, with all that it depends on as fixed numbers.

    Args:
        name: as for `make`, like the next five.
        val_logits: per expert (N, width).
        val_labels: (N,).
        views: the classes of each expert.
        groups: the groups of the partition.
        counts: (C,).
        test: per expert (M, width), of the test images: "unlabelled" weighs by these.
    """
    if name != "unlabelled":
        return make(name, val_logits, val_labels, views, groups, counts)
    return partial(weighted_by, weights=_told(test, views))


def _place(parts: Logits, views: Views) -> Floats:
    """Put (N, own classes) parts into (N, C), as means where several experts know a class."""
    shape = (len(parts[0]), views[0].num_classes)
    total, known = np.zeros(shape), np.zeros(shape[1])
    for block, view in zip(parts, views, strict=True):
        total[:, view.classes] += block
        known[list(view.classes)] += 1
    assert known.all(), "every class needs an expert"
    return total / known


def _tiny(values: Floats) -> Floats:
    """Keep divisors away from 0."""
    return np.maximum(values, np.finfo(np.float32).tiny)
