"""From the outputs of several experts to one score per class: the rules.

A rule is (logits, views) -> scores and cannot see a label. softmax(scores) is the predicted
distribution, but for the rules of NO_DISTRIBUTION, whose scores are bounded; a rule made of
probabilities returns their logarithms. Where several experts know a class, its score is their
mean, but for sum and unlabelled. With one expert every rule predicts the same classes, but for the
two of OFFSETS.
"""

from __future__ import annotations

from functools import partial
from typing import get_args

import numpy as np

from lt import params
from lt.data.views import Ints
from lt.score import blocks, unlabelled
from lt.score.blocks import Floats as Floats
from lt.score.blocks import Logits as Logits
from lt.score.blocks import Views as Views
from lt.score.blocks import concat as concat
from lt.score.blocks import log_softmax as log_softmax
from lt.score.blocks import place
from lt.score.fitted import FITTED as FITTED
from lt.score.fitted import OFFSETS as OFFSETS
from lt.score.fitted import Rule as Rule
from lt.score.fitted import Validation as Validation

RULES: tuple[str, ...] = get_args(params.Rule)
NO_DISTRIBUTION = ("concat_abssum", "concat_zscore")
AMONG_OWN = ("concat_softmax", "concat_zscore", "temperature")  # an expert's classes, no others
ROUNDING = 1e-14  # a smaller deviation of float64 numbers, relative to them, is rounding
AMONG_ALL = ("max_confidence", "concat_abssum")  # its outputs


def sum_outputs(logits: Logits, views: Views) -> Floats:
    """Add up the full outputs (the seed): concat, if no class has two experts or silent outputs."""
    blocks.check(logits, views)
    blocks.shares(views)  # every class needs an expert
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
    return place([log_softmax(block) for block in blocks.own(logits, views)], views)


def concat_zscore(logits: Logits, views: Views) -> Floats:
    """Shift and scale each expert's own outputs to mean 0 and deviation 1, per image."""

    def standardised(block: Floats) -> Floats:
        centred: Floats = block - block.mean(1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(1, keepdims=True))
        # outputs that are all equal are 0, and not what rounding makes of them
        equal = deviation <= ROUNDING * np.abs(block).max(1, keepdims=True)
        return np.where(equal, 0.0, centred / _tiny(deviation))

    own = blocks.own(blocks.doubles(logits), views)
    return place([standardised(block) for block in own], views)


def rest_pair(logits: Logits, views: Views) -> Floats:
    """Multiply p(class) of each expert by p(rest) of every other: p_head(rest) gates the tail."""
    log_p = [log_softmax(block) for block in logits]
    if len(views) > 1:
        gates = [block[:, -1:] for block in log_p]  # log p(rest)
        for k, block in enumerate(log_p):
            log_p[k] = block + sum(gate for j, gate in enumerate(gates) if j != k)
    return place(blocks.own(log_p, views), views)


def max_confidence(logits: Logits, views: Views) -> Floats:
    """Let the expert answer that has the largest probability of an own class.

    The probability is that among all of the expert's outputs.
    """
    return place(blocks.own([log_softmax(block) for block in logits], views), views)


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
    "rest": max_confidence,  # p(own) (1 - p(rest)): p(class) among all outputs (the seed, 4.2)
    "rest_pair": rest_pair,
    "max_confidence": max_confidence,
    "unlabelled": weighted,
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
    if len(views) > 1:
        for k, view in enumerate(views):
            own = name in AMONG_OWN or (name in AMONG_ALL and view.width == 1)
            if own and len(view.classes) == 1:
                return f"expert {k} has one class alone, and no output to compare it with"
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
    if name not in RULES:
        raise ValueError(f"evaluate.combine: expected one of {', '.join(RULES)}; got {name!r}")
    reason = why_not(name, views, val_counts)
    if reason:
        raise ValueError(
            f"evaluate.combine: {name!r} does not apply to these experts ({reason}); "
            f"allowed: {', '.join(applicable(views, val_counts))}"
        )


def make(name: str, known: Validation) -> Rule:
    """Make the rule `name`, one of RULES; what it fits is fitted on `known`.

    Raises:
        ValueError: if the rule does not apply.
    """
    val_counts = np.bincount(known.labels, minlength=known.views[0].num_classes)
    check_applies(name, known.views, val_counts)
    return FITTED[name](known) if name in FITTED else UNFITTED[name]


def settle(name: str, known: Validation, test: Logits) -> Rule:
    """Make the rule `name` as `evaluate` uses it, with all that it depends on as fixed numbers.

    Args:
        name: one of RULES.
        known: what it fits is fitted on.
        test: per expert (M, width), of the test images: "unlabelled" weighs by these.

    Raises:
        ValueError: if the rule does not apply.
    """
    if name != "unlabelled":
        return make(name, known)
    return partial(weighted_by, weights=_told(test, known.views))


def _tiny(values: Floats) -> Floats:
    """Keep divisors away from 0."""
    return np.maximum(values, np.finfo(np.float32).tiny)
