"""The four questions of the study, each answered in a sentence or two and a small table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lt.score.stats import Stat
from paper import contests, study, tables
from paper.cells import Cells
from paper.contests import Candidate, best, best_on_test, with_offset
from paper.study import FITTED
from paper.tables import PARTS, Row

NOTHING, NOT_RUN = "No cell that would answer this has been run.", "not run"  # and in brief


@dataclass(frozen=True)
class Answer:
    """What is known of a question.

    Attributes:
        said: a sentence or two.
        points: what is said of each comparison, a sentence or two each.
        rows: the numbers, a row for each dataset or comparison; empty if nothing was run.
        brief: the answer in a few words, with the number of seeds.
        counts: in how many comparisons it is yes; "" if the question is not one of yes or no.
        beside_the_bar: of question 4, the numbers of a second table.
    """

    said: str
    rows: Sequence[Row]
    brief: str = NOT_RUN
    counts: str = ""
    points: Sequence[str] = ()
    beside_the_bar: Sequence[Row] = ()


def within(cells: Cells) -> Answer:
    """Answer question 1, the true group given on both sides."""
    points: list[str] = []
    won: dict[str, list[Stat]] = {part: [] for part in PARTS}
    splits = set()
    for ours, control, besides in study.PAIRS.values():
        total: dict[str, Stat] = {}
        for dataset in study.paired(cells, ours, control):
            parts = [study.within_difference(cells, dataset, ours, control, p) for p in PARTS]
            total[dataset] = parts[0]
            if parts[0].n:
                splits.add((dataset, ours))
                for part, difference in zip(PARTS, parts, strict=True):
                    won[part].append(difference)
        if text := compared(f"`{_name(ours)}`", f"`{_name(control)}`", total):
            points.append(_sentences([text, f"the two differ in {besides}"]))
    if not splits:
        return Answer(NOTHING, [])
    counts = ahead(won["accuracy"])
    twice = len(won["accuracy"]) - len(splits)
    said = [
        f"on the head alone, the split is ahead in {_won(won['head'])}, on the tail in "
        f"{_won(won['tail'])}",
        f"{len(splits)} splits are compared; {twice} of them have two controls and count twice"
        if twice
        else "",
        _learned_nothing(cells),
    ]
    return Answer(
        _sentences(said),
        _within_rows(cells),
        brief=_brief(counts, won["accuracy"]),
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
        f"from the figure with the group given to that without, `split_lws` loses {_span(lost)} "
        "points",
        f"it loses least on {least}, where its tail network is at chance and has nothing to lose"
        if least in chance
        else "",
        f"the baseline loses {_span(lost_by_base)}" if lost_by_base else "",
    ]
    brief = f"`split_lws` is ahead of one network {ahead(by_fitted.values()).lower()}"
    return Answer(_sentences(said), rows, brief=_brief(brief, by_fitted.values()))


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
    return Answer(_sentences(said), _compared_settings(cells), brief=_brief(brief, run))


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
        row |= {"methods run": "{} and {} of {}".format(*of_methods)}
        row |= {"without a split": plain.named(cells, dataset), "accuracy": first}
        row |= {"with one": split.named(cells, dataset), "its accuracy": second}
        row |= _difference("with – without", difference)
        highest = [best_on_test(cells, dataset, side) for side in sides]
        rows.append(row | {"chosen on the test set": highest[1] - highest[0]})
    counts = ahead(differences.values())
    return Answer(
        _sentences([compared("the best split", "the best method without one", differences)]),
        rows,
        brief=_brief(counts, differences.values()),
        counts=f"**{counts}.**" if counts else "",
        beside_the_bar=tuple(_beside_the_bar(cells)),
    )


def _beside_the_bar(cells: Cells) -> list[Row]:
    """Compare the bar with an offset, and each soft split, with the bar, shifted or not."""
    bar = contests.BAR
    group, prior = with_offset(bar, "group"), with_offset(bar, "prior")
    pairs = [
        ("the bar, group offset", group, "the bar", bar),
        ("the bar, prior offset", prior, "the bar", bar),
        ("the bar, group offset", group, "the bar, prior offset", prior),
    ]
    for one in (one for one in contests.PAIRS_OF_NETWORKS if one.is_split):
        shifted = with_offset(one, "prior")
        pairs += [(one.title, one, "the bar", bar)]
        pairs += [(shifted.title, shifted, "the bar, prior offset", prior)]
    rows = []
    for dataset in cells.size["falling"]:
        for ours, one, theirs, other in pairs:
            difference = one.stat(cells, dataset) - other.stat(cells, dataset)
            if difference.n:
                row: Row = {"dataset": dataset, "n": difference.n}
                row |= {"this": f"{ours} †" if one.found_on == dataset else ours, "less": theirs}
                rows.append(row | _difference("difference", difference))
    return rows


def _agreement(cells: Cells, near: int, run: int, number: int) -> list[str]:
    """Say how far the seed's figures and ours agree, and what that is worth."""
    return [
        f"of the {number} rows of the seed's main table and its re-sampling, {run} have been run; "
        f"{near} of them lie within {study.NEAR:g} points of ours",
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
        f"{len(apart)} figures of the main table are in the seed's Table 2 as well, and are "
        f"{_span(apart)} points apart from it"
    )


