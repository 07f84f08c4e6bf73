from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, f1_score, log_loss, recall_score

from lt.score import classes, metrics, said, stats
from paper import score

# six images, four classes; argmax: 0 0 1 2 3 0
SCORES = np.log(
    np.array(
        [
            [0.7, 0.1, 0.1, 0.1],
            [0.6, 0.3, 0.05, 0.05],
            [0.2, 0.5, 0.2, 0.1],
            [0.1, 0.1, 0.6, 0.2],
            [0.1, 0.1, 0.3, 0.5],
            [0.4, 0.3, 0.2, 0.1],
        ]
    )
)
LABELS = np.array([0, 1, 1, 2, 2, 3])
GROUPS = ((0, 1), (2, 3))
PARTS = {"head": (0, 1), "tail": (2, 3), "many": (0,), "medium": (1, 2), "few": ()}


def test_by_hand() -> None:
    result = metrics.evaluate(SCORES, SCORES, LABELS, GROUPS, PARTS)
    assert result.accuracy == 50  # images 0, 2, 3
    assert result.balanced_accuracy == pytest.approx((100 + 50 + 50 + 0) / 4)
    assert result.head == pytest.approx(200 / 3)
    assert result.tail == pytest.approx(100 / 3)
    assert (result.many, result.medium, result.few) == (100, 50, None)
    assert result.group_accuracy == pytest.approx(500 / 6)  # all but the last
    within = result.within_group  # image 5: among 2 and 3, class 2 wins, which is wrong
    assert (within.accuracy, within.head, within.tail) == (50, result.head, result.tail)


def test_within_group_is_the_argmax_over_the_true_group() -> None:
    guesses = said.within_group(SCORES, LABELS, GROUPS)
    assert guesses.tolist() == [0, 0, 1, 2, 3, 2]


def test_within_group_of_a_single_group_is_the_prediction() -> None:
    guesses = said.within_group(SCORES, LABELS, ((0, 1, 2, 3),))
    assert guesses.tolist() == SCORES.argmax(1).tolist()


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(300, 7)), rng.integers(6, size=300)
    result = metrics.evaluate(scores, scores, labels, (tuple(range(7)),), PARTS)
    guesses = scores.argmax(1)
    expected = 100 * f1_score(labels, guesses, average="macro", labels=range(6), zero_division=0)
    assert result.macro_f1 == pytest.approx(expected)
    expected = 100 * recall_score(labels, guesses, labels=range(6), average="macro")
    assert result.balanced_accuracy == pytest.approx(expected)
    assert result.balanced_accuracy != pytest.approx(result.accuracy), "classes differ in size"
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    assert result.nll == pytest.approx(log_loss(labels, p, labels=range(7)))


def test_classes_and_confusion_are_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    guesses, labels = rng.integers(7, size=300), rng.integers(7, size=300)
    expected = 100 * recall_score(labels, guesses, average=None)
    assert classes.accuracies(guesses, labels, 7) == pytest.approx(expected.tolist())
    assert score._confusion(labels, guesses, 7) == confusion_matrix(labels, guesses).tolist()


def test_ece_is_the_mean_gap_of_scikit_learns_calibration_curve() -> None:
    rng = np.random.default_rng(2)
    p, labels = rng.dirichlet(np.full(5, 0.7), size=500), rng.integers(5, size=500)
    confidence, right = p.max(1), p.argmax(1) == labels
    shares, means = calibration_curve(right, confidence, n_bins=metrics.ECE_BINS)
    sizes = np.histogram(confidence, np.linspace(0, 1, metrics.ECE_BINS + 1))[0]
    expected = 100 * np.average(np.abs(shares - means), weights=sizes[sizes > 0])
    assert metrics.ece(confidence, right) == pytest.approx(expected, rel=1e-12)


def test_ece_by_hand() -> None:
    # bins of 0.2: 0.55 wrong and 0.6 right in (0.4, 0.6], 0.9 right in (0.8, 1]
    confidence, right = np.array([0.55, 0.6, 0.9]), np.array([False, True, True])
    gap = abs(1 - (0.55 + 0.6)) + abs(1 - 0.9)
    assert metrics.ece(confidence, right, bins=5) == pytest.approx(100 * gap / 3)


