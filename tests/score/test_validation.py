from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from lt import params
from lt.data import longtail, partition
from lt.data.views import ClassView, Ints
from lt.score import combine, fitted, validation
from lt.score.fitted import Validation

GROUPS = ((0, 1), (2, 3, 4))


def test_a_group_weighs_as_much_whichever_of_its_classes_have_an_image() -> None:
    labels = np.array([0, 0, 0, 1, 3, 3, 4])  # class 2 has none
    weights = validation.image_weights(labels, GROUPS)
    assert weights.sum() == pytest.approx(1)
    # class 0 is a fifth, shared by three; classes 3 and 4 are three fifths, a half of it each
    np.testing.assert_allclose(weights, [1 / 15, 1 / 15, 1 / 15, 1 / 5, 0.15, 0.15, 0.3])


def test_where_every_class_has_an_image_all_classes_weigh_the_same() -> None:
    rng = np.random.default_rng(0)
    labels, guesses = rng.integers(5, size=200), rng.integers(5, size=200)
    estimate = validation.balanced_accuracy(guesses, labels, GROUPS)
    assert estimate == pytest.approx(100 * balanced_accuracy_score(labels, guesses))
    for one_group in ([range(5)], [(4, 1, 0, 3, 2)]):
        assert validation.balanced_accuracy(guesses, labels, one_group) == pytest.approx(estimate)


def test_balanced_accuracy_by_hand() -> None:
    labels, guesses = np.array([0, 0, 1, 4, 4]), np.array([0, 1, 1, 4, 0])
    # head: (50 + 100) / 2 for two classes; tail: 50, of the one class seen, for three
    assert validation.balanced_accuracy(guesses, labels, GROUPS) == pytest.approx(60)
    assert validation.balanced_accuracy(guesses[:3], labels[:3], GROUPS) is None
    assert validation.balanced_accuracy(guesses, labels, ((), range(5))) == pytest.approx(200 / 3)


def test_a_choice_without_an_image_of_the_tail_is_refused() -> None:
    message = (
        r"data\.val_fraction: .* and the tail has none; expected a larger fraction.*"
        r"show 2 of 2 head classes and 0 of 3 tail classes"
    )
    with pytest.raises(ValueError, match=message):
        validation.check_choice(np.array([3, 1, 0, 0, 0]), GROUPS)
    with pytest.raises(ValueError, match="the head and the tail has none"):
        validation.check_choice(np.zeros(5, dtype=np.int64), GROUPS)
    validation.check_choice(np.array([0, 1, 0, 0, 1]), GROUPS)
    validation.check_choice(np.array([7]), ((), (0,)))  # a single class has no head


def subset(imb_type: str, options: params.Params) -> longtail.Subset:
    """The subset and its validation images do not depend on more than the order of the labels."""
    changes = {"imb_type": imb_type, "imb_factor": 0.01, "subset": "first_n", "val_fraction": 0.1}
    data = dataclasses.replace(options.data, **changes)  # type: ignore[arg-type]
    return longtail.make(np.repeat(np.arange(100), 500), 100, data)


@pytest.mark.parametrize(
    ("imb_type", "seen", "kept", "trained"),
    [("exp", 38, (35, 35, 30), (32, 34, 34)), ("step", 22, (50, 0, 50), (50, 0, 50))],
)
def test_what_a_tenth_of_cifar_100_shows(
    imb_type: str,
    seen: int,
    kept: tuple[int, ...],
    trained: tuple[int, ...],
    options: params.Params,
) -> None:
    """Many, medium and few are the field's: of all images kept, not of those trained on alone."""
    made = subset(imb_type, options)
    halves = partition.halves(made.counts)
    assert validation.shown(made.val_counts, halves) == [50, seen]
    cut = dict(zip(validation.HALVES, halves, strict=True))
    assert validation.halves_shown(made.val_counts.tolist(), cut) == {"head": 50, "tail": seen}
    shots = [partition.shots(counts) for counts in (made.counts, made.counts - made.val_counts)]
    assert [tuple(map(len, one.values())) for one in shots] == [kept, trained]
    assert len(made.val) == made.val_counts.sum()


NUM, HALVES = 100, (tuple(range(50)), tuple(range(50, 100)))
VIEWS = [ClassView(half, NUM) for half in HALVES]


def simulated(labels: Ints, seed: int) -> list[np.ndarray]:
    """Outputs of two networks, of which the tail's are lower by 1.5 than they should be."""
    rng = np.random.default_rng(seed)
    right = np.eye(NUM)[labels] * 2.5
    both = rng.normal(size=(len(labels), NUM)) + right
    return [both[:, :50], both[:, 50:] - 1.5]


@pytest.mark.parametrize("present", [38, 22, 5])
def test_affine_finds_the_offset_whichever_tail_classes_have_an_image(present: int) -> None:
    """With the classes that occur weighing the same, it lacked log(50 / present): 0.27 to 2.3."""
    labels = np.repeat(np.arange(50 + present), 40)
    rule = fitted.fit_affine(
        Validation(simulated(labels, 0), labels, VIEWS, HALVES, np.full(NUM, 9))
    )
    zeros, ones = ([np.full((1, 50), value) for value in pair] for pair in ((0, 0), (0, 1)))
    offset = (rule(zeros, VIEWS)[0, 50:] - rule(zeros, VIEWS)[0, :50]).mean()
    scale = (rule(ones, VIEWS) - rule(zeros, VIEWS))[0, 50]
    assert offset == pytest.approx(1.5 * scale, abs=0.2)


def test_no_rule_is_fitted_to_an_expert_without_a_validation_image() -> None:
    labels = np.repeat(np.arange(50), 3)
    logits, counts = simulated(labels, 0), np.bincount(labels, minlength=NUM)
    for rule in combine.FITTED:
        with pytest.raises(ValueError, match=r"no validation image of any of expert 1's 50 class"):
            combine.make(rule, Validation(logits, labels, VIEWS, HALVES, np.full(NUM, 9)))
    assert not set(combine.applicable(VIEWS, counts)) & set(combine.FITTED)
    one = [ClassView.all(NUM)]
    assert set(combine.FITTED) < set(combine.applicable(one, counts)), "it has an image"


def test_temperature_is_that_of_the_balanced_test_set() -> None:
    """The head's images are 30 times as many and need another temperature: they do not decide."""
    rng = np.random.default_rng(0)
    counts = np.array([3000, 3000, 100, 100])
    labels = np.repeat(np.arange(4), counts)
    scores = rng.normal(size=(len(labels), 4)) + 3 * np.eye(4)[labels] * (labels < 2)[:, None]
    views, groups = [ClassView.all(4)], ((0, 1), (2, 3))
    rows = np.concatenate([np.flatnonzero(labels == label)[:100] for label in range(4)])
    fits = []
    for part in (rows, slice(None)):
        rule = fitted.fit_temperature(
            Validation([scores[part]], labels[part], views, groups, counts)
        )
        fits.append(rule([scores[:1]], views))
    first, second = (np.ptp(fit) for fit in fits)  # in proportion to 1 / temperature
    assert second == pytest.approx(first, rel=0.1)
