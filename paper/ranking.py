"""The tables of all methods, beside each other at both protocols."""

from __future__ import annotations

from lt.score.stats import Stat
from paper import tables
from paper.cells import Cells
from paper.contests import BAR, BY_CLASS, CANDIDATES, FALLING, FALLS, SEEDS, Candidate
from paper.tables import Row


def everything(cells: Cells) -> list[Row]:
    """Make the table of question 4: honest accuracy of all methods, with what they cost."""
    return [_honestly(cells, d, one) for d in cells.size["study"] for one in CANDIDATES]


def falling(cells: Cells) -> list[Row]:
    """Make the table of question 4 where lr falls: every method beside the bar, paired by seed."""
    rows = []
    for dataset in cells.size["falling"]:
        bar = BAR.stat(cells, dataset)
        for one in FALLING:
            difference = Stat() if one is BAR else one.stat(cells, dataset) - bar
            row = {"– the bar": difference, "95 % interval": difference.interval_text()}
            row |= {title: one.stat(cells, dataset, name) for name, title in BY_CLASS.items()}
            rows.append(_honestly(cells, dataset, one) | row)
    return rows


def _honestly(cells: Cells, dataset: str, one: Candidate) -> Row:
    title = one.named(cells, dataset) + ("" if one.rule else " (by validation)")
    number = one.stat(cells, dataset).n
    row: Row = {"dataset": dataset, "method": title}
    # some may have been scored before there was this rule, or have no such figure
    row["n"] = cells.seeds(dataset, one.model, one.variation, number)
    for part in tables.PARTS:
        row[part] = one.stat(cells, dataset, part)
    row["validation, balanced"] = one.stat(cells, dataset, "val_balanced")
    for name, unit in (("parameters", 1e6), ("images", 1e6), ("updates", 1e3)):
        cost = cells.stat(dataset, one.model, f"metrics.{name}", one.variation)
        title = f"{name} ({'million' if unit == 1e6 else 'thousand'})"
        row[title] = round(cost.mean / unit, 2) if number else None
    return row


def protocols(cells: Cells) -> list[Row]:
    """Compare the two protocols, on the methods without a split that the grid has at both."""
    rows = []
    for dataset, pair in at_both(cells):
        for protocol, one in zip((SEEDS, FALLS), pair, strict=True):
            row: Row = {"dataset": dataset, "method": one.title, "protocol": protocol}
            n = cells.seeds(dataset, one.model, one.variation)
            rows.append(row | {"n": n, "accuracy": one.stat(cells, dataset)})
    return rows


def at_both(cells: Cells) -> list[tuple[str, tuple[Candidate, Candidate]]]:
    """List what `protocols` compares: a dataset, and a method at the seed's and where lr falls."""
    return [
        (dataset, (one, other))
        for dataset in cells.size["falling"]
        for one in CANDIDATES
        for other in FALLING
        if one.title == other.title and not one.is_split
    ]
