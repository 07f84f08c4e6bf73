"""Published figures beside ours, at the protocol that they come from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from paper.cells import Cells
from paper.study import NEAR
from paper.tables import Row
from paper.wording import sentences

# of each figure its dataset, method and source; which these are stands in results.md.j2
FIGURES = Path(__file__).with_name("published.csv")
PROTOCOL = "ldam"
OURS = {name: f"metrics.{name}" for name in ("accuracy", "many", "medium", "few")}


def table(cells: Cells) -> list[Row]:
    """Make a row for each method of the protocol: ours, and a column for each source."""
    figures = pd.read_csv(FIGURES)
    of = {name: dict.fromkeys(figures["source"]) for name in _methods(cells)}
    for dataset, method, source, accuracy in figures.itertuples(index=False):
        if (dataset, method) in of:
            of[dataset, method][source] = accuracy
    return [
        {"dataset": dataset, "method": method} | cells.row(dataset, method, PROTOCOL, OURS) | theirs
        for (dataset, method), theirs in of.items()
    ]


def said(cells: Cells) -> str:
    """Say how many of the published figures lie near ours; "" if none of their cells was run."""
    sources = pd.read_csv(FIGURES)["source"].unique()
    apart = {
        f"`{row['method']}` on {row['dataset']}, {source}": row["accuracy"].mean - row[source]
        for row in table(cells)
        for source in sources
        if row["accuracy"].n and row[source] is not None
    }
    if not apart:
        return ""
    near = sum(abs(points) <= NEAR for points in apart.values())
    far, most = max(apart.items(), key=lambda pair: abs(pair[1]))
    return sentences(
        [
            f"{near} of {len(apart)} published figures lie within {NEAR:g} points of ours",
            f"farthest is {far}: ours is {abs(most):.2f} {'above' if most > 0 else 'below'} it",
        ]
    )


def _methods(cells: Cells) -> list[tuple[str, str]]:
    """List the datasets and methods that the grid has at this protocol, run or not."""
    entries = cells.entries.values()
    named = [(e["dataset"], e["model"]) for e in entries if e["variation"] == PROTOCOL]
    return list(dict.fromkeys(named))
