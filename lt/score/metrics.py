"""Metrics out of scores and labels.

They are in percent where they can be, and None where a group has no test image, or where they
would have no meaning. No network runs here: `score` and `by_rule` start from the outputs that a
training has left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt.data.views import Ints
from lt.score import classes, combine, validation
from lt.score.blocks import Floats, Views, row_blocks
from lt.score.said import Said, group_of, say, within_group
from lt.score.store import Outputs

ECE_BINS = 15
PARTS = ("head", "tail", "many", "medium", "few")


@dataclass(frozen=True)
class WithinGroup:
    """Accuracy where the label chooses the group: an oracle, not a prediction (the seed's)."""

    accuracy: float
    head: float | None
    tail: float | None


@dataclass(frozen=True)
class Metrics:
    """What eval.json holds: nll in nats, the rest percent; all but within_group use no label.

    balanced_accuracy is the mean of the classes' accuracies: accuracy itself on a balanced test
    set. It and macro_f1 are over the classes that have a test image; all else counts test images
    alike, so that a class without one has no say. ece and nll are None where softmax(scores) is no
    distribution: see `has_distribution`.
    """

    accuracy: float
    balanced_accuracy: float
    head: float | None
    tail: float | None
    many: float | None
    medium: float | None
    few: float | None
    within_group: WithinGroup
    group_accuracy: float
    macro_f1: float
    ece: float | None
    nll: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return a nested dict, in the order above."""
        return asdict(self)


Scored = tuple[Metrics, Said]  # of a rule, and what it says of the test images


def score(
    rule: str,
    views: Views,
    outputs: Outputs,
    cut: Mapping[str, Any],
    within: Ints | None = None,
) -> Scored:
    """Score the experts' outputs with one rule.

    Args:
        rule: one of params.Rule; what it fits is fitted on the validation outputs.
        views: the classes of each expert.
        outputs: what the experts say of the test and validation images.
        cut: what partition.json holds: the groups, the counts, and the classes of each of PARTS.
        within: (N,) what `_within` gives, where that is known.

    Raises:
        ValueError: if the rule does not apply to these experts.
    """
    labels, groups = outputs.test_labels, cut["groups"]
    make = combine.settle(rule, combine.Validation.of(outputs, views, cut), outputs.test)
    if within is None:
        within = _within(views, outputs, groups)
    parts_said = []
    for rows in row_blocks(len(labels), views[0].num_classes):
        scores = make([block[rows] for block in outputs.test], views)
        parts_said.append(say(scores, within[rows], labels[rows]))
    every = Said(
        *(np.concatenate([getattr(one, f.name) for one in parts_said]) for f in fields(Said))
    )
    parts: dict[str, Sequence[int]] = {name: cut[name] for name in PARTS}
    sound = has_distribution(rule, outputs.are_logits)
    return _measure(every, labels, groups, parts, views[0].num_classes, sound), every


def _within(views: Views, outputs: Outputs, groups: Sequence[Sequence[int]]) -> Ints:
    """Return (N,) predictions of the test images with the true group given, by concat."""
    labels, found = outputs.test_labels, []
    for rows in row_blocks(len(labels), views[0].num_classes):
        own = combine.concat([block[rows] for block in outputs.test], views)
        found.append(within_group(own, labels[rows], groups))
    return np.concatenate(found)


def has_distribution(rule: str, are_logits: bool) -> bool:
    """Check whether softmax(scores) of a rule is a distribution, of which ECE and NLL tell.

    It is not where scores are bounded, and confidence with them, whatever the networks know: the
    cosines of ncm, two rules of combine.NO_DISTRIBUTION. What is fitted on validation images is
    brought to the right scale by that.

    Args:
        rule: one of params.Rule.
        are_logits: whether the experts' outputs are those of a softmax (`store.Outputs`).
    """
    return rule in combine.FITTED or (are_logits and rule not in combine.NO_DISTRIBUTION)


def by_rule(views: Views, outputs: Outputs, cut: Mapping[str, Any]) -> dict[str, Scored | None]:
    """Score the experts' outputs with every rule; None where one does not apply."""
    counts = np.bincount(outputs.val_labels, minlength=views[0].num_classes)
    allowed, within = combine.applicable(views, counts), _within(views, outputs, cut["groups"])
    same = {rule: combine.same_as(rule, views) for rule in allowed}
    found = {rule: score(rule, views, outputs, cut, within) for rule in {*same.values()}}
    return {rule: found[same[rule]] if rule in same else None for rule in combine.RULES}


def on_validation(
    rule: str, views: Views, outputs: Outputs, cut: Mapping[str, Any]
) -> float | None:
    """Estimate a rule's accuracy on a balanced test set from the validation images, in percent.

    By it one chooses (`validation.balanced_accuracy`). A rule that is fitted on these images is
    judged by them, too.

    Args:
        rule: one that applies to these experts.
        views: the classes of each expert.
        outputs: what the experts say of the images.
        cut: what partition.json holds.

    Returns:
        None if head or tail has no validation image.
    """
    labels = outputs.val_labels
    if not len(labels):
        return None
    make = combine.make(rule, combine.Validation.of(outputs, views, cut))
    answers = make(outputs.val, views).argmax(axis=1)
    return validation.balanced_accuracy(answers, labels, [cut[half] for half in validation.HALVES])


def evaluate(
    scores: Floats,
    own_scores: Floats,
    labels: Ints,
    groups: Sequence[Sequence[int]],
    parts: Mapping[str, Sequence[int]],
    is_distribution: bool = True,
) -> Metrics:
    """Score a prediction.

    Args:
        scores: (N, C) combined.
        own_scores: (N, C) each class's output by its own network (the concat rule); they choose
            within a given group.
        labels: (N,) true classes.
        groups: the K groups of the partition.
        parts: the classes of head, tail, many, medium and few; of one that is left out, or has no
            class, there is no figure.
        is_distribution: whether softmax(scores) is the predicted distribution.

    Raises:
        ValueError: if there is no image, a score is NaN or infinitely large, or all scores of an
            image are infinitely small; if shapes do not fit, a label is none of the
            classes, a class is not in one group alone, or a part has another name.
    """
    scores, own_scores, labels = np.asarray(scores), np.asarray(own_scores), np.asarray(labels)
    if scores.ndim != 2 or scores.shape != own_scores.shape or labels.shape != scores.shape[:1]:
        shapes = ", ".join(str(one.shape) for one in (scores, own_scores, labels))
        raise ValueError(f"scores: expected (N, C), (N, C) and labels (N,), got {shapes}")
    if not len(labels):
        raise ValueError("labels: expected one image at least, got none")
    for one in (scores, own_scores):
        if (np.isnan(one) | np.isposinf(one)).any() or np.isneginf(one).all(1).any():
            raise ValueError("scores: expected numbers, got NaN or infinity")
    if labels.min(initial=0) < 0 or labels.max(initial=0) >= scores.shape[1]:
        raise ValueError(f"labels: expected 0 to {scores.shape[1] - 1}")
    if unknown := sorted(set(parts) - set(PARTS)):
        raise ValueError(f"parts: expected some of {', '.join(PARTS)}, got {', '.join(unknown)}")
    said = say(scores, within_group(own_scores, labels, groups), labels)
    return _measure(said, labels, groups, parts, scores.shape[1], is_distribution)


def _measure(
    said: Said,
    labels: Ints,
    groups: Sequence[Sequence[int]],
    parts: Mapping[str, Sequence[int]],
    num_classes: int,
    is_distribution: bool,
) -> Metrics:
    right, within = said.answers == labels, said.within == labels
    group_ids = group_of(groups, num_classes)
    return Metrics(
        accuracy=percent(right),
        balanced_accuracy=balanced_accuracy(said.answers, labels),
        **{name: _part(right, labels, parts.get(name, ())) for name in PARTS},
        within_group=WithinGroup(
            percent(within), *(_part(within, labels, parts.get(name, ())) for name in PARTS[:2])
        ),
        group_accuracy=percent(group_ids[said.answers] == group_ids[labels]),
        macro_f1=macro_f1(said.answers, labels, num_classes),
        ece=ece(said.confidence, said.sure) if is_distribution else None,
        nll=-float(said.log_p.mean()) if is_distribution else None,
    )


def percent(right: NDArray[np.bool_]) -> float:
    """Return the percentage of True."""
    return 100 * float(np.count_nonzero(right)) / len(right)


def balanced_accuracy(predictions: Ints, labels: Ints) -> float:
    """Return the mean accuracy of the classes that have a test image, in percent."""
    hits, images = classes.hits_and_images(predictions, labels, int(labels.max()) + 1)
    seen = images > 0
    return float(np.mean(100 * hits[seen].astype(np.float64) / images[seen]))


def macro_f1(predictions: Ints, labels: Ints, num_classes: int) -> float:
    """Return the mean of F1 = 2 TP / (2 TP + FP + FN) of the classes with an image, in percent.

    An answer that names a class without one still counts against the true class.
    """
    hits, images = classes.hits_and_images(predictions, labels, num_classes)
    both = images + np.bincount(predictions, minlength=num_classes)
    seen = images > 0
    return 100 * float(np.mean(2 * hits[seen] / both[seen]))


def ece(confidence: Floats, right: NDArray[np.bool_], bins: int = ECE_BINS) -> float:
    """Return the expected calibration error in percent (Guo et al. 2017).

    Args:
        confidence: (N,) the largest probability of each image.
        right: (N,) whether it is that of the true class.
        bins: equal ones: bin b holds the confidences in (b / bins, (b + 1) / bins].
    """
    # per bin, its size times its gap
    gaps = np.bincount(bins_of(confidence, bins), right - confidence, bins)
    return 100 * float(np.abs(gaps).sum()) / len(right)


def bins_of(confidence: Floats, bins: int) -> Ints:
    """Return the bin (N,) of each confidence (N,): see `ece`."""
    found: Ints = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return found


def _part(right: NDArray[np.bool_], labels: Ints, classes: Sequence[int]) -> float | None:
    inside = np.isin(labels, list(classes))
    return percent(right[inside]) if inside.any() else None
