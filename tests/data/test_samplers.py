from __future__ import annotations

import numpy as np
import pytest
import scipy
import torch
from imblearn.datasets import make_imbalance
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from torch.utils.data import WeightedRandomSampler

from lt.data import samplers
from lt.data.longtail import class_counts, keep
from lt.data.samplers import Sampler
from lt.data.views import ClassView

TARGETS = np.array([0, 0, 0, 0, 1, 1, -1, 2, 0, -1])  # five, two and one image; two unseen


def draw(sampler: Sampler, targets: np.ndarray = TARGETS, seed: int = 0) -> list[np.ndarray]:
    return sampler(targets, np.random.default_rng(seed))


def test_shuffled_shows_each_visible_image_once() -> None:
    batches = draw(samplers.shuffled(3))
    assert [len(batch) for batch in batches] == [3, 3, 2]
    assert sorted(np.concatenate(batches)) == [0, 1, 2, 3, 4, 5, 7, 8]


def test_a_batch_of_one_image_is_that_image_twice() -> None:
    batches = draw(samplers.shuffled(7))
    assert [len(batch) for batch in batches] == [7, 2]
    assert batches[1][0] == batches[1][1]


def test_shared_batches_are_parts_of_the_same_batches() -> None:
    labels = np.repeat(np.arange(4), [50, 30, 5, 3])
    head, tail = ((0, 1), (2, 3))
    sampler = samplers.shared(8)
    parts = [draw(sampler, ClassView(g, 4, "silent").targets(labels)) for g in (head, tail)]
    order = np.random.default_rng(0).permutation(88)
    for start in range(0, 88, 8):
        whole = set(order[start : start + 8].tolist())
        own = [{i for batch in part for i in batch if i in whole} for part in parts]
        assert own[0] | own[1] == whole
        assert {labels[i] < 2 for i in own[0]} <= {True}
    steps = [len(part) for part in parts]
    assert steps[0] == 11
    assert steps[1] < 11, "batches without a tail image are skipped"
    assert min(len(batch) for part in parts for batch in part) == 2, "a lone image is doubled"
    assert len(set(np.concatenate(parts[1]).tolist())) == 8


