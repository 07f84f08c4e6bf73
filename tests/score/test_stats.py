from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy.stats import ttest_rel

from lt.score.stats import Stat, wilson

Z = 1.959963984540054  # of 95 %


@pytest.mark.parametrize(("hits", "num"), [(0, 1), (1, 3), (3, 3), (36, 36), (640, 1000)])
def test_wilson_is_the_formula(hits: int, num: int) -> None:
    share = hits / num
    middle = (share + Z**2 / (2 * num)) / (1 + Z**2 / num)
    half = Z * sqrt(share * (1 - share) / num + Z**2 / (4 * num**2)) / (1 + Z**2 / num)
    assert wilson(hits, num) == pytest.approx((100 * (middle - half), 100 * (middle + half)))


def test_three_right_of_three_prove_little() -> None:
    """3 / (3 + 1.96²), by hand."""
    assert wilson(3, 3) == pytest.approx((43.85, 100), abs=0.01)


def test_no_trial_no_interval() -> None:
    assert wilson(0, 0) is None


def test_a_mean_and_its_interval_by_hand() -> None:
    stat = Stat({0: 1.0, 1: 2.0, 2: 3.0})
    assert (stat.n, stat.mean, stat.sd) == (3, 2.0, 1.0)
    interval = stat.interval()
    assert interval is not None
    half = 4.302652729911275 / 3**0.5  # t of 2 degrees of freedom at 97.5 %
    assert interval == pytest.approx((2 - half, 2 + half))
    assert str(stat) == "2.00 ± 1.00"
    assert str(Stat({1: 5.0})) == "5.00"
    assert Stat({1: 5.0}).interval() is None
    ours, theirs = (
        dict(enumerate(x)) for x in np.random.default_rng(0).normal(size=(2, 5)).tolist()
    )
    difference = Stat(ours) - Stat(theirs)
    test = ttest_rel(list(ours.values()), list(theirs.values())).confidence_interval(0.95)
    assert difference.interval() == pytest.approx((test.low, test.high))
    assert str(Stat()) == "–"


def test_an_interval_as_text_shows_on_which_side_of_zero_it_is() -> None:
    half = 12.706204736432095 / 2  # t of 1 degree of freedom, of values 1 apart: sd / sqrt(2) = 0.5
    assert Stat({0: 6.0, 1: 7.0}).interval_text() == "[0.15, 12.85]"
    above = half - 0.5 + 0.003
    assert Stat({0: above, 1: above + 1}).interval_text() == "[0.003, 12.71]"
    assert Stat({0: 0.0, 1: 0.0}).interval_text() == "[0.00, 0.00]"
    assert Stat({0: 6.0}).interval_text() is None


def test_differences_are_paired_by_seed() -> None:
    difference = Stat({0: 5.0, 1: 7.0, 3: 1.0}) - Stat({1: 4.0, 0: 1.0, 2: 9.0})
    assert difference.by_seed == {0: 4.0, 1: 3.0}
