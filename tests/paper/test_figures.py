"""What the figures show, read from their axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paper import figures
from tests.paper.conftest import edit, small


def test_a_confusion_is_in_percent_of_the_actual_class(root: Path) -> None:
    edit(root, "baseline_s0", confusion=np.outer(range(1, 11), range(1, 11)).tolist())
    figure = figures.confusion(small(root))
    shown = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(shown.sum(1), 100)


def test_a_line_is_the_mean_of_the_seeds(root: Path) -> None:
    edit(root, "baseline_s1", by_rank=[0.0] * 10)
    figure = figures.rank(small(root))
    drawn = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, np.linspace(45, 5, 10))


def test_a_bar_is_a_deviation(root: Path) -> None:
    figure = figures.methods(small(root))
    ends = sorted(np.ptp(one.get_xdata()) for one in figure.axes[0].lines)
    assert ends[-1] == pytest.approx(2 * 8**0.5)
