from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from lt.data import partition
from lt.data.longtail import class_counts

EXP = class_counts(5000, 10, "exp", 0.01)


def test_frequency_is_measured_and_ties_go_by_label() -> None:
    assert partition.by_frequency(np.array([3, 9, 3, 9, 1])).tolist() == [1, 3, 0, 2, 4]


def test_halves_of_an_odd_number_agree_with_step() -> None:
    counts = class_counts(100, 5, "step", 0.1)
    assert partition.halves(counts) == ((0, 1), (2, 3, 4))
    assert partition.partition(counts, "half", 2) == partition.halves(counts)


@pytest.mark.parametrize(
    ("counts", "criterion", "num", "sizes"),
    [
        ([9, 8, 7, 6, 5, 4, 3], "half", 3, [2, 2, 3]),
        ([60, 20, 20, 10, 10], "mass", 2, [1, 4]),  # 60 | 60
        ([50, 50, 50, 25, 25], "mass", 4, [1, 1, 1, 2]),  # 50 each
        ([100, 50, 10, 5], "ratio", 2, [2, 2]),  # ratio 2 in both
        ([1000, 100, 10, 1], "ratio", 2, [2, 2]),
        ([50, 50, 50, 5], "ratio", 2, [3, 1]),  # step: ratio 1 in both
        ([7, 7, 7, 7], "ratio", 2, [2, 2]),
        ([200, 101, 100, 20, 19], "shots", 9, [2, 2, 1]),
        ([200, 150, 30], "shots", 9, [2, 1]),  # no few-shot class: no such group
        ([5, 4, 3], "half", 3, [1, 1, 1]),
        ([5, 4, 3], "mass", 3, [1, 1, 1]),
        ([5, 4, 3], "ratio", 1, [3]),
    ],
)
def test_cuts(counts: list[int], criterion: str, num: int, sizes: list[int]) -> None:
    cut = partition.partition(np.array(counts), criterion, num)
    assert [len(group) for group in cut] == sizes
    assert [label for group in cut for label in group] == list(range(len(counts)))


def test_the_seeds_cut_shrinks_the_ratio_within_a_group() -> None:
    for imb, before, after in ((0.1, 10, 2.8), (0.01, 100, 7.8)):
        counts = class_counts(5000, 10, "exp", imb)
        head, tail = partition.halves(counts)
        ratios = [counts[list(g)].max() / counts[list(g)].min() for g in (head, tail)]
        assert counts.max() / counts.min() == before
        assert max(ratios) == pytest.approx(after, abs=0.05)


def test_thresholds_are_the_fewest_images_of_a_group() -> None:
    cut = partition.partition(EXP, "thresholds", 9, [1000, 100])
    assert cut == ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9))


@pytest.mark.parametrize("thresholds", [[], [100, 100], [100, 200]])
def test_thresholds_must_fall(thresholds: list[int]) -> None:
    with pytest.raises(ValueError, match=r"partition\.thresholds: expected falling"):
        partition.partition(EXP, "thresholds", 2, thresholds)


@pytest.mark.parametrize(("thresholds", "group"), [([9000, 100], 0), ([100, 10], 2)])
def test_a_group_without_images_is_refused(thresholds: list[int], group: int) -> None:
    with pytest.raises(ValueError, match=rf"group {group} would have no class.*5000 to 50, got"):
        partition.partition(EXP, "thresholds", 2, thresholds)


def test_more_groups_than_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"partition\.num_groups: expected 1 to 10,.* got 11"):
        partition.partition(EXP, "half", 11)


@pytest.mark.parametrize("criterion", ["mass", "ratio"])
@pytest.mark.parametrize("num", [1, 2, 3, 4, 6, 7])
def test_no_other_cuts_cost_less(criterion: str, num: int) -> None:
    counts = np.array([60, 60, 31, 9, 9, 4, 1])

    def cost(cuts: tuple[int, ...]) -> tuple[float, ...]:
        runs = list(pairwise([0, *cuts, len(counts)]))
        if criterion == "mass":
            return (sum(counts[i:j].sum() ** 2 for i, j in runs), *cuts)
        ratios = sum(np.log(counts[i] / counts[j - 1]) ** 2 for i, j in runs)
        return (round(ratios, 9), sum((j - i) ** 2 for i, j in runs), *cuts)

    best = min(combinations(range(1, len(counts)), num - 1), key=cost)
    assert [len(group) for group in partition.partition(counts, criterion, num)] == [
        j - i for i, j in pairwise([0, *best, len(counts)])
    ]


@pytest.mark.parametrize("criterion", ["half", "mass", "ratio"])
@pytest.mark.parametrize("num", [1, 2, 3, 4, 5, 100])
def test_cuts_of_a_hundred_classes(criterion: str, num: int) -> None:
    counts = class_counts(500, 100, "exp", 0.01)
    cut = partition.partition(counts, criterion, num)
    assert len(cut) == num
    assert sorted(label for group in cut for label in group) == list(range(100))
    assert all(cut)


def test_other_words_and_numbers_are_refused() -> None:
    counts = [30, 20, 10, 0]
    with pytest.raises(ValueError, match=r"criterion: expected half, mass, .* got 'halfs'"):
        partition.partition(np.array(counts), "halfs", 2)
    with pytest.raises(ValueError, match=r"num_groups: expected 1 to 4, .* got 0"):
        partition.partition(np.array(counts), "half", 0)
    with pytest.raises(ValueError, match="ratio needs an image of each class"):
        partition.partition(np.array(counts), "ratio", 2)


def test_a_list_is_as_good_as_an_array() -> None:
    counts = [30, 20, 10, 1]
    for criterion in ("half", "mass", "ratio"):
        cut = partition.partition(counts, criterion, 2)
        assert cut == partition.partition(np.array(counts), criterion, 2)