@pytest.mark.parametrize(
    ("classes", "imb_type", "factor", "expected"),
    [
        (10, "exp", 0.1, 27.9),
        (10, "exp", 0.01, 9.2),
        (10, "step", 0.1, 11.6),
        (10, "step", 0.01, 1.27),
        (100, "exp", 0.1, 30.4),
        (100, "exp", 0.01, 11.2),
    ],
)
def test_tail_images_in_a_shared_batch(
    classes: int, imb_type: str, factor: float, expected: float
) -> None:
    counts = class_counts(50000 // classes, classes, imb_type, factor)
    labels = np.repeat(np.arange(classes), counts)
    tail = ClassView(tuple(range(classes // 2, classes)), classes, "silent").targets(labels)
    batches = draw(samplers.shared(128), tail)
    real = sum(len(np.unique(batch)) for batch in batches)
    assert 128 * real / len(labels) == pytest.approx(expected, abs=0.05)
    if (imb_type, factor) == ("step", 0.01):
        steps = -(-len(labels) // 128)
        lone = sum(len(np.unique(batch)) == 1 for batch in batches)
        assert 1 - len(batches) / steps == pytest.approx(0.28, abs=0.08)
        assert lone / steps == pytest.approx(0.36, abs=0.08)


def test_ros_full_is_classes_times_the_largest() -> None:
    drawn = np.concatenate(draw(samplers.class_balanced(4, "full")))
    assert len(drawn) == 3 * 5
    assert set(drawn.tolist()) <= {0, 1, 2, 3, 4, 5, 7, 8}


def test_ros_match_is_as_long_as_the_baseline() -> None:
    assert sum(map(len, draw(samplers.class_balanced(4, "match")))) == 8


def test_ros_draws_classes_and_images_evenly() -> None:
    targets = np.repeat([0, 1, 2], [6000, 600, 60])
    drawn = np.concatenate(draw(samplers.class_balanced(128, "full"), targets))
    shares = np.bincount(targets[drawn]) / len(drawn)
    assert shares == pytest.approx([1 / 3] * 3, abs=0.02)
    few = np.bincount(drawn[targets[drawn] == 2] - 6600, minlength=60)
    assert few.min() > 60  # 100 expected of each
    assert few.max() < 140


def test_ros_takes_about_2_4_times_the_updates_on_dataset_1() -> None:
    targets = np.repeat(np.arange(10), class_counts(5000, 10, "exp", 0.1))
    full, plain = (
        draw(s, targets) for s in (samplers.class_balanced(128, "full"), samplers.shuffled(128))
    )
    assert len(full) / len(plain) == pytest.approx(2.4, abs=0.05)


def test_rus_takes_the_smallest_class_of_each() -> None:
    redrawn = [np.concatenate(draw(samplers.under(4, True), seed=seed)) for seed in range(9)]
    assert all(np.bincount(TARGETS[d]).tolist() == [1, 1, 1] for d in redrawn)
    assert {int(i) for d in redrawn for i in d} > {4, 5, 7}, "other images every epoch"
    fixed = [np.concatenate(draw(samplers.under(4, False), seed=seed)) for seed in range(9)]
    assert all(sorted(d) == [0, 4, 7] for d in fixed)


@pytest.mark.parametrize(("thin", "limit"), [("mean", 4), ("min", 2), ("max", 6), ("ratio", 12)])
def test_the_rest_is_thinned_and_redrawn(thin: samplers.Thin, limit: int) -> None:
    targets = np.repeat([0, 1, 2], [6, 2, 40])  # 2 is the rest
    sampler = samplers.thinned_rest(64, thin, ratio=1.5)
    first, again = (np.concatenate(draw(sampler, targets, seed)) for seed in (0, 1))
    assert np.bincount(targets[first]).tolist() == [6, 2, limit]
    assert set(first) != set(again)


def test_a_rest_smaller_than_the_limit_is_kept_whole() -> None:
    targets = np.repeat([0, 1], [6, 3])
    drawn = np.concatenate(draw(samplers.thinned_rest(64, "max", 8.0), targets))
    assert sorted(drawn) == list(range(9))


def test_rus_is_imbalanced_learns() -> None:
    """As many of each class, none twice, and each image as likely as the next."""
    targets = np.repeat([0, 1, 2], [60, 24, 8])
    index, shown = np.arange(len(targets))[:, None], np.zeros((2, len(targets)))
    for seed in range(400):
        theirs = RandomUnderSampler(random_state=seed)
        theirs.fit_resample(index, targets)
        ours = np.concatenate(draw(samplers.under(128, redraw=True), targets, seed))
        for row, drawn in zip(shown, (ours, theirs.sample_indices_), strict=True):
            assert np.bincount(targets[drawn]).tolist() == [8, 8, 8]
            assert len(set(drawn.tolist())) == 24
            row[drawn] += 1
    table = shown[:, targets < 2]  # all of class 2 is always there
    assert scipy.stats.chi2_contingency(table).pvalue > 0.001
    assert table.min() > 0


def test_ros_is_as_long_and_as_even_as_imbalanced_learns() -> None:
    """Theirs keeps every image and fills up, ours draws them all: shares agree, images do not."""
    targets = np.repeat([0, 1, 2], [600, 240, 80])
    theirs = RandomOverSampler(random_state=0)
    theirs.fit_resample(np.arange(len(targets))[:, None], targets)
    ours = np.concatenate(draw(samplers.class_balanced(128, "full"), targets))
    assert len(ours) == len(theirs.sample_indices_)
    counts = np.bincount(targets[theirs.sample_indices_])
    assert scipy.stats.chisquare(np.bincount(targets[ours]), counts).pvalue > 0.001


def test_ros_draws_images_as_torchs_weighted_sampler() -> None:
    """Weights of 1 / images of the class (Kang et al. 2020): the same expected count of each."""
    targets = np.repeat([0, 1, 2], [60, 24, 8])
    weights = (1 / np.bincount(targets))[targets]
    generator = torch.Generator().manual_seed(0)
    theirs = list(WeightedRandomSampler(weights.tolist(), 60000, generator=generator))
    parts = [
        np.concatenate(draw(samplers.class_balanced(64, "full"), targets, s)) for s in range(334)
    ]
    shown = [
        np.bincount(drawn, minlength=len(targets)) for drawn in (theirs, np.concatenate(parts))
    ]
    assert scipy.stats.chi2_contingency(shown).pvalue > 0.001


def test_a_subset_has_the_counts_of_imbalanced_learns_make_imbalance() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(5), 40))
    counts = class_counts(40, 5, "exp", 0.1)
    wanted = dict(enumerate(counts.tolist()))
    _, theirs = make_imbalance(labels[:, None], labels, sampling_strategy=wanted, random_state=0)
    for subset in ("first_n", "ldam", "random"):
        kept = keep(labels, counts, subset, seed=0)
        assert np.bincount(labels[kept]).tolist() == np.bincount(theirs).tolist()
        assert len(set(kept.tolist())) == len(theirs)


def test_a_length_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^epoch_length: expected full or match; got 'half'$"):
        samplers.class_balanced(4, "half")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sample",
    [
        samplers.shuffled(2),
        samplers.shared(2),
        samplers.class_balanced(2, "match"),
        samplers.under(2, redraw=True),
        samplers.thinned_rest(2, "mean", 1.0),
    ],
)
def test_a_list_of_targets_is_as_good_as_an_array(sample: samplers.Sampler) -> None:
    targets = [0, 0, 1, 1, 1, 2]
    ours = sample(targets, np.random.default_rng(0))  # type: ignore[arg-type]
    theirs = sample(np.array(targets), np.random.default_rng(0))
    assert [batch.tolist() for batch in ours] == [batch.tolist() for batch in theirs]


def test_another_word_for_thinning_is_refused() -> None:
    with pytest.raises(ValueError, match="thin: expected mean, min, max or ratio; got 'bogus'"):
        samplers.thinned_rest(2, "bogus", 1.0)  # type: ignore[arg-type]
