from __future__ import annotations

import numpy as np
import pytest

from lt.data.views import ClassView

LABELS = np.array([0, 1, 2, 3, 4, 3])


def test_drop_counts_its_own_classes() -> None:
    view = ClassView((3, 1), 5, "drop")
    assert view.width == 2
    assert view.columns.tolist() == [0, 1]
    assert view.targets(LABELS).tolist() == [-1, 1, -1, 0, -1, 0]


def test_rest_sees_the_others_as_its_last_output() -> None:
    view = ClassView((3, 1), 5, "rest")
    assert view.width == 3
    assert view.columns.tolist() == [0, 1]
    assert view.targets(LABELS).tolist() == [2, 1, 2, 0, 2, 0]


def test_silent_has_outputs_that_never_get_a_label() -> None:
    view = ClassView((3, 1), 5, "silent")
    assert view.width == 5
    assert view.columns.tolist() == [3, 1]
    assert view.targets(LABELS).tolist() == [-1, 1, -1, 3, -1, 3]


def test_all() -> None:
    view = ClassView.all(5)
    assert view.width == 5
    assert view.targets(LABELS).tolist() == LABELS.tolist()


def test_a_label_that_is_no_class_is_refused() -> None:
    for label in (-1, 6):
        with pytest.raises(ValueError, match=f"class ids from 0 to 5, got {label}"):
            ClassView((3, 4, 5), 6).targets(np.array([3, label]))


def test_another_word_for_the_others_is_refused() -> None:
    with pytest.raises(ValueError, match="expected drop, rest or silent, got 'dropp'"):
        ClassView((0,), 2, "dropp")  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [(), (0, 0), (-1, 0), (0, 3)])
def test_classes_are_different_ids_below_their_number(classes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="classes: expected different ids from 0 to 2"):
        ClassView(classes, 3)