def _last_epochs(spans: Mapping[str, Sequence[float]]) -> list[str]:
    """Say how much the last epoch is a matter of luck, a sentence for each protocol."""
    said = []
    if one := spans["all classes"]:
        group = spans["a group"]
        also = f", of a split's network {_span(group)}" if group else ""
        said += [
            "where lr never falls, any of the last epochs could have been the last: in the main "
            "table's cells, the validation accuracy of a network of all classes moves by "
            f"{_span(one)} points in them{also}"
        ]
    if fall := spans[contests.FALLS]:
        said += [f"where lr falls, it moves by {_span(fall)} (profile study)"]
    return said


def ahead(differences: Iterable[Stat]) -> str:
    """Say in how many comparisons the difference is above zero, and of these, how many surely.

    It is "" if none was run.
    """
    run = [stat for stat in differences if stat.n]
    several = "s" if len(run) > 1 else ""
    text = f"In {_won(run)} of {len(run)} comparison{several}"
    if won := [stat for stat in run if stat.mean > 0]:
        text += f"; the 95 % interval excludes zero in {_surely(won) or 'none'} of them"
    return text if run else ""


def _brief(counts: str, differences: Iterable[Stat]) -> str:
    """Add the number of seeds to what is said of these differences."""
    numbers = sorted({stat.n for stat in differences if stat.n})
    ends = " to ".join(map(str, numbers[:: max(len(numbers) - 1, 1)]))
    return f"{counts}, n = {ends}" if numbers else NOT_RUN


def _won(run: Iterable[Stat]) -> str:
    return str(sum(stat.mean > 0 for stat in run) or "none")


def _surely(differences: Iterable[Stat]) -> int:
    """Count the differences whose 95 % interval is on one side of zero; one seed has none."""
    known = [ends for ends in (stat.interval() for stat in differences) if ends]
    return sum(low > 0 or high < 0 for low, high in known)


def compared(ours: str, theirs: str, differences: Mapping[str, Stat]) -> str:
    """Say in how many comparisons `ours` is ahead, by how much, and how sure that is.

    differences: by what they are of, which is named where one alone was run.

    Returns a sentence in lower case, without a full stop; "" if none was run.
    """
    run = [stat for stat in differences.values() if stat.n]
    if not run:
        return ""
    where = "".join(f" on {name}" for name, stat in differences.items() if stat.n)
    parts = []
    for word, side in (("ahead of", 1), ("behind", -1)):
        there = [stat for stat in run if side * stat.mean > 0]
        if there:
            known = [stat for stat in there if stat.interval()]
            sure = _surely(known)
            by = f"by {_span([side * stat.mean for stat in there])} points"
            if len(run) > 1:
                of = f"{sure or 'none'} of {len(known)} with several seeds"
                by += f"; the 95 % interval excludes zero in {of}" if known else ""
                by = f"in {len(there)} of {len(run)} ({by})"
            else:
                by += where
                by += f"; the 95 % interval {'ex' if sure else 'in'}cludes zero" if known else ""
            parts.append(f"{word} {theirs} {by}")
    text = f"{ours} is {' and '.join(parts) or f'level with {theirs}'}"
    if all(stat.n == 1 for stat in run):
        text += f", on one seed{' each' if len(run) > 1 else ''}"
    if missing := len(differences) - len(run):
        text += f"; {missing} more {'is' if missing == 1 else 'are'} to be run"
    return text


def _sentences(said: Sequence[str]) -> str:
    whole = [f"{one[0].upper()}{one[1:]}." for one in said if one]
    return " ".join(whole) or NOTHING


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def _difference(title: str, difference: Stat) -> Row:
    return {title: difference, "95 % interval": study.interval(difference)}


ANSWERS: dict[str, Callable[[Cells], Answer]] = {
    "within": within,
    "rules": rules,
    "left_open": left_open,
    "best_split": best_split,
}
