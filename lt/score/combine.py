"""From the outputs of several experts to one score per class: the eleven rules.

A rule is (logits, views) -> scores and cannot see a label. softmax(scores) is the predicted
distribution, but for the rules of NO_DISTRIBUTION, whose scores are bounded; a rule made of
probabilities returns their logarithms. Where several experts know a class, its score is their
mean. With one expert every rule predicts the same classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import get_args

import numpy as np

from lt import params
from lt.data.views import ClassView, Ints
from lt.score import blocks, unlabelled
from lt.score.blocks import Floats as Floats
from lt.score.blocks import Logits as Logits
from lt.score.blocks import Views as Views
from lt.score.blocks import log_softmax as log_softmax
from lt.score.validation import Groups, image_weights

Rule = Callable[[Logits, Views], Floats]

RULES: tuple[str, ...] = get_args(params.Rule)
NO_DISTRIBUTION = ("concat_abssum", "concat_zscore")
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


def fit_temperature(logits: Logits, labels: Ints, views: Views, groups: Groups) -> Rule:
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


def fit_affine(logits: Logits, labels: Ints, views: Views, groups: Groups) -> Rule:
    """Fit a scale and an offset per expert: the least NLL of the joint outputs.

    Images weigh as in a balanced test set (`lt.score.validation`): were the classes that occur to
    weigh the same, the offset of a group would lack log(its classes / those with an image).
    """
    from scipy.optimize import minimize

    weights, masks = image_weights(labels, groups), blocks.shares(views)

    def objective(x: Floats) -> tuple[float, Floats]:
        total, gradient = 0.0, np.zeros(2 * num)
        for rows, stack in stacks():
            scores = np.tensordot(x[:num], stack, 1) + x[num:] @ masks
            log_p, each = log_softmax(scores), np.arange(len(scores))
            slope = np.exp(log_p)
            slope[each, labels[rows]] -= 1
            slope *= weights[rows, None]
            gradient += np.array([*(slope * stack).sum((1, 2)), *(masks @ slope.sum(0))])
            total -= float(weights[rows] @ log_p[each, labels[rows]])
        return total, gradient

    num, stacks = len(views), blocks.stacks(logits, views)
    start = np.concatenate([np.ones(num), np.zeros(num)])
    bounds = [SCALES] * num + [(0.0, 0.0)] + [(None, None)] * (num - 1)
    x = minimize(objective, start, jac=True, bounds=bounds, method="L-BFGS-B").x

    return partial(shifted, scales=x[:num], offsets=x[num:])


def shifted(logits: Logits, views: Views, scales: Floats, offsets: Floats) -> Floats:
    """Scale and shift each expert's own outputs by its two numbers, then concat."""
    stack, masks = blocks.stacked(logits, views), blocks.shares(views)
    scores: Floats = np.tensordot(scales, stack, 1) + offsets @ masks
    return scores


FITTED: dict[str, Callable[[Logits, Ints, Views, Groups], Rule]] = {
    "temperature": fit_temperature,
    "affine": fit_affine,
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


def make(name: str, val_logits: Logits, val_labels: Ints, views: Views, groups: Groups) -> Rule:
    """Make the rule `name`; what it fits is fitted on validation images.

    Args:
        name: one of RULES.
        val_logits: per expert (N, width), of the validation images.
        val_labels: (N,) their classes.
        views: the classes of each expert.
        groups: the groups of the partition, which weigh as in a balanced test set.

    Raises:
        ValueError: if the rule does not apply.
    """
    check_applies(name, views, np.bincount(val_labels, minlength=views[0].num_classes))
    if name in UNFITTED:
        return UNFITTED[name]
    return FITTED[name](val_logits, val_labels, views, groups)


def settle(
    name: str, val_logits: Logits, val_labels: Ints, views: Views, groups: Groups, test: Logits
) -> Rule:
    """Make the rule `name` as `evaluate` uses it, with all that it depends on as fixed numbers.

    Args:
        name: as for `make`, like the next four.
        val_logits: per expert (N, width).
        val_labels: (N,).
        views: the classes of each expert.
        groups: the groups of the partition.
        test: per expert (M, width), of the test images: "unlabelled" weighs by these.
    """
    if name != "unlabelled":
        return make(name, val_logits, val_labels, views, groups)
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
