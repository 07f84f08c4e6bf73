"""What the figures show, read from their axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paper import figures
from tests.paper.conftest import edit, put, small


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


def test_a_claim_is_drawn_seed_by_seed(root: Path) -> None:
    for model, scores in (
        ("soft_split_confirmsharedlean1mixup", (63.0, 64.2)),
        ("ensemble_confirmtau1mixup", (60.0, 61.0)),
    ):
        for seed, accuracy in zip((2, 3), scores, strict=True):
            put(root, f"{model}_s{seed}", accuracy)
    (axis,) = figures.confirmed(small(root)).axes
    seeds, mean = (one.get_offsets().tolist() for one in axis.collections)
    np.testing.assert_allclose([at for at, _ in seeds], [3.0, 3.2])
    np.testing.assert_allclose([at for at, _ in mean], [3.1])
    ends = axis.lines[0].get_xdata()
    np.testing.assert_allclose(ends, [3.1 - 1.2706, 3.1 + 1.2706], rtol=1e-4)


def test_all_that_was_run_is_drawn(root: Path) -> None:
    (axis,) = figures.of_all(small(root)).axes
    names = [one.get_text() for one in axis.get_yticklabels()]
    drawn = [one.get_offsets().tolist() for one in axis.collections]
    assert {names[int(y)]: x for ((x, y),) in drawn} == {
        "baseline (n = 2)": 42.0,
        "split_lws (n = 2)": 51.0,
        "ensemble (n = 1)": 60.0,
    }, "what diverged has no accuracy"
