from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from lt.score import figures


def lines(axis: object) -> dict[str, list[tuple[float, float]]]:
    return {
        line.get_label(): [(float(x), float(y)) for x, y in line.get_xydata()]
        for line in axis.get_lines()  # type: ignore[attr-defined]
    }


def test_classes_by_rank() -> None:
    rows = [
        {"class": "cat", "images": "9", "group": "0", "accuracy": "90.0", "within_group": "95.0"},
        {"class": "dog", "images": "3", "group": "1", "accuracy": "10.0", "within_group": "80.0"},
    ]
    (axis,) = figures.by_rank(rows, "title").axes
    drawn = lines(axis)
    assert drawn[figures.HONEST] == [(1, 90), (2, 10)]
    assert drawn[figures.ORACLE] == [(1, 95), (2, 80)]
    assert [x for x, _ in drawn["_child3"]] == [1.5, 1.5]  # the group ends between them
    assert [label.get_text() for label in axis.get_xticklabels()] == ["cat\n9", "dog\n3"]


def test_experiments_have_gaps_where_there_is_no_figure() -> None:
    row = {"name": "ros", "accuracy": 50.0, "head": 80.0, "tail": 20.0, "within_group": 60.0}
    (axis,) = figures.experiments([row, {**row, "name": "a\nb", "tail": None}]).axes
    tail = lines(axis)[f"tail, {figures.HONEST}"]
    assert tail[0] == (20, 0)
    assert np.isnan(tail[1][0])


def test_a_figure_is_the_same_file_again(tmp_path: Path) -> None:
    row = {"class": "cat", "images": "9", "group": "0", "accuracy": "", "within_group": ""}
    for name in ("a.png", "b.png"):
        figures.save(figures.by_rank([row] * 30, "title"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
