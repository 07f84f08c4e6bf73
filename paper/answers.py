"""The questions of the study, each answered in a few sentences and a small table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lt.score.stats import Stat
from paper import bar, contests, luck, study
from paper.cells import Cells
from paper.contests import Candidate, best, best_on_test
from paper.study import FITTED
from paper.tables import PARTS, Row
from paper.wording import (
    NOTHING,
    Answer,
    ahead,
    compared,
    holm,
    interval,
    number_ahead,
    sentences,
    span,
    with_n,
)

WITH = "with – without"
BY_TEST = f"{WITH}, by the test set"


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
        ahead([min((of[part] for of in each), key=_mean) for each in splits.values()], "split")
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


def _mean(difference: Stat) -> float:
    return difference.mean


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
            row |= _difference("split – control", total)
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
            row |= {"concat": concat, FITTED: fitted, "baseline": base.over(fitted.by_seed)}
            rows.append(row | _difference(f"{FITTED} – baseline", by_fitted[dataset]))
        if base.n:
            lost_by_base.append((base_given - base).mean)
    if not lost:
        return Answer(NOTHING, [])
    chance = {row["dataset"] for row in study.at_chance(cells)}
    rests, moves = _rests(cells), _moves(cells)
    least = rows[lost.index(min(lost))]["dataset"]
    said = [
        compared(f"`split_lws` with {FITTED}", "`baseline`", by_fitted, "dataset"),
        f"{FITTED} is a rule that is fitted on validation images",
        compared(
            "with the rule that is best on the test set, it", "`baseline`", by_best, "dataset"
        ),
        f"from the figure with the group given to {FITTED}, `split_lws` loses {span(lost)} points",
        f"it loses least on {least}, where its tail network is at chance and has nothing to lose"
        if least in chance
        else "",
        f"the baseline, not told the group, loses {span(lost_by_base)}" if lost_by_base else "",
        compared(
            "with a class for the rest, a split (`split_rest`, thinning and rule chosen on "
            "validation)",
            f"`baseline {study.CLIPPED}`",
            rests,
            "dataset",
        ),
        f"from seed to seed, that baseline alone moves by {span(moves)} points"
        if moves and any(one.n for one in rests.values())
        else "",
    ]
    brief = f"`split_lws` is ahead of one network {ahead(by_fitted.values()).lower()}"
    return Answer(sentences(said), rows, brief=with_n(brief, by_fitted.values()))


def _rests(cells: Cells) -> dict[str, Stat]:
    """Return what the best `split_rest` by validation has less a baseline clipped as it is."""
    every = [one for one in contests.CANDIDATES if one.model == "split_rest"]
    return {
        dataset: (one.stat(cells, dataset) if (one := best(cells, dataset, every)) else Stat())
        - cells.stat(dataset, "baseline", "metrics.accuracy", study.CLIPPED)
        for dataset in cells.size["study"]
    }


def _moves(cells: Cells) -> list[float]:
    """Return by how much the clipped baseline moves from seed to seed, where it has several."""
    stats = [
        cells.stat(dataset, "baseline", "metrics.accuracy", study.CLIPPED)
        for dataset in cells.size["study"]
    ]
    return [stat.range for stat in stats if stat.n > 1]


def best_split(cells: Cells) -> Answer:
    """Answer question 4, at the seed's protocol and at one whose learning rate falls.

    Each side is chosen on validation images. What a test set has suggested does not compete on it.
    """
    rows: list[Row] = []
    differences: dict[str, Stat] = {}
    unmixed: dict[str, contests.Contest] = {}  # where mixed images decide, the contest without them
    for protocol, dataset, every in contests.each(cells):
        candidates = [one for one in every if one.found_on != dataset]
        found, title = contests.hold(cells, dataset, candidates), f"{dataset} ({protocol})"
        differences[title] = found.difference if found else Stat()
        if not found:
            continue
        row: Row = {"dataset": dataset, "protocol": protocol, "n": found.difference.n or None}
        row |= _of_contest(cells, dataset, found, candidates)
        rows.append(row | {BY_TEST: found.by_test})
        others = [one for one in candidates if not one.is_mixed]
        if found.plain.is_mixed != found.split.is_mixed and (
            again := contests.hold(cells, dataset, others)
        ):
            unmixed[title] = again
    counts = ahead(differences.values())
    by_test = [row[BY_TEST].mean for row in rows if row[BY_TEST].n]
    said = [
        compared("the best split", "the best method without one", differences),
        f"with both sides chosen on the test set, the difference is {span(by_test)} points"
        if by_test
        else "",
        _roughest(cells, rows),
        *_without_mixing(unmixed),
        _distilled(cells),
    ]
    brief = with_n(counts, differences.values())
    otherwise = number_ahead([row[BY_TEST] for row in rows])
    if otherwise != number_ahead([stat for stat in differences.values() if stat.n]):
        brief += f", and in {otherwise} with both sides chosen on the test set"
    if unmixed:
        brief += f"; in {len(unmixed)}, one side alone is trained on mixed images (mixup)"
    return Answer(sentences(said), rows, brief=brief, counts=f"**{counts}.**" if counts else "")


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
        stat = one.stat(cells, dataset)
        if found.difference.n:
            stat = stat.over(found.difference.by_seed.keys())
        row |= {title: one.named(cells, dataset), figure: stat}
    return row | _difference(WITH, found.difference)


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


def _without_mixing(unmixed: Mapping[str, contests.Contest]) -> list[str]:
    """Say what is left of the contests that mixed images decide, without them."""
    if not unmixed:
        return []
    differences = {title: one.difference for title, one in unmixed.items()}
    by_test = [one.by_test.mean for one in unmixed.values()]
    return [
        f"on {' and '.join(unmixed)}, one side is trained on mixed images (mixup), and the other "
        "is not",
        compared(
            "without mixed images, the best split", "the best method without one", differences
        ),
        f"with both sides of these chosen on the test set, the difference is {span(by_test)} "
        "points",
    ]


def _distilled(cells: Cells) -> str:
    """Compare one network that learns from the split's with a baseline of the same clipping."""
    differences = {
        dataset: cells.stat(dataset, "distill", "metrics.accuracy")
        - cells.stat(dataset, "baseline", "metrics.accuracy", study.CLIPPED)
        for dataset in cells.size["study"]
    }
    return compared(
        "one network distilled from the split (`distill`)",
        "a baseline that is clipped as it is",
        differences,
    )


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
        compared("a soft split that its test set did not suggest", "its control", leaning),
        *_how_many_are_sure(rows),
    ]
    return Answer(sentences(said), rows)


