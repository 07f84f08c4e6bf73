"""Figures of a run and of the experiments tried so far, readable in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 150,
    "text.parse_math": False,  # a dollar in a name is one
}
NAMED = 20  # classes, up to which each stands at the axis by its name
HONEST, ORACLE = "no label used", "true group given"
Row = Mapping[str, Any]


def by_rank(rows: Sequence[Row], title: str) -> Figure:
    """Draw the accuracy of each class, the most frequent first, with and without the group.

    Args:
        rows: those of per_class.csv, in its order; an accuracy is None where there is no image.
        title: of the figure.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axis = figure.add_subplot()
        places = range(1, len(rows) + 1)
        honest = [number(row["accuracy"]) for row in rows]
        oracle = [number(row["within_group"]) for row in rows]
        axis.vlines(places, honest, oracle, color="0.8", linewidth=1)
        axis.plot(places, oracle, "s", color="0.55", markersize=4, label=ORACLE, fillstyle="none")
        axis.plot(places, honest, "o", color="0.0", markersize=4, label=HONEST)
        groups = [row["group"] for row in rows]
        for place in places[1:]:
            if groups[place - 1] != groups[place - 2]:
                axis.axvline(place - 0.5, color="0.6", linewidth=0.8, linestyle=":")
        axis.set(title=title, ylabel="test accuracy (%)", ylim=(-3, 103))
        if len(rows) <= NAMED:
            shown = [drawable(row["class"], place) for place, row in enumerate(rows, 1)]
            names = [f"{name}\n{row['images']}" for name, row in zip(shown, rows, strict=True)]
            axis.set_xticks(list(places), names, rotation=0 if max(map(len, names)) < 12 else 30)
            axis.set_xlabel("class, and its training images; dotted: where a group ends")
        else:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.set_xlabel("class rank (1: most training images); dotted: where a group ends")
        figure.legend(loc="outside upper right", ncols=2, frameon=False)
        return figure


def experiments(rows: Sequence[Row]) -> Figure:
    """Draw a line per kind of experiment: accuracy, head and tail, and accuracy in the true group.

    Args:
        rows: a dict per line, with "name", and "accuracy", "head", "tail" and "within_group" in
            percent, None where there is none; means over seeds.
    """
    with rc_context(STYLE):
        lines = sum(1 + str(row["name"]).count("\n") for row in rows)
        figure = Figure(figsize=(7, 1.3 + 0.15 * (lines + len(rows))), layout="constrained")
        axis = figure.add_subplot()
        places = range(len(rows))
        head, tail = ([number(row[key]) for row in rows] for key in ("head", "tail"))
        axis.hlines(places, tail, head, color="0.8", linewidth=1)
        for key, label, marker, color, fill in (
            ("tail", f"tail, {HONEST}", "<", "0.55", "full"),
            ("head", f"head, {HONEST}", ">", "0.55", "full"),
            ("within_group", f"all, {ORACLE}", "s", "0.3", "none"),
            ("accuracy", f"all, {HONEST}", "o", "0.0", "full"),
        ):
            values = [number(row[key]) for row in rows]
            style = {"color": color, "markersize": 5, "fillstyle": fill}
            axis.plot(values, places, marker, label=label, **style)  # type: ignore[arg-type]
        axis.set_yticks(list(places), [str(row["name"]) for row in rows])
        axis.set(xlabel="test accuracy (%)", xlim=(-2, 102), ylim=(len(rows) - 0.5, -0.5))
        axis.grid(axis="y", color="0.95")
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        return figure


def drawable(name: str, rank: int) -> str:
    """Return the name of a class, or its rank where matplotlib's font may lack a glyph."""
    known = name.isprintable() and all(ord(letter) < 0x250 for letter in name)
    return name if known else f"#{rank}"


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, the same bytes for the same figure."""
    figure.savefig(path, format="png", metadata={"Software": None})


def number(value: Any) -> float:
    """Return a cell of a table as a number, NaN where it is empty."""
    return float("nan") if value in (None, "") else float(value)
