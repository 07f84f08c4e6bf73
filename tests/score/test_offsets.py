"""The rules that shift classes: what they are to find is put in, and the optimum is checked."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from lt.data.views import ClassView, Ints
from lt.score import blocks, combine, fitted, metrics, store
from lt.score.fitted import Fit, Validation
from tests.conftest import views

COUNTS = np.array([5000, 2000, 200, 50])
GROUPS = ((0, 1), (2, 3))
ALL = [ClassView.all(4)]
SAME = np.full(4, 1000)
FITS = [fitted.fit_group_offset, fitted.fit_prior_offset]


def drawn(images: Ints) -> tuple[NDArray[np.float64], Ints]:
    """Logits by Bayes' rule where all classes are as frequent, of so many images of each.

    Images are points around a centre for each class.
    """
    labels = np.repeat(np.arange(4), images)
    points = 2 * np.eye(4)[labels] + np.random.default_rng(0).normal(size=(len(labels), 4))
    return 2 * points, labels


def numbers(rule: combine.Rule) -> tuple[float, NDArray[np.float64]]:
    """Return the scale, and the offsets from that of class 0."""
    zero, one = (rule([np.full((1, 4), value)], ALL)[0] for value in (0.0, 1.0))
    return float((one - zero)[0]), zero - zero[0]


def test_a_group_that_is_too_low_is_lifted() -> None:
    true, labels = drawn(8 * SAME)
    low = 4 * (true - 1.5 * np.isin(np.arange(4), GROUPS[1]))
    scale, offsets = numbers(
        fitted.fit_group_offset(Validation([low], labels, ALL, GROUPS, COUNTS))
    )
    assert scale == pytest.approx(0.25, rel=0.05)
    np.testing.assert_allclose(offsets, [0, 0, 1.5, 1.5], atol=0.1)


@pytest.mark.parametrize("tau", [0.4, 1.0])
def test_the_prior_comes_off_a_network_that_has_it(tau: float) -> None:
    """The images to fit on are long-tailed, as those that validate are."""
    true, labels = drawn(10 * COUNTS)
    leaning = 4 * (true + tau * np.log(COUNTS / COUNTS.sum()))
    scale, offsets = numbers(
        fitted.fit_prior_offset(Validation([leaning], labels, ALL, GROUPS, COUNTS))
    )
    assert scale == pytest.approx(0.25, rel=0.1)
    np.testing.assert_allclose(offsets, -tau * np.log(COUNTS / COUNTS[0]), atol=0.15)


@pytest.mark.parametrize("fit", FITS)
def test_offsets_are_those_of_scikit_learn(fit: Fit) -> None:
    """Of two classes, a group each: a logistic regression on the difference of their logits."""
    labels = np.repeat([0, 1], [900, 60])
    logits = np.random.default_rng(2).normal(size=(960, 2)) + 1.5 * np.eye(2)[labels] + [1, 0]
    apart = logits[:, 1:] - logits[:, :1]
    known = LogisticRegression(C=np.inf, class_weight="balanced", tol=1e-10).fit(apart, labels)
    both = [ClassView.all(2)]
    scores = fit(Validation([logits], labels, both, ((0,), (1,)), np.array([900, 60])))(
        [logits], both
    )
    ours = scores[:, 1] - scores[:, 0]
    np.testing.assert_allclose(ours, known.decision_function(apart), atol=1e-3)


@pytest.mark.parametrize("fit", FITS)
def test_networks_are_averaged_and_then_shifted(fit: Fit) -> None:
    true, labels = drawn(SAME)
    apart, low = np.random.default_rng(1).normal(size=true.shape), true - np.array([0, 0, 2, 2])
    two = [low + apart, low - apart]
    both = fit(Validation(two, labels, ALL * 2, GROUPS, COUNTS))(two, ALL * 2)
    np.testing.assert_allclose(
        both, fit(Validation([low], labels, ALL, GROUPS, COUNTS))([low], ALL), atol=1e-4
    )


def test_of_a_hard_split_affine_can_do_no_worse() -> None:
    true, labels = drawn(SAME)
    chosen, blocks = views(*GROUPS), [true[:, :2] * 3, true[:, 2:] - 1]

    def nll(name: str) -> float:
        scores = combine.make(name, Validation(blocks, labels, chosen, GROUPS, COUNTS))(
            blocks, chosen
        )
        return -float(combine.log_softmax(scores)[np.arange(len(labels)), labels].mean())

    assert nll("affine") < nll("group_offset") < nll("concat")


@pytest.mark.parametrize("shown", [(0, 1), (2, 3), (0,)])
@pytest.mark.parametrize("fit", FITS)
def test_a_group_without_a_validation_image_moves_nothing(fit: Fit, shown: tuple[int, ...]) -> None:
    true, labels = drawn(SAME)
    seen = np.isin(labels, shown)
    rule = fit(Validation([true[seen]], labels[seen], ALL, GROUPS, COUNTS))
    assert numbers(rule)[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("groups", [((0, 1, 2, 3),), GROUPS, ((0,), (1,), (2, 3))])
def test_the_prior_goes_by_head_and_tail_whatever_the_partition(
    groups: tuple[tuple[int, ...], ...],
) -> None:
    true, labels = drawn(SAME)
    low = true + np.log(COUNTS / COUNTS.sum())
    found, same = (
        numbers(fitted.fit_prior_offset(Validation([low], labels, ALL, cut, COUNTS)))
        for cut in (groups, GROUPS)
    )
    assert found[1].tolist() == same[1].tolist()
    head = labels < 2
    rule = fitted.fit_prior_offset(Validation([low[head]], labels[head], ALL, groups, COUNTS))
    assert numbers(rule)[1].tolist() == [0, 0, 0, 0]


def test_the_score_of_a_rule_goes_by_the_counts_of_the_partition() -> None:
    true, labels = drawn(10 * COUNTS)
    leaning = true + np.log(COUNTS / COUNTS.sum())
    cut = {"counts": COUNTS.tolist(), "groups": GROUPS, "head": (0, 1), "tail": (2, 3)}
    cut |= {"many": (0, 1, 2), "medium": (3,), "few": ()}
    test, test_labels = drawn(SAME)
    low = test + np.log(COUNTS / COUNTS.sum())
    outputs = store.Outputs([low], test_labels, [leaning], labels, are_logits=True)
    known = metrics.percent(test.argmax(1) == test_labels)  # Bayes' rule
    shifted, _ = metrics.score("prior_offset", ALL, outputs, cut)
    before, _ = metrics.score("concat", ALL, outputs, cut)
    assert shifted.accuracy == pytest.approx(known, abs=0.5)
    assert before.accuracy < known - 10
    turned, _ = metrics.score("prior_offset", ALL, outputs, {**cut, "counts": COUNTS[[2, 0, 3, 1]]})
    assert turned.accuracy < known - 5, "with other counts it cannot"


def test_classes_of_one_size_have_no_prior_to_take_off() -> None:
    true, labels = drawn(SAME)
    rule = fitted.fit_prior_offset(
        Validation([true - np.array([0, 0, 2, 2])], labels, ALL, GROUPS, SAME)
    )
    assert numbers(rule)[1].tolist() == [0, 0, 0, 0]


def test_an_offset_keeps_the_order_within_its_group() -> None:
    true, labels = drawn(SAME)
    low = true - np.array([0, 0, 2, 2])
    scores = fitted.fit_group_offset(Validation([low], labels, ALL, GROUPS, COUNTS))([low], ALL)
    for group in GROUPS:
        assert np.array_equal(scores[:, group].argmax(1), low[:, group].argmax(1))
    after, before = (metrics.percent(one.argmax(1) == labels) for one in (scores, low))
    assert after > before + 5


@pytest.mark.parametrize("name", combine.FITTED)
def test_a_fit_goes_through_the_outputs_in_blocks(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, num = np.random.default_rng(0), 200
    labels = rng.integers(0, num, 1000)
    outputs = [rng.normal(size=(1000, num)).astype(np.float32) for _ in range(2)]
    halves = (range(num // 2), range(num // 2, num))
    counts = np.arange(num, 0, -1)
    known = Validation(outputs, labels, [ClassView.all(num)] * 2, halves, counts)
    whole = combine.FITTED[name](known)(known.logits, known.views)
    monkeypatch.setattr(blocks, "CELLS", 2**12)
    tracemalloc.start()
    rule = combine.FITTED[name](known)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < sum(block.nbytes for block in known.logits) / 2
    np.testing.assert_allclose(rule(known.logits, known.views), whole, atol=1e-3)
