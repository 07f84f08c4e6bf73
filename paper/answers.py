"""The questions of the study, each answered in a few sentences and a small table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lt.score.stats import Stat
from paper import bar, contests, study, tables
from paper.cells import Cells
from paper.contests import Candidate, best, best_on_test
from paper.study import FITTED
from paper.tables import PARTS, Row
from paper.wording import (
    NOT_RUN,
    NOTHING,
    ahead,
    compared,
    interval,
    number_ahead,
    sentences,
    span,
    with_n,
)

BY_TEST = "with – without, by the test set"


@dataclass(frozen=True)
class Answer:
    """What is known of a question.

    Attributes:
        said: a sentence or two.
        points: what is said of each comparison, a sentence or two each.
        rows: the numbers, a row for each dataset or comparison; empty if nothing was run.
        brief: the answer in a few words, with the number of seeds.
        counts: in how many comparisons it is yes; "" if the question is not one of yes or no.
    """

    said: str
    rows: Sequence[Row]
    brief: str = NOT_RUN
    counts: str = ""
    points: Sequence[str] = ()


def within(cells: Cells) -> Answer:
    """Answer question 1, the true group given on both sides."""
    points: list[str] = []
    won: dict[str, list[Stat]] = {part: [] for part in PARTS}
    splits: dict[tuple[str, ...], list[Stat]] = {}  # the differences of each in total
    for ours, control, besides in study.PAIRS.values():
        total: dict[str, Stat] = {}
        for dataset in study.paired(cells, ours, control):
            parts = [study.within_difference(cells, dataset, ours, control, p) for p in PARTS]
            total[dataset] = parts[0]
            if parts[0].n:
                splits.setdefault((dataset, *ours), []).append(parts[0])
                for part, difference in zip(PARTS, parts, strict=True):
                    won[part].append(difference)
        if text := compared(f"`{_name(ours)}`", f"`{_name(control)}`", total):
            points.append(sentences([text, f"the two differ in {besides}"]))
    if not splits:
        return Answer(NOTHING, [])
    counts = ahead([min(of, key=lambda stat: stat.mean) for of in splits.values()], "split")
    number, twice = len(won["accuracy"]), len(won["accuracy"]) - len(splits)
    said = [
        f"{twice} of the splits are compared with two controls each, so that there are {number} "
        "comparisons"
        if twice
        else "",
        f"on the head alone, the split is ahead in {number_ahead(won['head'])} of {number}, on the "
        f"tail in {number_ahead(won['tail'])}",
        _learned_nothing(cells),
    ]
    return Answer(
        sentences(said),
        _within_rows(cells),
        brief=with_n(counts, won["accuracy"]),
        counts=f"**{counts}.**",
        points=tuple(points),
    )


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
    least = rows[lost.index(min(lost))]["dataset"]
    said = [
        compared(f"`split_lws` with {FITTED}", "`baseline`", by_fitted),
        f"{FITTED} is a rule that is fitted on validation images",
        compared("with the rule that is best on the test set, it", "`baseline`", by_best),
        f"from the figure with the group given to {FITTED}, `split_lws` loses {span(lost)} points",
        f"it loses least on {least}, where its tail network is at chance and has nothing to lose"
        if least in chance
        else "",
        f"the baseline, not told the group, loses {span(lost_by_base)}" if lost_by_base else "",
        compared(
            "with a class for the rest, a split (`split_rest`, thinning and rule chosen on "
            "validation)",
            "`baseline`",
            _rests(cells),
        ),
    ]
    brief = f"`split_lws` is ahead of one network {ahead(by_fitted.values()).lower()}"
    return Answer(sentences(said), rows, brief=with_n(brief, by_fitted.values()))


def _rests(cells: Cells) -> dict[str, Stat]:
    """Return what the best `split_rest` by validation has less the baseline, by dataset."""
    every = [one for one in contests.CANDIDATES if one.model == "split_rest"]
    return {
        dataset: (one.stat(cells, dataset) if (one := best(cells, dataset, every)) else Stat())
        - cells.stat(dataset, "baseline", "metrics.accuracy")
        for dataset in cells.size["study"]
    }


def left_open(cells: Cells) -> Answer:
    """Answer question 3: of each comparison that was run, the lowest and the highest figure."""
    theirs = [row["ours – the seed's"] for row in study.beside_the_seed(cells)]
    run = [stat for stat in theirs if stat.n]
    near = sum(abs(stat.mean) <= study.NEAR for stat in run)
    said = _agreement(cells, near, len(run), len(theirs)) if run else []
    brief = f"{near} of {len(run)} figures of the seed lie within {study.NEAR:g} points of ours"
    if cells.scored:
        diverged = sum(cell.failed is not None for cell in cells.scored.values())
        said += [f"of {len(cells.scored)} cells {diverged or 'none'} diverged"]
    return Answer(sentences(said), _compared_settings(cells), brief=with_n(brief, run))


def _compared_settings(cells: Cells) -> list[Row]:
    """Make a row for each setting of which several values were run."""
    compared_are = {
        "how to cut": ("cuts", FITTED),
        "clipping norm": ("clipping", FITTED),
        "batches, and clipping or none": ("divergence", FITTED),
        "longer, or lr falls": ("schedules", "accuracy"),
        "network, epochs and learning rate": ("protocols", "accuracy"),
        "τ of tau_norm": ("tau", "accuracy"),
    }
    rows: list[Row] = []
    for what, (table, figure) in compared_are.items():
        names, every = study.SETTINGS[table], study.STUDY[table](cells)
        run = [row for row in every if row[figure].n and row.get("tau") != study.CHOSEN]
        for dataset, method in dict.fromkeys((row["dataset"], row.get("method")) for row in run):
            same = [r for r in run if (r["dataset"], r.get("method")) == (dataset, method)]
            if len(same) > 1:
                same.sort(key=lambda row: row[figure].mean)
                ends = {
                    end: f"{', '.join(row[name] for name in names)}: {row[figure]} "
                    f"(n = {row[figure].n})"
                    for end, row in (("lowest", same[0]), ("highest", same[-1]))
                }
                title = f"{what} ({method})" if method else what
                rows.append({"what": title, "dataset": dataset, "compared": len(same)} | ends)
    return rows


def best_split(cells: Cells) -> Answer:
    """Answer question 4, at the seed's protocol and at one whose learning rate falls.

    Each side is chosen on validation images. What a test set has suggested does not compete on it.
    """
    rows, differences = [], {}
    for protocol, dataset, every in contests.each(cells):
        candidates = [one for one in every if one.found_on != dataset]
        sides = [[one for one in candidates if one.is_split == is_split] for is_split in (0, 1)]
        plain, split = (best(cells, dataset, side) for side in sides)
        title = f"{dataset}, {protocol}"
        differences[title] = Stat()
        if not plain or not split:
            continue
        first, second = plain.stat(cells, dataset), split.stat(cells, dataset)
        difference = differences[title] = second - first
        if difference.n:
            seeds = difference.by_seed.keys()
            first, second = first.over(seeds), second.over(seeds)
        of_methods = [
            len({(one.model, one.variation) for one in some})  # several may differ in the rule only
            for some in (*([c for c in s if c.stat(cells, dataset).n] for s in sides), candidates)
        ]
        row: Row = {"dataset": dataset, "protocol": protocol, "n": difference.n or None}
        row |= {"run: without, with, of": ", ".join(map(str, of_methods))}
        row |= {"without a split": plain.named(cells, dataset), "accuracy": first}
        row |= {"with one": split.named(cells, dataset), "its accuracy": second}
        row |= _difference("with – without", difference)
        highest = [best_on_test(cells, dataset, side) for side in sides]
        rows.append(row | {BY_TEST: highest[1] - highest[0]})
    counts = ahead(differences.values())
    by_test = [row[BY_TEST].mean for row in rows if row[BY_TEST].n]
    said = [
        compared("the best split", "the best method without one", differences),
        f"with both sides chosen on the test set, the difference is {span(by_test)} points"
        if by_test
        else "",
    ]
    return Answer(
        sentences(said),
        rows,
        brief=with_n(counts, differences.values()),
        counts=f"**{counts}.**" if counts else "",
    )


def beside_the_bar(cells: Cells) -> Answer:
    """Compare pairs of networks with the bar, and soft splits with their control.

    The control is built as a soft split is, without a lean.
    """
    rows = bar.of_the_page(cells)
    number = sum(row["n"] > 1 for row in rows)
    by_chance = "have an interval; by chance, one interval in twenty excludes zero"
    leaning = {
        f"{one.title}, {dataset}": one.stat(cells, dataset) - bar.CONTROL.stat(cells, dataset)
        for one in bar.soft_splits()
        for dataset in cells.size["falling"]
        if one.found_on != dataset
    }
    said = [
        compared("a soft split that its test set did not suggest", "the control", leaning),
        f"{number} of the differences {by_chance}" if number > 1 else "",
    ]
    return Answer(sentences(said), rows)


def _agreement(cells: Cells, near: int, run: int, number: int) -> list[str]:
    """Say how far the seed's figures and ours agree, and what that is worth."""
    head, tail = (_near(cells, part) for part in ("head", "tail"))
    return [
        f"the seed's main table and the re-sampling of its Table 2 have {number} figures; we have "
        f"run {run}, and {near} of these lie within {study.NEAR:g} points of ours",
        f"of the main table's figures on the head alone, {head} lie as near, of those on the tail "
        f"alone {tail}",
        _told_twice(cells),
        *_last_epochs(study.spans(cells)),
    ]


