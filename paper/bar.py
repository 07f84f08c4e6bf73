"""Pairs of networks, where lr falls, beside the bar and beside their control, paired by seed.

There is a bar for networks that are trained on mixed images, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lt.score.stats import Stat
from paper import contests
from paper.cells import Cells
from paper.contests import BY_CLASS, Candidate, with_offset
from paper.tables import Row

BAR = replace(contests.BAR, title="the bar")
MIXED_BAR = replace(contests.MIXED_BAR, title="the bar, mixup")
CONTROL = replace(contests.CONTROL, title="soft_split, lean 0")
PARTS = {"head": "head", "tail": "tail", **BY_CLASS}
OF_THE_PAGE = ("head", "tail", "few", "macro_f1")


def soft_splits() -> list[Candidate]:
    """Return those pairs of networks that are built on the split."""
    return [one for one in contests.PAIRS_OF_NETWORKS if one.is_split]


def bar_of(one: Candidate) -> Candidate:
    """Return the bar whose images are mixed if its are, and only then."""
    return MIXED_BAR if one.is_mixed else BAR


def control_of(one: Candidate) -> Candidate | None:
    """Return its control, by the title that it has in these tables; None if it has none."""
    return CONTROL if one.control is contests.CONTROL else one.control


def differences(cells: Cells) -> list[Row]:
    """Make a row for each two that are compared, with all parts of the classes."""
    pairs = [*_plain(), *_shifted()]
    return [_row(cells, d, *pair, PARTS) for d in cells.size["falling"] for pair in pairs]


def confirmed(cells: Cells, parts: Iterable[str] = PARTS) -> list[Row]:
    """Make a row for each two of what was said beforehand, on seeds of its own."""
    return [_row(cells, cells.size["confirm"], *pair, parts) for pair in contests.CONFIRMED]


def of_the_page(cells: Cells) -> list[Row]:
    """Make a short row for each two that were run and are not shifted after training."""
    rows = [_row(cells, d, *p, OF_THE_PAGE) for d in cells.size["falling"] for p in _plain()]
    return [row for row in rows if row["n"]]


def _plain() -> list[tuple[Candidate, Candidate]]:
    balpoe, even = contests.BALPOE, contests.EVEN_BALPOE
    pairs = [(MIXED_BAR, BAR), (CONTROL, BAR)]
    for one in soft_splits():
        pairs.append((one, bar_of(one)))
        if one.is_mixed:
            pairs.append((one, BAR))
        if control := control_of(one):
            pairs.append((one, control))
    for one in (balpoe, even):
        pairs += [(one, bar_of(one)), (one, BAR)]
    return [*pairs, (balpoe, even)]


def _shifted() -> list[tuple[Candidate, Candidate]]:
    group, prior = with_offset(BAR, "group"), with_offset(BAR, "prior")
    others = [CONTROL, *soft_splits(), contests.BALPOE, contests.EVEN_BALPOE]
    by_prior = [(with_offset(one, "prior"), with_offset(bar_of(one), "prior")) for one in others]
    return [(group, BAR), (prior, BAR), (group, prior), *by_prior]


def _row(cells: Cells, dataset: str, one: Candidate, other: Candidate, parts: Iterable[str]) -> Row:
    """Return what one has less the other."""

    def difference(name: str) -> Stat:
        return one.stat(cells, dataset, name) - other.stat(cells, dataset, name)

    accuracy = difference("accuracy")
    row: Row = {"dataset": dataset, "n": accuracy.n or None}
    row |= {"this": one.named(cells, dataset), "compared with": other.title}
    row |= {"accuracy": accuracy, "95 % interval": accuracy.interval_text()}
    return row | {PARTS[name]: difference(name) for name in parts}
