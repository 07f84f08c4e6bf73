"""Figures of report.html, as SVG that stands in the page; grey, as all figures here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from lt.score.figures import NAMED, STYLE, Row, number
from lt.score.metrics import ECE_BINS, bins_of

SIZE = (4.6, 2.9)  # inches: readable on a phone, too
OF_SVG: dict[Any, Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "report",
}  # looks alike wherever it is opened
PROLOGUE = re.compile(r"^.*?(?=<svg )|<metadata>.*?</metadata>", re.DOTALL)
Bins = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def svg(draw: Callable[[], Figure], about: str) -> str:
    """Return a figure as an <svg> element that is as wide as its place.

    Args:
        draw: makes the figure.
        about: what one sees, for those who do not: text without markup.
    """
    with rc_context({**STYLE, **OF_SVG}):
        text = StringIO()
        draw().savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    element = PROLOGUE.sub("", text.getvalue())
    element = re.sub(r' (xmlns|xmlns:xlink)="[^"]*"', "", element)  # HTML knows them
    element = re.sub(r'\bxlink:href="', 'href="', element)
    return re.sub(
        r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{about}">', element
    )


def distribution(rows: Sequence[Row]) -> Figure:
    """Draw the images of each class, the most frequent first.

    Args:
        rows: those of per_class.csv.
    """
    figure, axis = _axis()
    images = [number(row["images"]) for row in rows]
    axis.bar(range(1, len(rows) + 1), images, color="0.35", width=0.8)
    wide = max(images) > 20 * min(images) > 0
    if wide:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))  # no formula, but 100
    axis.set(ylabel="images, training + validation" + " (log)" * wide)
    _ranks(axis, len(rows))
    return figure


def accuracy(rows: Sequence[Row]) -> Figure:
    """Draw the accuracy of each class with its 95 % interval, the most frequent first.

    Args:
        rows: those of per_class.csv; a class without a test image is a gap.
    """
    figure, axis = _axis()
    places = range(1, len(rows) + 1)
    value, low, high = ([number(row[key]) for row in rows] for key in ("accuracy", "low", "high"))
    small = len(rows) > 5 * NAMED
    axis.vlines(places, low, high, color="0.75", linewidth=1 if small else 3)
    axis.plot(places, value, "o", color="0.0", markersize=2 if small else 5)
    axis.set(ylabel="test accuracy (%)", ylim=(-3, 103))
    _ranks(axis, len(rows))
    return figure


def bins(confidence: NDArray[Any], right: NDArray[Any]) -> Bins:
    """Sort answers into equal bins of confidence, as `lt.score.metrics.ece` does.

    Args:
        confidence: (N,) probability of each answer.
        right: (N,) whether it is right.

    Returns:
        of each bin that has an answer: mean confidence, share that is right, and number.
    """
    bin_of = bins_of(confidence, ECE_BINS)
    size = np.bincount(bin_of, minlength=ECE_BINS)
    seen = size > 0
    sums = (np.bincount(bin_of, values, ECE_BINS)[seen] for values in (confidence, right))
    mean, share = (one / size[seen] for one in sums)
    return mean, share, size[seen]


def reliability(confidence: NDArray[Any], right: NDArray[Any]) -> Figure:
    """Draw how often answers of each confidence are right, larger for more answers.

    Args:
        confidence: (N,) probability of each answer.
        right: (N,) whether it is right.
    """
    figure, axis = _axis()
    mean, share, size = bins(confidence, right)
    axis.plot([0, 100], [0, 100], color="0.7", linestyle=":", linewidth=1)
    axis.vlines(100 * mean, 100 * mean, 100 * share, color="0.75", linewidth=2)
    axis.scatter(100 * mean, 100 * share, 12 + 250 * size / size.sum(), color="0.0", zorder=3)
    axis.set(xlabel="confidence (%)", ylabel="right (%)", xlim=(-2, 102), ylim=(-3, 103))
    return figure


def _axis() -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axis = figure.add_subplot()
    axis.grid(axis="y", color="0.93")
    axis.set_axisbelow(True)
    return figure, axis


def _ranks(axis: Axes, num: int) -> None:
    """Write the ranks: the names of classes stand in the page's table."""
    axis.set(xlabel="class rank (1: most images)", xlim=(0.3, num + 0.7))
    if num <= NAMED:
        axis.set_xticks(range(1, num + 1))
    else:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
