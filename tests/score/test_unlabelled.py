from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime

from lt.data.views import ClassView
from lt.score import blocks, combine, unlabelled
from lt.score.fitted import Validation
from tests.conftest import views

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(4), 50)
EVERY = [ClassView.all(4)] * 3


def experts(*skills: float) -> list[NDArray[np.float64]]:
    """Logits (200, 4) of experts that are as good as their skill: 0 is noise."""
    right = np.eye(4)[LABELS]
    return [skill * right + RNG.normal(0, 1, (200, 4)) for skill in skills]


def once(stack: NDArray[np.float64]) -> blocks.Stacks:
    return lambda: iter([(slice(None), stack)])


def told(scores: NDArray[np.float64]) -> float:
    """The mutual information of image and predicted class, by its definition."""
    p = np.exp(combine.log_softmax(scores))
    entropies = [-(q * np.log(q)).sum(-1) for q in (p.mean(0), p)]
    return float(entropies[0] - entropies[1].mean())


def test_the_weights_are_the_best_of_a_grid_and_cannot_see_a_label() -> None:
    logits = experts(0.0, 3.0, 1.0)
    weights = unlabelled.fit(once(np.stack(logits) / 3), np.full((3, 4), 1 / 3))
    assert weights.sum() == pytest.approx(1)
    scores = combine.weighted(logits, EVERY)
    np.testing.assert_allclose(scores, np.tensordot(weights, np.stack(logits), 1))
    steps = np.linspace(0, 1, 21)
    free = [(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9]
    grid = unlabelled.LEAST / 3 + (1 - unlabelled.LEAST) * np.array(free)
    best = max(told(np.tensordot(w, np.stack(logits), 1)) for w in grid)
    assert told(scores) >= best - 1e-4
    assert weights[0] < min(weights[1:]), "noise tells least"


def test_the_gradient_is_that_of_finite_differences() -> None:
    """Where one expert knows half of the classes, the means differ from class to class."""
    chosen = [ClassView.all(4), ClassView((2, 3), 4), ClassView.all(4)]
    logits = [block[:, view.columns] for block, view in zip(experts(2, 1, 1), chosen, strict=True)]
    stack, share = blocks.stacked(logits, chosen), blocks.shares(chosen)
    x = np.array([0.3, -1.0, 0.5])
    value, gradient = unlabelled.missing(x, once(stack), share)
    scores = unlabelled.weighted(unlabelled.weights_of(x), stack, share)
    assert value == pytest.approx(-told(scores))
    numeric = approx_fprime(x, lambda x: unlabelled.missing(x, once(stack), share)[0])
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-7)


def test_no_expert_is_dropped() -> None:
    weights = unlabelled.fit(once(np.stack(experts(5.0, 0.0)) / 2), np.full((2, 4), 0.5))
    assert weights[1] == pytest.approx(unlabelled.LEAST / 2, abs=1e-2)
    assert weights.sum() == pytest.approx(1)


def test_where_no_class_has_two_experts_it_is_concat() -> None:
    logits = [RNG.normal(size=(5, 2)) for _ in range(2)]
    chosen = views((0, 1), (2, 3))
    assert np.array_equal(combine.weighted(logits, chosen), combine.concat(logits, chosen))
    alone = [RNG.normal(size=(5, 4))]
    assert np.array_equal(combine.weighted(alone, EVERY[:1]), combine.concat(alone, EVERY[:1]))


def test_a_single_image_says_nothing_of_the_weights() -> None:
    logits = [RNG.normal(size=(1, 4)) for _ in range(3)]
    np.testing.assert_allclose(combine.weighted(logits, EVERY), combine.concat(logits, EVERY))


def test_weights_by_other_images_do_not_depend_on_the_images_scored() -> None:
    rng = np.random.default_rng(0)
    chosen = [ClassView.all(4)] * 2
    told = [rng.normal(size=(50, 4)), 5 * rng.normal(size=(50, 4))]
    several = [rng.normal(size=(3, 4)) for _ in chosen]
    none, groups = [np.zeros((0, 4))] * 2, [(0, 1), (2, 3)]
    rule = combine.settle(
        "unlabelled", Validation(none, np.array([], int), chosen, groups, np.full(4, 9)), told
    )
    alone = rule([block[:1] for block in several], chosen)
    np.testing.assert_array_equal(rule(several, chosen)[:1], alone)
    assert not np.allclose(alone, combine.concat([block[:1] for block in several], chosen))


def test_of_three_experts_none_weighs_less_than_a_twentieth() -> None:
    """Where the authors' steps stop (Vanint/SADE-AgnosticLT at cba11b8)."""
    least = unlabelled.weights_of(np.array([0.0, -1e3, -1e3]))
    np.testing.assert_allclose(least, [0.9, 0.05, 0.05])
