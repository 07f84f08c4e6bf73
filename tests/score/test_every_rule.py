from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lt import files
from lt.data.views import ClassView
from lt.nets import heads
from lt.score import combine, metrics, store
from tests.conftest import views

CUT = {
    "groups": [[0, 1], [2, 3]],
    "head": [0, 1],
    "tail": [2, 3],
    "many": [0, 1, 2, 3],
    "medium": [],
    "few": [],
    "counts": [300, 300, 200, 200],
}
# two networks with two outputs each, four images, one of each class
HEAD = np.array([[3.0, 0.0], [0.0, 3.0], [2.0, 0.0], [0.0, 1.0]], np.float32)
TAIL = np.array([[0.0, 1.0], [4.0, 0.0], [1.0, 0.0], [0.0, 5.0]], np.float32)


def outputs(validation: int, are_logits: bool = True) -> store.Outputs:
    labels, blocks = np.arange(4), [HEAD, TAIL]
    val = [block[:validation] for block in blocks]
    return store.Outputs(blocks, labels, val, labels[:validation], are_logits)


def test_a_rule_by_hand() -> None:
    scored, said = metrics.score("concat", views((0, 1), (2, 3)), outputs(4), CUT)
    assert said.answers.tolist() == [0, 2, 0, 3]
    assert said.within.tolist() == [0, 1, 2, 3]
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
            assert np.array_equal(one[1].answers, alone[1].answers)
    assert metrics.by_rule(chosen, outputs(0), CUT)["affine"] is None


def test_what_is_no_distribution_has_no_calibration() -> None:
    """Of cosines, only what was scaled on validation images has, and says so by its name."""

    def without(are_logits: bool) -> set[str]:
        every = metrics.by_rule(views((0, 1), (2, 3)), outputs(4, are_logits), CUT)
        found = {name: one[0] for name, one in every.items() if one}
        assert all((one.ece is None) == (one.nll is None) for one in found.values())
        return {name for name, one in found.items() if one.nll is None}

    assert without(are_logits=True) == {"concat_abssum", "concat_zscore"}
    assert without(are_logits=False) == set(combine.UNFITTED) - {"rest", "rest_pair"}


def test_the_outputs_of_ncm_are_no_logits(tmp_path: Path) -> None:
    for kind, expected in (("Linear", True), ("Cosine", True), (heads.NearestMean.__name__, False)):
        entry = {"head": {"kind": kind}, "classes": [0, 1], "num_classes": 2, "others": "drop"}
        store.save(tmp_path, [entry], outputs(2), [], {"run": {}})
        assert store.load_outputs(tmp_path).are_logits == expected


def test_a_split_whose_tail_has_no_validation_image() -> None:
    """Fitted rules are refused, with what is allowed; all others have their figures."""
    chosen, bare = views((0, 1), (2, 3)), outputs(2)
    every = metrics.by_rule(chosen, bare, CUT)
    empty = {rule for rule, one in every.items() if one is None}
    assert empty == {*combine.FITTED, "rest", "rest_pair"}
    for rule in combine.FITTED:
        message = f"{rule}' does not apply to .* image of any of expert 1's 2 classes.; allowed: co"
        with pytest.raises(ValueError, match=message):
            metrics.score(rule, chosen, bare, CUT)


@pytest.mark.parametrize("others", ["drop", "silent", "rest"])
def test_rules_that_are_computed_once_have_the_same_scores(others: str) -> None:
    rng = np.random.default_rng(0)
    for groups in (((0, 1, 2, 3, 4),), ((0, 1), (2, 3, 4))):
        chosen = views(*groups, others=others)
        logits = [rng.normal(0, 3, (50, view.width)).astype(np.float32) for view in chosen]
        rules = [rule for rule in combine.UNFITTED if combine.same_as(rule, chosen) != rule]
        assert len(rules) == (4 if len(groups) == 1 else 2)
        for rule in rules:
            same = combine.UNFITTED[combine.same_as(rule, chosen)](logits, chosen)
            assert np.array_equal(combine.UNFITTED[rule](logits, chosen), same)


def test_a_rule_is_judged_by_its_own_answers_on_validation() -> None:
    chosen, known = views((0, 1), (2, 3)), outputs(4)
    # concat says 0 2 0 3; divided by their absolute sums, the tail's 2 and 1 win no more
    assert metrics.on_validation("concat", chosen, known, CUT) == 50.0
    assert metrics.on_validation("affine", chosen, known, CUT) == 100.0


def test_weights_without_a_label_are_those_of_the_test_images() -> None:
    rng, labels = np.random.default_rng(0), np.arange(200) % 4
    good, noise = 4 * np.eye(4)[labels] + rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
    both = [ClassView.all(4)] * 2
    found = [
        metrics.score("unlabelled", both, store.Outputs([good, noise], labels, val, labels), CUT)[0]
        for val in ([good, noise], [noise, good])
    ]
    assert found[0] == found[1]


def test_a_training_goes_with_its_own_partition_alone(tmp_path: Path) -> None:
    """Another one may have as many groups of as many images."""
    cut = {**CUT, "data": {"name": "digits", "images": 1000}, "summary": "", "classes": []}
    run = dict.fromkeys(store.OF_A_RUN, "") | {"partition": store.about_cut(cut)}
    folder, path = tmp_path / "final", tmp_path / "partition.json"
    folder.mkdir()
    store.save(folder, [], outputs(2), [], {"run": run})
    files.write_json(path, cut)
    assert store.check_both(folder, path)[1] == cut
    files.write_json(path, {**cut, "groups": [[0, 2], [1, 3]]})
    with pytest.raises(ValueError, match="final was trained on digits, 1000 images in 2 groups"):
        store.check_both(folder, path)
