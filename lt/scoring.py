"""Outputs of the experts -> metrics, with every combination rule; no network runs here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lt import combine, metrics
from lt.combine import Floats, Views
from lt.results import Outputs

Scored = tuple[metrics.Metrics, Floats]  # of a rule, and its scores (N, C) of the test images

PARTS = ("head", "tail", "many", "medium", "few")


def score(rule: str, views: Views, outputs: Outputs, cut: Mapping[str, Any]) -> Scored:
    """The metrics and scores of one rule.

    Args:
        rule: one of params.Rule; what it fits is fitted on the validation outputs.
        views: the classes of each expert.
        outputs: of the experts.
        cut: partition.json: the groups, and the classes of each of PARTS.

    Raises:
        ValueError: if the rule does not apply to these experts.
    """
    scores = combine.make(rule, outputs.val, outputs.val_labels, views)(outputs.test, views)
    own = combine.concat(outputs.test, views)
    parts: dict[str, Sequence[int]] = {name: cut[name] for name in PARTS}
    return metrics.evaluate(scores, own, outputs.test_labels, cut["groups"], parts), scores


def by_rule(views: Views, outputs: Outputs, cut: Mapping[str, Any]) -> dict[str, Scored | None]:
    """Those of every rule, None where it does not apply."""
    allowed = combine.applicable(views, len(outputs.val_labels) > 0)
    return {
        rule: score(rule, views, outputs, cut) if rule in allowed else None
        for rule in combine.RULES
    }
