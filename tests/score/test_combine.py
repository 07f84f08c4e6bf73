from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
import scipy
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from lt import params
from lt.data.views import ClassView
from lt.score import combine, fitted, metrics, said, validation
from lt.score.fitted import Validation
from tests.conftest import views

# the seed's two networks on its three example images: (images, outputs)
HEAD = np.loadtxt(
    io.StringIO("""
    -3.3564 -2.9364 -4.9331 3.3350 -2.6883 -10.8467 -10.8931 -10.8949 -10.8388 -10.8795
    1.8470 0.3829 -3.0873 -3.9216 -4.5899 -6.9575 -6.9526 -6.9562 -6.9638 -6.9557
    -4.0348 -4.8249 -3.2829 2.5847 -1.0996 -9.5114 -9.5376 -9.5386 -9.5094 -9.5313
    """)
)
TAIL = np.loadtxt(
    io.StringIO("""
    -10.9268 -10.9313 -10.9291 -10.9262 -10.9306 0.8470 -2.0368 -2.9228 -7.0908 -6.8276
    -10.7455 -10.7424 -10.7524 -10.7529 -10.7584 -2.7019 -4.3051 -2.4733 4.3881 -1.0011
    -6.3900 -6.3927 -6.3896 -6.3891 -6.3916 -0.1007 -1.4665 0.5020 -4.7876 -2.5988
    """)
)
LABELS = np.array([3, 8, 7])
GROUPS = (tuple(range(5)), tuple(range(5, 10)))
SILENT = [ClassView(group, 10, "silent") for group in GROUPS]
SIX = np.array([60, 40, 30, 12, 6, 3])  # images of six classes
KEEP_RANKING = ["concat", "concat_abssum", "concat_softmax", "concat_zscore", "max_confidence"]


def test_all_that_params_allow_are_there() -> None:
    assert {*combine.UNFITTED, *combine.FITTED} == set(get_args(params.Rule))


@pytest.mark.parametrize(
    "name",
    ["concat", "sum", "concat_abssum", "concat_softmax", "concat_zscore", "max_confidence"],
)
def test_golden_vectors(name: str) -> None:
    scores = combine.UNFITTED[name]([HEAD, TAIL], SILENT)
    assert scores.argmax(1).tolist() == [3, 8, 3]


@pytest.mark.parametrize("name", ["rest", "rest_pair"])
def test_golden_vectors_with_the_best_silent_output_as_rest(name: str) -> None:
    """The rest rules want one output more; the largest of the seed's silent ones stands in."""
    own = [HEAD[:, :5], TAIL[:, 5:]]
    rests = [HEAD[:, 5:].max(1, keepdims=True), TAIL[:, :5].max(1, keepdims=True)]
    blocks = [np.hstack(pair) for pair in zip(own, rests, strict=True)]
    scores = combine.UNFITTED[name](blocks, [ClassView(g, 10, "rest") for g in GROUPS])
    assert scores.argmax(1).tolist() == [3, 8, 3]


def test_golden_pairs() -> None:
    abssum = combine.concat_abssum([HEAD, TAIL], SILENT)[2]
    assert (round(abssum[3], 4), round(abssum[7], 4)) == (0.0407, 0.0121)
    softmax = np.exp(combine.concat_softmax([HEAD, TAIL], SILENT)[2])
    assert (round(softmax[3], 3), round(softmax[7], 3)) == (0.971, 0.576)


def test_an_offset_above_2_083_repairs_image_3() -> None:
    scores = combine.concat([HEAD, TAIL], SILENT)
    for offset, answer in ((2.082, 3), (2.083, 7)):
        assert (scores[2] + offset * (np.arange(10) >= 5)).argmax() == answer


def test_drop_and_silent_differ_only_in_what_they_leave_out() -> None:
    dropped = [HEAD[:, :5], TAIL[:, 5:]]
    for name in ("concat", "concat_softmax", "concat_zscore"):
        rule = combine.UNFITTED[name]
        np.testing.assert_allclose(rule(dropped, views(*GROUPS)), rule([HEAD, TAIL], SILENT))
    np.testing.assert_allclose(
        combine.sum_outputs(dropped, views(*GROUPS)), combine.concat(dropped, views(*GROUPS))
    )


def test_classes_in_any_order() -> None:
    block = np.array([[5.0, 1.0], [0.0, 3.0]])
    other = np.array([[2.0], [7.0]])
    scores = combine.concat([block, other], views((2, 0), (1,)))
    assert scores.tolist() == [[1, 2, 5], [3, 7, 0]]


