from __future__ import annotations

from dataclasses import replace

import pytest

from lt.score import suggest
from lt.score.suggest import Numbers

LARGE = Numbers(10, 12406, 5000, 50, 0, (32, 19, 12, 7, 5), (4000, 5000), (2000, 5000))


def methods(found: Numbers) -> list[str]:
    return [one.method for one in suggest.suggest(found)]


def test_a_balanced_set_has_nothing_to_gain() -> None:
    even = replace(LARGE, images=5000, largest=520, smallest=480)
    (only,) = suggest.suggest(even)
    assert only.method == "baseline"
    assert "1.08 times the images of the smallest" in only.reason


def test_a_tail_that_bears_resampling() -> None:
    assert methods(LARGE) == ["logit_adjust_posthoc", "balanced_softmax", "crt"]
    reasons = [one.reason for one in suggest.suggest(LARGE)]
    assert "log(100.0) = 4.6" in reasons[0]
    assert "12 validation images (median)" in reasons[0]
    assert "from 5000 down to 50. After it, evaluate.combine=prior_offset" in reasons[1]
    assert "which has 50, is then seen 24.8 times an epoch" in reasons[2]  # 12406 / 10 / 50


def test_a_tail_of_a_few_images() -> None:
    tiny = replace(LARGE, smallest=5, few=3, validation=(3, 1, 1, 0, 0))
    assert methods(tiny) == ["logit_adjust_posthoc", "balanced_softmax", "crt"]
    reasons = [one.reason for one in suggest.suggest(tiny)]
    assert "2 of 5 tail classes have no validation image" in reasons[0]
    assert "prior_offset" not in reasons[1]
    assert "which has 5, is then seen 248.1 times an epoch" in reasons[2]  # 12406 / 10 / 5


def test_the_threshold_is_met() -> None:
    assert len(methods(replace(LARGE, largest=150, smallest=100))) == 3


@pytest.mark.parametrize(
    ("head", "tail", "said"),
    [
        ((4000, 5000), (2000, 5000), "a gap of 40.0 points"),
        ((2, 3), (1, 3), "cannot tell them apart"),
        ((2000, 5000), (4000, 5000), "The tail is ahead"),
        ((2, 3), (0, 0), "head or tail has no test image"),
    ],
)
def test_gap(head: tuple[int, int], tail: tuple[int, int], said: str) -> None:
    assert said in suggest.gap(replace(LARGE, head=head, tail=tail), "baseline")


def test_numbers_by_hand() -> None:
    cut = {"counts": [40, 5, 20], "head": [0], "tail": [2, 1]}
    rows = [
        {"label": "0", "accuracy": "75.0", "test_images": "4"},
        {"label": "2", "accuracy": "50.0", "test_images": "2"},
        {"label": "1", "accuracy": "", "test_images": "0"},
    ]
    found = suggest.numbers(cut, [4, 0, 2], rows)
    assert found == Numbers(3, 65, 40, 5, 1, (2, 0), (3, 4), (1, 2))
    assert ("Classes with fewer than 20 images", "1 of 3") in suggest.facts(found)


@pytest.mark.parametrize(
    ("name", "weights", "tells"),
    [("images", None, True), ("images", "a.pth", False), ("cifar10", None, False)],
)
def test_weights_that_were_not_tried(name: str, weights: str | None, tells: bool) -> None:
    hint = suggest.pretrained({"data": {"name": name}, "train": {"weights": weights}})
    assert ("train.weights" in hint) == tells


def test_right_answers_are_counted_in_whole_images() -> None:
    """35 of 360 as a percentage, of 360, is a little less than 35."""
    cut = {"counts": [9, 5], "head": [0], "tail": [1]}
    rows = [
        {"label": str(label), "accuracy": str(100 * hits / 360), "test_images": "360"}
        for label, hits in enumerate((35, 61))
    ]
    found = suggest.numbers(cut, [1, 1], rows)
    assert (found.head, found.tail) == ((35, 360), (61, 360))
