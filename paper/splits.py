"""Question 4: which method to choose, and whether a split is ever the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lt.score.stats import Stat
from paper import bar, contests, study
from paper.cells import Cells
from paper.contests import Candidate
from paper.tables import Row
from paper.wording import (
    Answer,
    ahead,
    by_means,
    compared,
    difference,
    how_sure_at_once,
    listed,
    number_ahead,
    sentences,
    span,
    with_n,
)

WITH = "with – without"
BY_TEST = f"{WITH}, by the test set"
OF_OWN = "the best of those whose networks know their own classes alone"
OWN = " and ".join(f"`{name}`" for name in contests.OWN_CLASSES)


@dataclass
class Held:
    """The contests of question 4, by dataset and protocol.

    Attributes:
        rows: the table's.
        differences: the best split less the best without one.
        pairs: the accuracy of these.
        of_own_classes: the same differences, of splits whose networks know their own classes alone.
        unmixed: where mixed images decide, the dataset, and the contest without them.
    """

    rows: list[Row] = field(default_factory=list)
    differences: dict[str, Stat] = field(default_factory=dict)
    pairs: list[tuple[Stat, Stat]] = field(default_factory=list)
    of_own_classes: dict[str, Stat] = field(default_factory=dict)
    unmixed: dict[str, tuple[str, contests.Contest]] = field(default_factory=dict)


def best_split(cells: Cells) -> Answer:
    """Answer question 4, at the seed's protocol and at one whose learning rate falls.

    Each side is chosen on validation images. What a test set has suggested does not compete on it.
    """
    held = _hold_all(cells)
    theirs = "the best method without one"
    said = [
        compared("the best split", theirs, held.differences),
        compared(f"{OF_OWN} ({OWN})", theirs, held.of_own_classes),
    ]
    points = listed(
        [by_means(held.pairs)],
        _by_the_test_set(cells, held.rows),
        _without_mixing(cells, held.unmixed),
        _distilled(cells),
    )
    counts = ahead(held.differences.values())
    counted = f"**{counts}.**" if counts else ""
    return Answer(sentences(said), held.rows, _in_brief(held, counts), counted, points)


def _hold_all(cells: Cells) -> Held:
    held = Held()
    for protocol, dataset, every in contests.each(cells):
        candidates = [one for one in every if one.found_on != dataset]
        found, title = contests.hold(cells, dataset, candidates), f"{dataset} ({protocol})"
        held.differences[title] = found.difference if found else Stat()
        held.of_own_classes[title] = _of_own_classes(cells, dataset, candidates)
        if not found:
            continue
        held.pairs.append((found.split.stat(cells, dataset), found.plain.stat(cells, dataset)))
        row: Row = {"dataset": dataset, "protocol": protocol, "n": found.difference.n or None}
        row |= _of_contest(cells, dataset, found, candidates)
        held.rows.append(row | {BY_TEST: found.by_test})
        others = [one for one in candidates if not one.is_mixed]
        if found.plain.is_mixed != found.split.is_mixed and (
            again := contests.hold(cells, dataset, others)
        ):
            held.unmixed[title] = dataset, again
    return held


def _in_brief(held: Held, counts: str) -> str:
    """Say in how many contests the split is ahead, and what that hangs on."""
    parts = [with_n(counts, held.differences.values())]
    own = [stat for stat in held.of_own_classes.values() if stat.n]
    if own:
        parts.append(f"{OF_OWN.capitalize()} is ahead in {number_ahead(own)} of {len(own)}")
    by_test = [row[BY_TEST] for row in held.rows]
    otherwise = number_ahead(by_test)
    if otherwise != number_ahead([stat for stat in held.differences.values() if stat.n]):
        counted = with_n(f"in {otherwise}", by_test)
        parts.append(f"With both sides chosen on the test set, {counted}")
    if held.unmixed:
        where = " and ".join(held.unmixed)
        parts.append(f"On {where}, one side alone is trained on mixed images (mixup)")
    return ". ".join(parts)


def _of_contest(
    cells: Cells, dataset: str, found: contests.Contest, candidates: Sequence[Candidate]
) -> Row:
    """Make the columns of a contest: who competed, who was chosen, and by how much one is ahead."""
    run = ([one for one in s if one.stat(cells, dataset).n] for s in contests.sides(candidates))
    of_methods = [
        len({(one.model, one.variation) for one in some})  # several may differ in the rule only
        for some in (*run, candidates)
    ]
    row: Row = {"run: without, with, of": ", ".join(map(str, of_methods))}
    names = ("without a split", "accuracy"), ("with one", "its accuracy")
    for (title, figure), one in zip(names, (found.plain, found.split), strict=True):
        row |= {title: one.named(cells, dataset), figure: one.stat(cells, dataset)}
    return row | difference(WITH, found.difference)


def _of_own_classes(cells: Cells, dataset: str, candidates: Sequence[Candidate]) -> Stat:
    """Compare the best split whose networks know their own classes alone with what has no split."""
    some = [one for one in candidates if not one.is_split or one.model in contests.OWN_CLASSES]
    found = contests.hold(cells, dataset, some)
    return found.difference if found else Stat()


def _by_the_test_set(cells: Cells, rows: Sequence[Row]) -> list[str]:
    """Say what a choice on the test set would have given, and where that differs most."""
    by_test = [row[BY_TEST].mean for row in rows if row[BY_TEST].n]
    if not by_test:
        return []
    apart = f"with both sides chosen on the test set, the difference is {span(by_test)} points"
    return [apart, _roughest(cells, rows)]


def _roughest(cells: Cells, rows: Sequence[Row]) -> str:
    """Say where the choice on validation images and that on the test set differ most."""
    apart = [(abs((row[WITH] - row[BY_TEST]).mean), row) for row in rows if row[WITH].n]
    if not apart:
        return ""
    points, row = max(apart, key=lambda pair: pair[0])
    facts = cells.datasets[row["dataset"]]
    if not points or not facts:
        return ""
    fewest = min(count for count in facts["val_counts"] if count)
    images = f"{fewest} validation image{'s' if fewest > 1 else ''}"
    return (
        f"the two choices are farthest apart on {row['dataset']} ({row['protocol']}): one class "
        f"has {images} there, and each class counts the same in the choice"
    )


def _without_mixing(cells: Cells, unmixed: Mapping[str, tuple[str, contests.Contest]]) -> list[str]:
    """Say what is left of the contests that mixed images decide, without them."""
    if not unmixed:
        return []
    by_test = [one.by_test.mean for _, one in unmixed.values()]
    return [
        f"on {' and '.join(unmixed)}, one side is trained on mixed images (mixup), and the other "
        "is not",
        *(
            compared(
                f"without mixed images, the best split is {one.split.named(cells, dataset)}; it",
                f"the best method without one ({one.plain.named(cells, dataset)})",
                {title: one.difference},
            )
            for title, (dataset, one) in unmixed.items()
        ),
        f"with both sides of these chosen on the test set, the difference is {span(by_test)} "
        "points",
    ]


def _distilled(cells: Cells) -> list[str]:
    """Compare one network that learns from the split's with a baseline of the same clipping."""
    pairs = {
        dataset: (
            cells.stat(dataset, "distill", "metrics.accuracy"),
            cells.stat(dataset, "baseline", "metrics.accuracy", study.CLIPPED),
        )
        for dataset in cells.size["study"]
    }
    said = compared(
        "one network distilled from the split (`distill`)",
        "a baseline with the same clipping",
        {dataset: one - base for dataset, (one, base) in pairs.items()},
    )
    return [said, by_means(pairs.values())]


