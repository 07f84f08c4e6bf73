"""The questions of the study, each answered in a few sentences and a small table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lt.score.stats import Stat
from paper import claim, contests, luck, splits, study
from paper.cells import Cells
from paper.contests import Candidate, best, best_on_test
from paper.study import FITTED
from paper.tables import PARTS, Row
from paper.wording import (
    NOTHING,
    Answer,
    ahead,
    by_means,
    compared,
    difference,
    listed,
    sentences,
    span,
    with_n,
)

OWN_BATCHES = "batches of the group's own images"


def within(cells: Cells) -> Answer:
    """Answer question 1, the true group given on both sides."""
    points: list[str] = []
    splits: dict[tuple[str, ...], list[dict[str, Stat]]] = {}  # its differences from each control
    for ours, control, besides in study.PAIRS.values():
        total: dict[str, Stat] = {}
        for dataset in study.paired(cells, ours, control):
            parts = {
                part: study.within_difference(cells, dataset, ours, control, part) for part in PARTS
            }
            total[dataset] = parts["accuracy"]
            if total[dataset].n:
                splits.setdefault((dataset, *ours), []).append(parts)
        if text := compared(f"`{_name(ours)}`", f"`{_name(control)}`", total, "dataset"):
            points.append(sentences([text, f"the two differ in {besides}"]))
    if not splits:
        return Answer(NOTHING, [])
    counts, head, tail = (
        ahead([_least([of[part] for of in each]) for each in splits.values()], "split")
        for part in PARTS
    )
    every = [of["accuracy"] for each in splits.values() for of in each]
    twice = len(every) - len(splits)
    said = [
        f"on the head alone, {_lower(head)}",
        f"on the tail alone, {_lower(tail)}",
        f"{twice} of the splits are compared with two controls each, and count as ahead if they "
        "are ahead of both"
        if twice
        else "",
        _learned_nothing(cells),
    ]
    return Answer(
        sentences(said),
        _within_rows(cells),
        brief=with_n(counts, every),
        counts=f"**{counts}.**",
        points=tuple(points),
    )


def _least(differences: Sequence[Stat]) -> Stat:
    """Return the smallest: what has several controls is ahead if it is ahead of all."""
    return min(differences, key=lambda difference: difference.mean)


def _lower(text: str) -> str:
    return f"{text[0].lower()}{text[1:]}"


def _within_rows(cells: Cells) -> list[Row]:
    """Make the table of question 1; `lws_joint` is left to the full one."""
    rows = []
    for dataset in cells.size["main"]:
        for ours, control, _ in study.PAIRS.values():
            total, head, tail = (
                study.within_difference(cells, dataset, ours, control, part) for part in PARTS
            )
            if not total.n or control[0] != "baseline":
                continue
            row: Row = {"dataset": dataset, "n": total.n}
            for column, one in (("split", ours), ("control", control)):
                model, variation = one
                row[column] = _name(one)
                given = cells.stat(dataset, model, "metrics.within_group.accuracy", variation)
                row[f"{column}, group given"] = given.over(total.by_seed)
            row |= difference("split – control", total)
            row |= {"on the head": head, "on the tail": tail}
            images = study.tail_in_batch(cells, dataset, *ours)
            rows.append(row | {"tail images in a batch": images and f"{images:.1f}"})
    return rows


def _learned_nothing(cells: Cells) -> str:
    """Say where the tail network of `split_lws` is at chance; "" for nowhere."""
    rows = study.at_chance(cells)
    where, tails, chances = (
        " and ".join(format(row[key], spec) for row in rows)
        for key, spec in (("dataset", ""), ("tail", ""), ("chance", ".2f"))
    )
    if not rows:
        return ""
    return (
        f"on {where} the tail network of `split_lws` has learned next to nothing: it has {tails} "
        f"on the tail, where chance has {chances}"
    )


def _name(one: tuple[str, str]) -> str:
    return " ".join(filter(None, one))


def rules(cells: Cells) -> Answer:
    """Answer question 2: what is left of the oracle without a label."""
    rows, lost, lost_by_base = [], [], []
    by_fitted, by_best = {}, {}
    any_rule = Candidate("split_lws", True, "split_lws", rule=None)
    for dataset in cells.size["main"]:
        oracle, base_given = (
            cells.stat(dataset, model, "metrics.within_group.accuracy")
            for model in ("split_lws", "baseline")
        )
        concat, fitted = (
            cells.stat(dataset, "split_lws", f"rules.{rule}.accuracy")
            for rule in ("concat", FITTED)
        )
        base = cells.stat(dataset, "baseline", "metrics.accuracy")
        by_fitted[dataset] = fitted - base
        by_best[dataset] = best_on_test(cells, dataset, [any_rule]) - base
        if fitted.n:
            lost.append((oracle - fitted).mean)
            row = {"dataset": dataset, "n": fitted.n, "group given": oracle}
            row |= {"concat": concat, FITTED: fitted, "baseline": base}
            rows.append(row | difference(f"{FITTED} – baseline", by_fitted[dataset]))
        if base.n:
            lost_by_base.append((base_given - base).mean)
    if not lost:
        return Answer(NOTHING, [])
    least = rows[lost.index(min(lost))]["dataset"]
    said = [
        compared(f"`split_lws` with {FITTED}", "`baseline`", by_fitted, "dataset"),
        f"{FITTED} is a rule that is fitted on validation images, and may shift the groups against "
        "each other; the classes of the one network are not shifted",
        compared(
            "with the rule that is best on the test set (not an offset, nor `unlabelled`), it",
            "`baseline`",
            by_best,
            "dataset",
        ),
    ]
    losses = [
        f"from the figure with the group given to {FITTED}, `split_lws` loses {span(lost)} points",
        f"it loses least on {least}, where its tail network is at chance and has nothing to lose"
        if least in {row["dataset"] for row in study.at_chance(cells)}
        else "",
        f"the baseline, not told the group, loses {span(lost_by_base)}" if lost_by_base else "",
    ]
    brief = f"`split_lws` with {FITTED} is ahead of `baseline` {_lower(ahead(by_fitted.values()))}"
    brief = with_n(brief, by_fitted.values())
    own, least = _with_own_batches(cells)
    if least:
        counts = with_n(_lower(ahead(least)), least)
        brief += f". With {OWN_BATCHES}, a split with {FITTED} is ahead of its controls {counts}"
    pairs, _ = _rests(cells)
    if gains := [one - base for one, base in pairs.values() if (one - base).n]:
        counts = with_n(_lower(ahead(gains)), gains)
        brief += f". With a class for the rest (`split_rest`), {counts}"
    points = listed(own, losses, _with_rest(cells))
    return Answer(sentences(said), rows, brief=brief, points=points)


def _with_own_batches(cells: Cells) -> tuple[list[str], list[Stat]]:
    """Compare splits with batches of the group's own images with the controls of question 1.

    Returns:
        what to say, and of each split the smallest of its differences.
    """
    said: list[str] = []
    splits: dict[tuple[str, ...], list[Stat]] = {}
    for ours, control, _ in study.PAIRS.values():
        if ours[1] != "own":
            continue
        gains = {
            dataset: cells.stat(dataset, ours[0], f"rules.{FITTED}.accuracy", ours[1])
            - cells.stat(dataset, control[0], "metrics.accuracy", control[1])
            for dataset in study.paired(cells, ours, control)
        }
        what = f"`{_name(ours)}` with {FITTED}"
        said.append(compared(what, f"`{_name(control)}`", gains, "dataset"))
        for dataset, gain in gains.items():
            if gain.n:
                splits.setdefault((dataset, *ours), []).append(gain)
    return said, [_least(each) for each in splits.values()]


def _with_rest(cells: Cells) -> list[str]:
    """Say how the best `split_rest` compares with the clipped baseline, and what it costs."""
    pairs, costs = _rests(cells)
    gains = {dataset: one - base for dataset, (one, base) in pairs.items()}
    moves = _moves(cells, [dataset for dataset, gain in gains.items() if gain.n])
    return [
        compared(
            "with a class for the rest, a split (`split_rest`, thinning and rule chosen on "
            "validation)",
            f"`baseline {study.CLIPPED}`",
            gains,
            "dataset",
        ),
        by_means(pairs.values()),
        f"it shows {span(costs)} times as many images in training" if costs else "",
        f"from one random seed to another, that baseline alone moves there by {span(moves)} points"
        if moves
        else "",
    ]


def _rests(cells: Cells) -> tuple[dict[str, tuple[Stat, Stat]], list[float]]:
    """Find the best `split_rest` by validation, beside the clipped baseline, by dataset.

    Returns:
        the accuracy of both, and how many times as many images the first shows in training.
    """
    every = [one for one in contests.CANDIDATES if one.model == "split_rest"]
    pairs: dict[str, tuple[Stat, Stat]] = {}
    costs = []
    for dataset in cells.size["study"]:
        one = best(cells, dataset, every)
        base = cells.stat(dataset, "baseline", "metrics.accuracy", study.CLIPPED)
        pairs[dataset] = (one.stat(cells, dataset) if one else Stat()), base
        if one and (pairs[dataset][0] - base).n:
            shown = cells.stat(dataset, one.model, "metrics.images", one.variation)
            own = cells.stat(dataset, "baseline", "metrics.images", study.CLIPPED)
            costs.append(shown.mean / own.mean)
    return pairs, costs


def _moves(cells: Cells, datasets: Sequence[str]) -> list[float]:
    """Return by how much the clipped baseline moves from seed to seed, where it has several."""
    stats = [
        cells.stat(dataset, "baseline", "metrics.accuracy", study.CLIPPED) for dataset in datasets
    ]
    return [stat.range for stat in stats if stat.n > 1]


ANSWERS: dict[str, Callable[[Cells], Answer]] = {
    "within": within,
    "rules": rules,
    "left_open": luck.left_open,
    "best_split": splits.best_split,
    "beside_the_bar": splits.beside_the_bar,
    "confirmed": claim.confirmed,
}