def test_a_class_that_two_experts_know_gets_their_mean() -> None:
    both = [ClassView.all(2), ClassView.all(2)]
    scores = combine.concat([np.array([[1.0, 3.0]]), np.array([[2.0, 0.0]])], both)
    assert scores.tolist() == [[1.5, 1.5]]


def outputs(
    groups: tuple[tuple[int, ...], ...], others: str, seed: int = 0, n: int = 400
) -> tuple[list[np.ndarray], np.ndarray, list[ClassView]]:
    """Outputs that know something: the right one is raised, each expert on a level of its own."""
    rng = np.random.default_rng(seed)
    chosen = views(*groups, others=others)
    labels = rng.integers(chosen[0].num_classes, size=n)
    blocks = []
    for k, view in enumerate(chosen):
        block = rng.normal(size=(n, view.width)) * (1 + k) + 3 * k
        targets = view.targets(labels)
        seen = np.flatnonzero(targets >= 0)
        block[seen, targets[seen]] += 2 * (1 + k)
        blocks.append(block)
    return blocks, labels, chosen


@pytest.mark.parametrize("name", [name for name in combine.RULES if name != "prior_offset"])
def test_one_expert_of_one_group_answers_the_same_under_every_rule(name: str) -> None:
    logits, labels, chosen = outputs((tuple(range(6)),), "drop")
    rule = combine.make(name, Validation(logits, labels, chosen, [range(6)], np.arange(6, 0, -1)))
    assert np.array_equal(rule(logits, chosen).argmax(1), logits[0].argmax(1))


@pytest.mark.parametrize("others", ["drop", "silent", "rest"])
@pytest.mark.parametrize(
    "name", [*KEEP_RANKING, "temperature", "affine", "group_offset", "rest", "rest_pair"]
)
def test_accuracy_is_at_most_group_accuracy_and_oracle(name: str, others: str) -> None:
    groups = ((0, 3), (1, 4), (2, 5))
    logits, labels, chosen = outputs(groups, others)
    if name not in combine.applicable(chosen, np.ones(6)):
        assert others != "rest"
        return
    scores = combine.make(name, Validation(logits, labels, chosen, groups, SIX))(logits, chosen)
    parts = {key: range(6) for key in ("head", "tail", "many", "medium", "few")}
    own = combine.concat(logits, chosen)
    result = metrics.evaluate(scores, own, labels, groups, parts)
    assert result.accuracy <= min(result.group_accuracy, result.within_group.accuracy)
    kept = said.within_group(scores, labels, groups)
    assert np.array_equal(kept, said.within_group(own, labels, groups))


def test_rest_by_hand() -> None:
    log = np.log
    head = log(np.array([[0.5, 0.2, 0.3]]))  # two classes and the rest
    tail = log(np.array([[0.6, 0.4]]))  # one class and the rest
    chosen = views((0, 1), (2,), others="rest")
    rest = np.exp(combine.UNFITTED["rest"]([head, tail], chosen))
    # 5/7 and 2/7 among the own, times 1 - 0.3: the gate does not count twice
    np.testing.assert_allclose(rest, [[5 / 7 * 0.7, 2 / 7 * 0.7, 1 * 0.6]])
    pair = np.exp(combine.rest_pair([head, tail], chosen))
    np.testing.assert_allclose(pair, [[0.5 * 0.4, 0.2 * 0.4, 0.6 * 0.3]])


def test_a_confident_rest_is_exact_from_float32_outputs() -> None:
    logits = [np.array([[0, -3, 17]], dtype=np.float32), np.zeros((1, 2), dtype=np.float32)]
    p = np.exp([0.0, -3.0, 17.0]) / np.exp([0.0, -3.0, 17.0]).sum()
    scores = combine.UNFITTED["rest"](logits, views((0, 1), (2,), others="rest"))
    np.testing.assert_allclose(scores[0, 0], np.log(p[0]), rtol=1e-12)


def test_temperature_undoes_a_scale() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(20000, 3)) * 2
    p = np.exp(combine.log_softmax(true))
    labels = (p.cumsum(1) > rng.random((20000, 1))).argmax(1)  # labels drawn from p
    chosen = [ClassView.all(3)]
    rule = fitted.fit_temperature(Validation([true * 4], labels, chosen, [range(3)], SIX))
    np.testing.assert_allclose(
        rule([true * 4], chosen), combine.log_softmax(true), rtol=0.1, atol=0.1
    )