def _told_twice(cells: Cells) -> str:
    """Say how far apart the seed's two tables are that have the same figures; "" for none."""
    theirs = "the seed's: accuracy"
    main = {(row["dataset"], row["method"]): row[theirs] for row in tables.main_table(cells)}
    apart = [
        abs(row[theirs] - main[key])
        for row in tables.table2(cells)
        if (key := (row["dataset"], row["method"])) in main and row[theirs] is not None
    ]
    if not apart:
        return ""
    return (
        f"the seed has {len(apart)} of its figures twice, of two random splits, {span(apart)} "
        "points apart"
    )


def _near(cells: Cells, part: str) -> str:
    """Say how many figures of the main table on head or tail lie near ours."""
    apart = [
        abs(row[f"within: {part}" if row["the seed's is"] == "within" else part].mean - theirs)
        for row in tables.main_table(cells)
        if (theirs := row[f"the seed's: {part}"]) is not None and row[part].n
    ]
    return f"{sum(one <= study.NEAR for one in apart)} of {len(apart)}"


def _last_epochs(spans: Mapping[str, Sequence[float]]) -> list[str]:
    """Say how much the last epoch is a matter of luck, a sentence for each protocol."""
    said = []
    if one := spans["all classes"]:
        group = spans["a group"]
        also = f", that of a split's network by {span(group)}" if group else ""
        said += [
            "where lr never falls, any of the last epochs could have been the last",
            "in the fourteen before it, the validation accuracy of a network of all classes moves "
            f"by {span(one)} points{also} (main table)",
        ]
    if fall := spans[contests.FALLS]:
        said += [
            f"of what was run at both protocols, it moves by {span(spans[contests.SEEDS])} where "
            f"lr never falls, and by {span(fall)} where it falls"
        ]
    return said


def _difference(title: str, difference: Stat) -> Row:
    return {title: difference, "95 % interval": interval(difference)}


ANSWERS: dict[str, Callable[[Cells], Answer]] = {
    "within": within,
    "rules": rules,
    "left_open": left_open,
    "best_split": best_split,
    "beside_the_bar": beside_the_bar,
}