def _how_many_are_sure(rows: Sequence[Row]) -> list[str]:
    """Say how many of the differences exclude zero, and how many when all are tested at once."""
    several = [row for row in rows if row["n"] > 1]
    if len(several) < 2:
        return []
    stats = [row["accuracy"] for row in several]
    sure = sum(low > 0 or high < 0 for low, high in filter(None, (s.interval() for s in stats)))
    left = [several[k] for k in holm(stats)]
    names = " and ".join(f"{r['this']} less {r['compared with']} on {r['dataset']}" for r in left)
    of_the_bar = sum(bar.BAR.title in (row["this"], row["compared with"]) for row in several)
    return [
        f"{len(several)} of the differences have an interval, and {sure or 'none'} of these "
        f"exclude{'s' if sure == 1 else ''} zero; by chance, one in twenty would",
        f"tested all at once (Holm's correction), {len(left) or 'none'} of them "
        f"{'is' if len(left) == 1 else 'are'} left{f': {names}' if left else ''}",
        f"{of_the_bar} of them share the bar's trainings" if of_the_bar > 1 else "",
        "further seeds were often run after a look at the first",
    ]


def _difference(title: str, difference: Stat) -> Row:
    return {title: difference, "95 % interval": interval(difference)}


ANSWERS: dict[str, Callable[[Cells], Answer]] = {
    "within": within,
    "rules": rules,
    "left_open": luck.left_open,
    "best_split": best_split,
    "beside_the_bar": beside_the_bar,
}