def test_temperature_is_scikit_learns() -> None:
    """CalibratedClassifierCV with method="temperature", told each image as often as it weighs."""
    rng, counts = np.random.default_rng(3), np.array([200, 100, 40, 20])
    labels = np.repeat(np.arange(4), counts)
    often = np.repeat(np.arange(len(labels)), (200 // counts)[labels])  # 200 of each class
    logits = 5 * rng.normal(size=(len(labels), 4)) + 4 * np.eye(4)[labels]
    chosen, groups = [ClassView.all(4)], ((0, 1), (2, 3))
    rule = fitted.fit_temperature(Validation([logits], labels, chosen, groups, SIX))
    known = FrozenEstimator(AsTheyAre().fit(logits, labels))
    theirs = CalibratedClassifierCV(known, method="temperature", ensemble=False)
    theirs.fit(logits[often], labels[often])
    test = rng.normal(size=(50, 4)) * 5
    np.testing.assert_allclose(np.exp(rule([test], chosen)), theirs.predict_proba(test), atol=1e-4)


class AsTheyAre(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose decision function is its input."""

    def fit(self, _logits: np.ndarray, labels: np.ndarray) -> AsTheyAre:
        self.classes_ = np.unique(labels)
        return self

    def decision_function(self, logits: np.ndarray) -> np.ndarray:
        return logits

    def predict(self, logits: np.ndarray) -> np.ndarray:
        answers: np.ndarray = self.classes_[logits.argmax(axis=1)]
        return answers


def test_log_softmax_is_scipys() -> None:
    block = np.random.default_rng(4).normal(size=(20, 7)) * 100
    expected = scipy.special.log_softmax(block, axis=1)
    np.testing.assert_allclose(combine.log_softmax(block), expected, rtol=1e-13, atol=1e-13)


def test_temperature_uses_an_experts_own_classes_in_their_own_order() -> None:
    logits, labels, chosen = outputs(((5, 0), (4, 1, 2, 3)), "drop")
    sorted_views, groups = views((0, 5), (1, 2, 3, 4)), [range(6)]
    same = [logits[0][:, [1, 0]], logits[1][:, [1, 2, 3, 0]]]
    np.testing.assert_allclose(
        fitted.fit_temperature(Validation(logits, labels, chosen, groups, SIX))(logits, chosen),
        fitted.fit_temperature(Validation(same, labels, sorted_views, groups, SIX))(
            same, sorted_views
        ),
        rtol=1e-4,
    )


def test_affine_levels_the_experts() -> None:
    groups = ((0, 3), (1, 4, 5), (2,))
    val, val_labels, chosen = outputs(groups, "drop", seed=1)
    test, labels, _ = outputs(groups, "drop", seed=2)

    def accuracy(name: str) -> float:
        scores = combine.make(name, Validation(val, val_labels, chosen, groups, SIX))(test, chosen)
        return metrics.percent(scores.argmax(1) == labels)

    assert accuracy("affine") > accuracy("concat") + 10


def test_affine_has_the_gradient_of_its_loss() -> None:
    """At the optimum no small change of a scale or an offset lowers the balanced NLL."""
    groups = ((0, 3), (1, 2))
    logits, labels, chosen = outputs(groups, "drop")
    scores = fitted.fit_affine(Validation(logits, labels, chosen, groups, SIX))(logits, chosen)
    weights = 1 / np.bincount(labels)[labels]

    def nll(scores: np.ndarray) -> float:
        log_p = combine.log_softmax(scores)
        return -float(np.average(log_p[np.arange(len(labels)), labels], weights=weights))

    tail = np.isin(np.arange(4), (1, 2))
    for change in (0.05 * tail, -0.05 * tail):
        assert nll(scores + change) > nll(scores)
    for factor in (0.95, 1.05):
        assert nll(np.where(tail, scores * factor, scores)) > nll(scores)


@pytest.mark.parametrize("method", ["Nelder-Mead", "Powell"])
def test_affine_is_the_optimum_of_scipys_other_methods(method: str) -> None:
    """They use no gradient, and scikit-learn's log_loss for what is made least."""
    groups = ((0, 3), (1, 2))
    logits, labels, chosen = outputs(groups, "drop", n=300)
    rule = fitted.fit_affine(Validation(logits, labels, chosen, groups, SIX))
    weights = validation.image_weights(labels, groups)

    def scores(x: np.ndarray) -> np.ndarray:
        blocks = [x[0] * logits[0], x[1] * logits[1] + x[2]]
        return combine.concat(blocks, chosen)

    def objective(x: np.ndarray) -> float:
        p = scipy.special.softmax(scores(x), axis=1)
        return float(log_loss(labels, p, sample_weight=weights, labels=range(4)))

    tight = {"Nelder-Mead": {"xatol": 1e-7, "fatol": 1e-13}, "Powell": {"xtol": 1e-8, "ftol": 0}}
    options = {**tight[method], "maxiter": 2000, "maxfev": 5000}
    found = scipy.optimize.minimize(objective, [1.0, 1.0, 0.0], method=method, options=options)
    np.testing.assert_allclose(rule(logits, chosen), scores(found.x), atol=0.02)
    p = scipy.special.softmax(rule(logits, chosen), axis=1)
    ours = log_loss(labels, p, sample_weight=weights, labels=range(4))
    assert ours == pytest.approx(found.fun, abs=1e-7)


def test_what_does_not_apply_is_refused() -> None:
    logits, labels, chosen = outputs(((0, 1), (2,)), "drop")
    with pytest.raises(ValueError, match=r"evaluate\.combine: 'rest' does not apply .*allowed: co"):
        combine.make("rest", Validation(logits, labels, chosen, GROUPS, SIX[:3]))
    none = [block[:0] for block in logits]
    with pytest.raises(ValueError, match=r"'affine' does not apply .*no validation images"):
        combine.make("affine", Validation(none, labels[:0], chosen, GROUPS, SIX[:3]))
    allowed = combine.applicable(chosen, np.ones(3))
    lone = {"concat_softmax", "concat_zscore", "temperature", "max_confidence", "concat_abssum"}
    assert set(combine.RULES) - set(allowed) == {"rest", "rest_pair"} | lone, "of one class alone"
    with pytest.raises(ValueError, match="expert 1 has one class alone, and no output"):
        combine.check_applies("concat_softmax", chosen, np.ones(3))
    silent = views((0, 1), (2,), others="silent")
    assert "max_confidence" in combine.applicable(silent, np.ones(3)), "it has three outputs"
    two = views((0, 1), (2, 3), others="drop")
    assert lone <= set(combine.applicable(two, np.ones(4)))
    assert "temperature" not in combine.applicable(two, np.zeros(4))


def test_an_expert_of_one_class_breaks_no_rule() -> None:
    groups = ((0, 1, 2), (3,))
    logits, labels, chosen = outputs(groups, "drop")
    for name in combine.applicable(chosen, np.ones(4)):
        scores = combine.make(name, Validation(logits, labels, chosen, groups, SIX[:4]))(
            logits, chosen
        )
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("scale", [1 / 4000, 1 / 40, 40, 4000])
def test_a_scale_far_from_one_is_found(scale: float) -> None:
    """Cosines are between -1 and 1, and want a temperature of some hundredths."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(4000, 3)) * 2
    p = np.exp(combine.log_softmax(true))
    labels = (p.cumsum(1) > rng.random((4000, 1))).argmax(1)  # labels drawn from p
    known = Validation([true * scale], labels, [ClassView.all(3)], [range(3)], SIX[:3])
    for fit in (fitted.fit_temperature, fitted.fit_affine):
        scores = fit(known)(known.logits, known.views)
        np.testing.assert_allclose(
            combine.log_softmax(scores), combine.log_softmax(true), rtol=0.15, atol=0.15
        )


@pytest.mark.parametrize("name", ["temperature", "affine", "group_offset", "prior_offset"])
def test_where_all_images_are_right_nothing_is_fitted(name: str) -> None:
    """The NLL falls with the scale for ever: where a search stops is no fit."""
    labels = np.arange(60) % 6
    logits = [np.random.default_rng(0).normal(size=(60, 3)) for _ in range(2)]
    for k, block in enumerate(logits):
        own = np.flatnonzero(labels // 3 == k)
        block[own, labels[own] - 3 * k] = 4.0 + k
    chosen, groups = views((0, 1, 2), (3, 4, 5)), ((0, 1, 2), (3, 4, 5))
    rule = combine.make(name, Validation(logits, labels, chosen, groups, SIX))
    before = "concat_softmax" if name == "temperature" else "concat"
    assert (rule(logits, chosen) == combine.UNFITTED[before](logits, chosen)).all()
    wrong = labels.copy()
    wrong[0] = 1
    rule = combine.make(name, Validation(logits, wrong, chosen, groups, SIX))
    assert (rule(logits, chosen) != combine.UNFITTED[before](logits, chosen)).any()


def test_a_network_with_nothing_to_fit_has_the_temperature_of_the_others() -> None:
    """Its images are all right: its own would be a scale that the other network does not have."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    logits = [rng.normal(size=(200, 2)) / 100 for _ in range(2)]
    for k, block in enumerate(logits):
        own = np.flatnonzero(labels // 2 == k)
        block[own] = -0.1
        block[own, labels[own] - 2 * k] = 0.1
    logits[0][0] = [-0.1, 0.1]  # one of the head is wrong
    chosen, groups = views((0, 1), (2, 3)), ((0, 1), (2, 3))
    rule = fitted.fit_temperature(Validation(logits, labels, chosen, groups, SIX[:4]))
    first, second = rule.keywords["temperatures"]
    assert first == second
    assert first < 0.1


@pytest.mark.parametrize("name", ["group_offset", "affine"])
def test_where_a_shift_makes_all_right_the_scales_stay_1(name: str) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(60) % 6
    logits = [rng.normal(size=(60, 3)) / 10 + (2.5, 0.0)[k] for k in range(2)]
    for k, block in enumerate(logits):
        own = np.flatnonzero(labels // 3 == k)
        block[own, labels[own] - 3 * k] += 2.0
    chosen, groups = views((0, 1, 2), (3, 4, 5)), ((0, 1, 2), (3, 4, 5))
    known = Validation(logits, labels, chosen, groups, SIX)
    assert (combine.concat(logits, chosen).argmax(1) != labels).any()
    rule = combine.make(name, known)
    assert (rule(logits, chosen).argmax(1) == labels).all()
    assert np.exp(np.log(rule.keywords["scales"]).mean()) == pytest.approx(1)


@pytest.mark.parametrize("name", ["affine", "group_offset", "prior_offset"])
def test_the_unit_of_the_outputs_does_not_matter(name: str) -> None:
    logits, labels, chosen = outputs(((0, 1, 2), (3, 4, 5)), "drop")
    groups = ((0, 1, 2), (3, 4, 5))

    def fitted_to(unit: float) -> np.ndarray:
        scaled = [block * unit for block in logits]
        rule = combine.make(name, Validation(scaled, labels, chosen, groups, SIX))
        return combine.log_softmax(rule(scaled, chosen))

    for unit in (2.5e-5, 4000.0):
        np.testing.assert_allclose(fitted_to(unit), fitted_to(1.0), atol=1e-3)


def test_outputs_that_are_all_equal_have_no_deviation() -> None:
    """The mean of three times 7.7 is not 7.7 in every precision."""
    chosen = views((0, 1, 2), (3, 4, 5))
    equal = np.full((1, 3), 7.7, np.float32)
    other = np.array([[1.0, 2.0, 3.0]], np.float32)
    scores = combine.concat_zscore([equal, other], chosen)
    assert scores[0, :3].tolist() == [0, 0, 0]
    assert scores[0, 5] == pytest.approx(1.5**0.5)


def test_outputs_of_other_experts_are_refused() -> None:
    two = views((0, 1), (2,))
    for blocks in ([np.zeros((4, 2)), np.zeros((4, 2))], [np.zeros((4, 2)), np.zeros((1, 1))]):
        for rule in ("concat", "sum", "unlabelled"):
            with pytest.raises(ValueError, match=r"outputs: expected \(4, 2\), \(4, 1\), got"):
                combine.UNFITTED[rule](blocks, two)


@pytest.mark.parametrize("rule", ["concat", "sum", "unlabelled"])
def test_every_class_needs_an_expert(rule: str) -> None:
    with pytest.raises(ValueError, match="views: no expert knows class 1"):
        combine.UNFITTED[rule]([np.zeros((4, 1))], [ClassView((0,), 2)])


def test_another_rule_is_refused_by_name() -> None:
    known = combine.Validation(
        [np.zeros((1, 2))], np.array([0]), views((0, 1)), ((0, 1),), np.array([3, 0])
    )
    with pytest.raises(ValueError, match=r"evaluate\.combine: expected one of concat, .*'softmax'"):
        combine.make("softmax", known)
    with pytest.raises(ValueError, match="prior_offset: class 1 has no image"):
        combine.make("prior_offset", known)
