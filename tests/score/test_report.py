from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lt.score import classes, experiments, extremes, metrics, report, report_figures, said, suggest
from tests.score.test_tables import experiment

NASTY = "<b>a & b</b> $x$ 🦊"


class Tags(HTMLParser):
    """Every tag with its attributes; what is left open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def cell(value: Any) -> str:
    return "" if value is None else str(value)


def page(num: int = 4, sound: bool = True, tried: Any = (), pictures: bool = True) -> str:
    """A page of `num` classes with three test images each; the last has none."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(num - 1), 3)
    scores = 3 * np.eye(num)[labels] + rng.normal(size=(len(labels), num))
    scores[0] = np.eye(num)[1] * 9  # image 0 is taken for class 1
    names = [NASTY, *(f"class {k}" for k in range(1, num))]
    counts = list(range(10 * num, 0, -10))
    half = num // 2
    cut = {"counts": counts, "head": list(range(half)), "tail": list(range(half, num))}
    groups = [cut["head"], cut["tail"]]
    parts = {name: cut.get(name, []) for name in metrics.PARTS}
    scored = metrics.evaluate(scores, scores, labels, groups, parts, sound).as_dict()
    each = classes.accuracies(scores.argmax(1), labels, num)
    sure = classes.intervals(scores.argmax(1), labels, num)
    ids = range(num)
    columns = zip(ids, ids, names, counts, [0] * num, each, each, sure, strict=True)
    rows = [
        dict(zip(classes.COLUMNS, map(cell, [*row, *interval]), strict=True))
        for *row, interval in columns
    ]
    data = {"name": "own", "images": sum(counts), "classes": names, "imb_type": "none"}
    data |= {"train_images": 1, "val_images": 2, "imb_factor": 1.0, "subset": "x", "seed": 0}
    run = {
        "model": "baseline",
        "method": {"start": "fresh"},
        "seed": 0,
        "precision": "fp32",
        "git": None,
        "git_dirty": False,
        "device": "cpu",
        "instructions": "AVX",
        "threads": 1,
        "versions": {"torch": "2"},
        "training": "t" * 64,
        "files": {"outputs.npz": "o" * 64},
        "partition": {"sha256": "p" * 64},
        "data": {**data, "sha256": "d" * 64},
        "train": {"backbone": "resnet20", "epochs": 2, "milestones": []},
    }
    return report.make(
        *(run, scored, rows, suggest.numbers(cut, [1] * num, rows)),
        rule="concat",
        said=said.say(scores, said.within_group(scores, labels, groups), labels),
        labels=labels,
        pictures=report.Pictures(
            rng.integers(0, 255, (len(labels), 8, 8, 3)).astype(np.uint8),
            [f"<i>/{k}.png" for k in range(len(labels))],
        )
        if pictures
        else None,
        tried=tried,
    )


def test_names_are_escaped() -> None:
    text = page()
    assert "<b>a" not in text
    assert "&lt;b&gt;a &amp; b&lt;/b&gt; $x$ 🦊" in text
    assert "<i>" not in text
    assert 'title="&lt;i&gt;/0.png"' in text
    assert "<figcaption>0.png<" in text


def test_without_pictures_there_are_the_numbers() -> None:
    text = page(pictures=False)
    assert "taken for" in text
    assert "no longer those that are stored" in text
    assert "<img" not in text


def test_nothing_is_fetched_and_nothing_runs() -> None:
    text = page()
    assert "http:" not in text
    assert "https:" not in text
    tags = Tags(text).found
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags}
    sources = [value for _, a in tags for key, value in a.items() if key in ("src", "href")]
    assert sources
    assert all(str(one).startswith(("data:image/", "#")) for one in sources)
    assert all(text.count(f"<{tag}") == text.count(f"</{tag}>") for tag in ("section", "table"))
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags


def test_its_numbers() -> None:
    text = page()
    cards = re.findall(r"<span>([\w ]+)</span><b>([\d.–]+)</b>", text)
    assert dict(cards) == {
        "accuracy": "88.9",
        "balanced accuracy": "88.9",
        "head": "83.3",
        "tail": "100.0",
        "right group": "100.0",
        "within group": "88.9",
    }
    assert "20.8 to 93.9" in text, "the interval of two right of three"
    assert "No test image, and so no figure: class 3." in text
    assert '<span class="soft">1 of 3</span>' in text
    assert 'alt="test image &lt;i&gt;/0.png"' in text
    for mark in "todp":
        assert mark * 64 in text


