"""Published figures beside ours, at the protocol that they come from."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pandas as pd

from paper.cells import Cells
from paper.study import NEAR
from paper.tables import Row
from paper.wording import with_n

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


def said(cells: Cells) -> list[str]:
    """Say how many of the published figures lie near ours, a sentence each; none if none was run.

    And whether methods come in the same order, where one source has two of them.
    """
    sources = pd.read_csv(FIGURES)["source"].unique()
    rows = [row for row in table(cells) if row["accuracy"].n]
    apart = {
        (source, row["dataset"], row["method"]): (row["accuracy"].mean, row[source])
        for row in rows
        for source in sources
        if row[source] is not None
    }
    if not apart:
        return []
    near = sum(abs(ours - theirs) <= NEAR for ours, theirs in apart.values())
    (source, dataset, method), (ours, theirs) = max(
        apart.items(), key=lambda pair: abs(pair[1][0] - pair[1][1])
    )
    number = len({key[1:] for key in apart})
    of = f"of {number} method{'s' if number > 1 else ''}"
    missing = sum(row[source] is not None for row in table(cells) for source in sources)
    missing -= len(apart)
    pairs = [
        (one[0] - other[0]) * (one[1] - other[1]) > 0
        for (key, one), (other_key, other) in combinations(apart.items(), 2)
        if key[:2] == other_key[:2]
    ]
    return [
        with_n(
            f"{near} of {len(apart)} published figures ({of}) lie within {NEAR:g} points of ours",
            [row["accuracy"] for row in rows],
        )
        + (f"; {missing} more {'is' if missing == 1 else 'are'} to be run" if missing else ""),
        f"farthest is `{method}` on {dataset}, {source}: ours is {abs(ours - theirs):.2f} "
        f"{'above' if ours > theirs else 'below'} it",
        f"of {len(pairs)} pair{'s' if len(pairs) > 1 else ''} of methods in one source, "
        f"{sum(pairs) or 'none'} come{'s' if sum(pairs) == 1 else ''} in the same order here"
        if pairs
        else "",
    ]


def _methods(cells: Cells) -> list[tuple[str, str]]:
    """List the datasets and methods that the grid has at this protocol, run or not."""
    entries = cells.entries.values()
    named = [(e["dataset"], e["model"]) for e in entries if e["variation"] == PROTOCOL]
    return list(dict.fromkeys(named))