def beside_the_bar(cells: Cells) -> Answer:
    """Compare pairs of networks with the bar, and soft splits with their control.

    A control is built as the soft split is, without a lean; not every one has been given one.
    """
    rows = bar.of_the_page(cells)
    leaning = {
        f"{one.title}, {dataset}": one.stat(cells, dataset) - one.control.stat(cells, dataset)
        for one in bar.soft_splits()
        if one.control
        for dataset in cells.size["falling"]
        if one.found_on != dataset
    }
    said = [
        compared("a soft split, where the test set did not suggest it,", "its control", leaning),
        _of_the_claims_seeds(cells),
        *_how_many_are_sure(rows),
    ]
    return Answer(sentences(said), rows)


def _of_the_claims_seeds(cells: Cells) -> str:
    """Say how the soft split of the claim compares with its control on the claim's own seeds."""
    (_, of_the_lean, _), dataset = bar.confirmed(cells, ()), cells.size["confirm"]
    return compared(
        f"on the seeds of the claim below, `{of_the_lean['this']}`",
        "its control",
        {dataset: of_the_lean["accuracy"]},
    )


def _how_many_are_sure(rows: Sequence[Row]) -> list[str]:
    """Say how many of the differences exclude zero, and how many when all are tested at once."""
    several = [row for row in rows if row["n"] > 1]
    said = how_sure_at_once(
        {
            f"{row['this']} less {row['compared with']} on {row['dataset']}": row["accuracy"]
            for row in several
        }
    )
    if not said:
        return []
    of_the_bar = sum(bar.BAR.title in (row["this"], row["compared with"]) for row in several)
    return [
        *said,
        f"{of_the_bar} of the {len(several)} share the bar's trainings" if of_the_bar > 1 else "",
        "further seeds were often run after a look at the first, so even the corrected count is no "
        "proof",
    ]
