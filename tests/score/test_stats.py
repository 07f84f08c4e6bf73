from __future__ import annotations

from math import sqrt

import pytest

from lt.score.stats import wilson

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
