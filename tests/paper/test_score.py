"""What of a training goes into its score, and what networks of several trainings score together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lt.data.views import ClassView
from lt.score import metrics, store
from paper import regroup
from paper import score as score_cells


def test_classes_come_by_rank(tmp_path: Path) -> None:
    labels = np.arange(100) % 3
    logits = np.eye(3, dtype=np.float32)[np.where(labels == 2, 0, labels)]  # class 2 is never told
    entry = {"head": {"kind": "Linear"}, "classes": [0, 1, 2], "num_classes": 3, "others": "drop"}
    entry |= dict.fromkeys(store.COSTS, 1)
    outputs = store.Outputs([logits], labels, [logits], labels)
    facts = {"run": {"start": {"method": "x"}}, "timing": {"train_s": 1.0}}
    store.save(tmp_path, [entry], outputs, [], facts)
    cut = {"classes": list("abc"), "counts": [10, 5, 20], "groups": [[2], [0, 1]], "head": [2]}
    cut |= {"tail": [0, 1], "many": [], "medium": [2], "few": [0, 1]}
    assert score_cells._scores(tmp_path, {"data": {"val_counts": [34, 33, 33]}}, cut)[
        "by_rank"
    ] == [0.0, 100.0, 100.0]


def test_networks_together_are_scored_as_a_training_is() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    val, test = (2 * np.eye(2)[labels] + rng.normal(size=(200, 2)) for _ in range(2))
    shift, view = np.array([0, 2]), ClassView.all(2)
    val, test = val - shift, test + shift
    cut = {"counts": [90, 10], "groups": [[0], [1]], "head": [0], "tail": [1]}
    cut |= {"many": [], "medium": [0], "few": [1]}
    outputs = store.Outputs([test], labels, [val], labels)
    network = regroup.Network("a", 0, view, val, test)
    found = regroup.Images(labels, labels, cut).accuracies([network])
    expected = [metrics.score(rule, [view], outputs, cut)[0].accuracy for rule in regroup.RULES]
    assert found == pytest.approx(expected)