def test_perfect_confidence_is_calibrated() -> None:
    assert metrics.ece(np.ones(3), np.ones(3, bool)) == 0


def test_per_class() -> None:
    assert classes.accuracies(np.array([0, 1, 1]), np.array([0, 0, 1]), 3) == [50, 100, None]


def test_classes_without_a_test_image_by_hand() -> None:
    """Four classes; 2 and 3 have none. Answers: 0 0 2 1, of which the third is wrong."""
    answers, labels = np.array([0, 0, 2, 1]), np.array([0, 0, 0, 1])
    scores = np.eye(4)[answers]
    parts = {"head": (0, 1), "tail": (2, 3), "many": (0, 2), "medium": (3,), "few": (1,)}
    result = metrics.evaluate(scores, scores, labels, GROUPS, parts)
    assert result.accuracy == 75
    assert result.balanced_accuracy == pytest.approx((200 / 3 + 100) / 2)
    assert (result.head, result.tail, result.medium, result.few) == (75, None, None, 100)
    assert result.many == pytest.approx(200 / 3), "that of the one class with images"
    within = result.within_group  # among 0 and 1 the third image ties: the first of them, 0
    assert (within.accuracy, within.head, within.tail) == (100, 100, None)
    assert result.group_accuracy == 75
    assert result.macro_f1 == pytest.approx(100 * (4 / 5 + 1) / 2)
    assert classes.accuracies(answers, labels, 4) == [pytest.approx(200 / 3), 100, None, None]
    rows = classes.intervals(answers, labels, 4)
    assert rows[2:] == [(0, None, None)] * 2
    assert [row[0] for row in rows] == [3, 1, 0, 0]


def test_intervals_are_those_of_the_right_answers() -> None:
    rows = classes.intervals(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    assert rows == [(2, *(stats.wilson(1, 2) or ())), (1, *(stats.wilson(1, 1) or ()))]


def test_calibration_is_of_answers_to_which_no_group_is_given() -> None:
    """Wrong with a confidence of 60 %, and right where the group is given."""
    scores = np.log([[0.6, 0.1, 0.2, 0.1]])
    result = metrics.evaluate(scores, scores, np.array([2]), GROUPS, PARTS)
    assert (result.accuracy, result.within_group.accuracy) == (0, 100)
    assert result.ece == pytest.approx(60)


@pytest.mark.parametrize("groups", [((0, 1),), ((0, 1), (1, 2)), ((0, 1), (2, -1))])
def test_every_class_is_in_one_group(groups: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="groups: expected each of 3 classes once"):
        metrics.evaluate(np.eye(3), np.eye(3), np.arange(3), groups, {})


def test_a_score_that_is_no_number_is_refused() -> None:
    groups, fine = ((0,), (1,)), np.zeros((1, 2))
    for bad in (np.array([[0.0, np.nan]]), np.array([[np.inf, 0.0]])):
        for scores in ((bad, fine), (fine, bad)):
            with pytest.raises(ValueError, match="scores: expected numbers, got NaN or infinity"):
                metrics.evaluate(*scores, np.array([0]), groups, {})


def test_scores_and_labels_fit_each_other() -> None:
    groups = ((0,), (1, 2))
    with pytest.raises(ValueError, match=r"got \(3, 3\), \(1, 3\), \(3,\)"):
        metrics.evaluate(np.eye(3), np.eye(3)[:1], np.arange(3), groups, {})
    with pytest.raises(ValueError, match="labels: expected 0 to 2"):
        metrics.evaluate(np.eye(3), np.eye(3), np.array([0, 1, 3]), groups, {})


def test_parts_may_be_left_out_and_have_no_other_names() -> None:
    arguments = (np.eye(3), np.eye(3), np.arange(3), ((0,), (1, 2)))
    result = metrics.evaluate(*arguments, {"tail": (1, 2)})
    assert (result.tail, result.within_group.tail) == (100.0, 100.0)
    assert (result.head, result.many, result.within_group.head) == (None, None, None)
    with pytest.raises(ValueError, match=r"parts: expected some of head, .* got animals"):
        metrics.evaluate(*arguments, {"animals": (0,)})