def test_no_reliability_without_probabilities() -> None:
    assert "mean gap (ECE)" in page()
    text = page(sound=False)
    assert "are no probabilities, so" in text
    assert "mean gap (ECE)" not in text


def test_a_thousand_classes_are_the_worst_and_the_best() -> None:
    text = page(1000)
    assert "The worst 20" in text
    assert text.count('<tr><td class="n">') == 40
    assert "<!-- 1000 -->" in text, "of 10 to 10,000 images, on a scale of numbers"
    assert "mathdefault" not in text


def test_listed_classes_do_not_repeat() -> None:
    rows = [{"class": str(k), "accuracy": str(k)} for k in range(50)]
    (_, worst), (_, best) = report.listed(rows)
    assert [row["class"] for row in worst] == [str(k) for k in range(20)]
    assert [row["class"] for row in best] == [str(k) for k in range(49, 29, -1)]


def test_of_equal_classes_the_more_frequent_is_told_first() -> None:
    rows = [
        {"rank": str(k), "class": f"c{k}", "images": "9", "accuracy": "" if k == 5 else "0.0"}
        for k in range(extremes.MANY)
    ]
    assert extremes.table(rows[1:]) == ""
    told = re.findall(r"c\d+", extremes.table(rows))
    assert told == [f"c{k}" for k in range(41) if k != 5]


def test_the_same_page_again() -> None:
    assert page() == page()


@pytest.mark.parametrize(("shape", "size"), [((8, 8, 1), (8, 8)), ((200, 100, 3), (48, 96))])
def test_thumbnails(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    uri = report.thumbnail(np.full(shape, 7, dtype=np.uint8))
    with Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        assert image.size == size
        assert np.abs(np.asarray(image).astype(int) - 7).max() <= 1


def test_bins_are_those_of_the_ece() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(5, 0.7), size=500)
    labels = rng.integers(5, size=500)
    right = p.argmax(1) == labels
    mean, share, size = report_figures.bins(p.max(1), right)
    gap = 100 * float(np.abs(mean - share) @ size) / 500
    assert gap == pytest.approx(metrics.ece(p.max(1), p.argmax(1) == labels))


def test_confusions_by_hand() -> None:
    labels, answers = np.array([0, 0, 1, 1, 2]), np.array([1, 1, 1, 0, 2])
    images = np.zeros((5, 4, 4, 1), dtype=np.uint8)
    pictures = report.Pictures(images, ["v", "w", "x", "y", "z"])
    found = report.confusions(answers, labels, ["a", "b", "c"], pictures)
    assert [(one["actual"], one["said"], one["num"], one["of"]) for one in found] == [
        ("a", "b", 2, 2),
        ("b", "a", 1, 2),
    ]
    assert [one["name"] for one in found[0]["shown"]] == ["v", "w"]


def test_what_is_the_same_in_all_methods_is_said_once() -> None:
    some = [experiment("ros", 0.0, 60.0), experiment("rus", 0.0, 61.0, evaluate__combine="sum")]
    found = report.methods(experiments.rows(some))
    assert found is not None
    assert found["same"] == ("data digits exp 0.1, profile default, backbone resnet20, epochs 100")
    assert found["header"][:3] == ["model", "rule", "n"]
    assert [row[:4] for row in found["rows"]] == [
        ["ros", "concat", "1", "60.00"],
        ["rus", "sum", "1", "61.00"],
    ]
    assert report.methods([]) is None


def test_confidence_is_drawn_to_the_right_and_what_is_right_upwards() -> None:
    figure = report_figures.reliability(np.array([0.9, 0.9]), np.array([True, False]))
    *_, points = figure.axes[0].collections
    assert points.get_offsets().tolist() == [[90.0, 50.0]]


def test_a_class_is_drawn_with_both_ends_of_its_interval() -> None:
    row = {"accuracy": "50.0", "low": "20.0", "high": "90.0"}
    (axis,) = report_figures.accuracy([row, {**row, "accuracy": "", "low": "", "high": ""}]).axes
    (lines,) = axis.collections
    assert lines.get_segments()[0].tolist() == [[1.0, 20.0], [1.0, 90.0]]
    assert axis.lines[0].get_ydata()[0] == 50.0
