"""From the outputs of several experts to one score per class: the eleven rules.

A rule is (logits, views) -> scores and cannot see a label. softmax(scores) is the predicted
distribution, but for the rules of NO_DISTRIBUTION, whose scores are bounded; a rule made of
probabilities returns their logarithms. Where several experts know a class, its score is their
mean. With one expert every rule predicts the same classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from lt import params
from lt.data.views import ClassView, Ints
from lt.score import unlabelled
from lt.score.validation import Groups, image_weights

Floats = NDArray[np.floating[Any]]
Logits = Sequence[Floats]  # per expert (N, width)
Views = Sequence[ClassView]
Rule = Callable[[Logits, Views], Floats]

RULES: tuple[str, ...] = get_args(params.Rule)
NO_DISTRIBUTION = ("concat_abssum", "concat_zscore")
TEMPERATURES = (0.01, 100.0)  # bounds of the fit
SCALES = (0.01, 100.0)


def concat(logits: Logits, views: Views) -> Floats:
    """Put each expert's outputs for its own classes side by side (the seed)."""
    return _place(_own(logits, views), views)


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
    return _place([log_softmax(block) for block in _own(logits, views)], views)


def concat_zscore(logits: Logits, views: Views) -> Floats:
    """Shift and scale each expert's own outputs to mean 0 and deviation 1, per image."""

    def standardised(block: Floats) -> Floats:
        centred: Floats = block - block.mean(1, keepdims=True)
        return centred / _tiny(centred.std(1, keepdims=True))  # 0 for an expert of one class

    return _place([standardised(block) for block in _own(logits, views)], views)


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
    return _place(_own(log_p, views), views)


def max_confidence(logits: Logits, views: Views) -> Floats:
    """Let the expert answer that has the largest probability of an own class.

    The probability is that among all of the expert's outputs.
    """
    return _place(_own([log_softmax(block) for block in logits], views), views)


def weighted(logits: Logits, views: Views, told: Logits | None = None) -> Floats:
    """Weight the experts by what their outputs for many images tell, without a label.

    The same as concat where no class has two experts (after Zhang et al. 2022).

    Args:
        logits: per expert (N, width).
        views: the classes of each expert.
        told: per expert (M, width), of the images to weight by; None: `logits`.
    """
    blocks, share = _stacked([block.astype(np.float64) for block in logits], views)
    if told is None:
        return unlabelled.combine(blocks, share, blocks)
    of_many, _ = _stacked([block.astype(np.float64) for block in told], views)
    return unlabelled.combine(blocks, share, of_many)


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
    for block, view in zip(_own(logits, views), views, strict=True):
        column = ClassView(view.classes, view.num_classes).targets(labels)
        seen = column >= 0
        own, column = block[seen].astype(np.float64), column[seen]
        weights = image_weights(labels[seen], groups)

        def nll(
            log_t: float, own: Floats = own, column: Ints = column, weights: Floats = weights
        ) -> float:
            log_p = log_softmax(own / np.exp(log_t))
            return -float(weights @ log_p[np.arange(len(own)), column])

        bounds = tuple(np.log(TEMPERATURES))
        best = minimize_scalar(nll, bounds=bounds, method="bounded").x
        temperatures.append(float(np.exp(best)))

    return partial(tempered, temperatures=temperatures)


def tempered(logits: Logits, views: Views, temperatures: Sequence[float]) -> Floats:
    """Divide each expert's own outputs by its temperature, then concat_softmax."""
    blocks = zip(_own(logits, views), temperatures, strict=True)
    return _place([log_softmax(block / t) for block, t in blocks], views)


def fit_affine(logits: Logits, labels: Ints, views: Views, groups: Groups) -> Rule:
    """Fit a scale and an offset per expert: the least NLL of the joint outputs.

    Images weigh as in a balanced test set (`lt.score.validation`): were the classes that occur to
    weigh the same, the offset of a group would lack log(its classes / those with an image).
    """
    from scipy.optimize import minimize

    weights = image_weights(labels, groups)
    rows = np.arange(len(labels))

    def objective(x: Floats, blocks: Floats, masks: Floats) -> tuple[float, Floats]:
        scores = np.tensordot(x[: len(masks)], blocks, 1) + x[len(masks) :] @ masks
        log_p = log_softmax(scores)
        slope = np.exp(log_p)
        slope[rows, labels] -= 1
        slope *= weights[:, None]
        gradient = [*(slope * blocks).sum((1, 2)), *(masks @ slope.sum(0))]
        return -float(weights @ log_p[rows, labels]), np.array(gradient)

    num = len(views)
    start = np.concatenate([np.ones(num), np.zeros(num)])
    bounds = [SCALES] * num + [(0.0, 0.0)] + [(None, None)] * (num - 1)
    arrays = _stacked([block.astype(np.float64) for block in logits], views)
    x = minimize(objective, start, args=arrays, jac=True, bounds=bounds, method="L-BFGS-B").x

    return partial(shifted, scales=x[:num], offsets=x[num:])


def shifted(logits: Logits, views: Views, scales: Floats, offsets: Floats) -> Floats:
    """Scale and shift each expert's own outputs by its two numbers, then concat."""
    blocks, masks = _stacked(logits, views)
    scores: Floats = np.tensordot(scales, blocks, 1) + offsets @ masks
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
    blocks, share = _stacked([block.astype(np.float64) for block in test], views)
    return partial(weighted_by, weights=unlabelled.choose(blocks, share))


def weighted_by(logits: Logits, views: Views, weights: Floats) -> Floats:
    """Return the mean of the experts' own outputs with these weights (K,)."""
    blocks, share = _stacked([block.astype(np.float64) for block in logits], views)
    return unlabelled.weighted(weights, blocks, share)


def log_softmax(block: Floats) -> Floats:
    """Return the logarithms of the softmax over the last axis, in float64."""
    shifted = block.astype(np.float64) - block.max(-1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def _own(logits: Logits, views: Views) -> list[Floats]:
    for block, view in zip(logits, views, strict=True):
        assert block.shape[1] == view.width, "outputs of other experts than these"
    return [block[:, view.columns] for block, view in zip(logits, views, strict=True)]


def _place(blocks: Logits, views: Views) -> Floats:
    """Put (N, own classes) blocks into (N, C), as means where several experts know a class."""
    shape = (len(blocks[0]), views[0].num_classes)
    total, known = np.zeros(shape), np.zeros(shape[1])
    for block, view in zip(blocks, views, strict=True):
        total[:, view.classes] += block
        known[list(view.classes)] += 1
    assert known.all(), "every class needs an expert"
    return total / known


def _stacked(logits: Logits, views: Views) -> tuple[Floats, Floats]:
    """Stack the own outputs (K, N, C), so that their sum over K is `concat`.

    The second array (K, C) holds each expert's share in each class that it knows.
    """
    known = np.zeros((len(views), views[0].num_classes))
    blocks = np.zeros((len(views), len(logits[0]), views[0].num_classes))
    for k, (block, view) in enumerate(zip(_own(logits, views), views, strict=True)):
        known[k, list(view.classes)] = 1
        blocks[k][:, view.classes] = block
    share = known / known.sum(0)
    return blocks * share[:, None], share


def _tiny(values: Floats) -> Floats:
    """Keep divisors away from 0."""
    return np.maximum(values, np.finfo(np.float32).tiny)
