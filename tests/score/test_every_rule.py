from __future__ import annotations

import numpy as np

from lt.score import combine, metrics, store
from tests.conftest import views

CUT = {
    "groups": [[0, 1], [2, 3]],
    "head": [0, 1],
    "tail": [2, 3],
    "many": [0, 1, 2, 3],
    "medium": [],
    "few": [],
}
# two networks with two outputs each, four images, one of each class
HEAD = np.array([[3.0, 0.0], [0.0, 3.0], [2.0, 0.0], [0.0, 1.0]], np.float32)
TAIL = np.array([[0.0, 1.0], [4.0, 0.0], [1.0, 0.0], [0.0, 5.0]], np.float32)


def outputs(validation: int) -> store.Outputs:
    labels, blocks = np.arange(4), [HEAD, TAIL]
    val = [block[:validation] for block in blocks]
    return store.Outputs(blocks, labels, val, labels[:validation])


def test_a_rule_by_hand() -> None:
    scored, scores = metrics.score("concat", views((0, 1), (2, 3)), outputs(4), CUT)
    assert scores.argmax(1).tolist() == [0, 2, 0, 3]
    assert (scored.accuracy, scored.head, scored.tail) == (50.0, 50.0, 50.0)
    assert scored.within_group.accuracy == 100.0
    assert scored.group_accuracy == 50.0
    assert scored.medium is None


def test_every_rule_has_its_metrics_where_it_applies() -> None:
    chosen = views((0, 1), (2, 3))
    every = metrics.by_rule(chosen, outputs(4), CUT)
    assert list(every) == list(combine.RULES)
    assert [rule for rule, one in every.items() if one is None] == ["rest", "rest_pair"]
    for rule, one in every.items():
        if one is not None:
            alone = metrics.score(rule, chosen, outputs(4), CUT)
            assert one[0] == alone[0]
            assert np.array_equal(one[1], alone[1])
    assert metrics.by_rule(chosen, outputs(0), CUT)["affine"] is None
