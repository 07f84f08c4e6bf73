"""The four questions of the study, each answered in a sentence or two and a small table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lt.score.stats import Stat
from paper import study
from paper.cells import Cells
from paper.study import FITTED, Candidate
from paper.tables import Row

NOTHING = "No cell that would answer this has been run."


@dataclass(frozen=True)
class Answer:
    """What is known of a question.

    Attributes:
        said: a sentence or two.
        rows: the numbers, a row for each dataset or comparison; empty if nothing was run.
        counts: in how many comparisons it is yes; "" if the question is not one of yes or no.
    """

    said: str
    rows: Sequence[Row]
    counts: str = ""


def within(cells: Cells) -> Answer:
    """Answer question 1, the true group given on both sides."""
    rows, said = [], []
    every: list[Stat] = []
    for ours, control, besides in study.PAIRS.values():
        differences = {
            dataset: study.within_difference(cells, dataset, ours, control, "accuracy")
            for dataset in study.paired(cells, ours, control)
        }
        every += differences.values()
        if text := compared(f"`{_name(ours)}`", f"`{_name(control)}`", differences):
            said += [*text, f"the two differ in {besides}"]
    for dataset in cells.size["main"]:
        for ours, control, _ in study.PAIRS.values():
            total, tail = (
                study.within_difference(cells, dataset, ours, control, part)
                for part in ("accuracy", "tail")
            )
            if not total.n or control[0] != "baseline":  # `lws_joint` is left to the full table
                continue
            row: Row = {"dataset": dataset, "n": total.n}
            for column, one in (("split", ours), ("control", control)):
                model, variation = one
                row[column] = _name(one)
                path = "metrics.within_group.accuracy"
                row[f"{column}, group given"] = cells.stat(dataset, model, path, variation)
            rows.append(row | _difference("split – control", total) | {"on the tail": tail})
    return Answer(_sentences(said), rows, ahead(every))


def _name(one: tuple[str, str]) -> str:
    return " ".join(filter(None, one))


def rules(cells: Cells) -> Answer:
    """Answer question 2: what is left of the oracle without a label."""
    rows, differences, lost = [], {}, []
    for dataset in cells.size["main"]:
        oracle, concat, fitted = (
            cells.stat(dataset, "split_lws", path)
            for path in (
                "metrics.within_group.accuracy",
                "rules.concat.accuracy",
                f"rules.{FITTED}.accuracy",
            )
        )
        base = cells.stat(dataset, "baseline", "metrics.accuracy")
        differences[dataset] = fitted - base
        if fitted.n:
            lost.append((oracle - fitted).mean)
            row = {"dataset": dataset, "n": fitted.n, "group given": oracle, "concat": concat}
            row |= {FITTED: fitted, "baseline": base}
            rows.append(row | _difference(f"{FITTED} – baseline", differences[dataset]))
    if not lost:
        return Answer(NOTHING, [])
    said = [
        f"without the label, `split_lws` loses {_span(lost)} points, by the rule {FITTED}, which "
        "is fitted on validation images",
        *compared(f"`split_lws` with {FITTED}", "`baseline`", differences),
    ]
    return Answer(_sentences(said), rows)


def left_open(cells: Cells) -> Answer:
    """Answer question 3: of each comparison that was run, the lowest and the highest figure."""
    compared_are: dict[str, tuple[Callable[[Cells], list[Row]], Sequence[str], str]] = {
        "how to cut": (study.cuts, ("cut",), FITTED),
        "clipping norm": (study.clips, ("norm",), FITTED),
        "batches, and clipping or none": (study.divergence, ("batches", "clipping norm"), FITTED),
        "longer, or lr falls": (study.schedules, ("schedule",), "accuracy"),
        "τ of tau_norm": (study.taus, ("tau",), "accuracy"),
    }
    rows: list[Row] = []
    for what, (make, names, figure) in compared_are.items():
        run = [row for row in make(cells) if row[figure].n and row.get("tau") != study.CHOSEN]
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
    diverged = sum(cell.failed is not None for cell in cells.scored.values())
    text = f"Of {len(cells.scored)} cells {diverged or 'none'} diverged."
    return Answer(text if cells.scored else NOTHING, rows)


def best_split(cells: Cells) -> Answer:
    """Answer question 4, at the seed's protocol and at one whose learning rate falls.

    Each side is chosen on validation images.
    """
    rows, differences = [], {}
    for protocol, dataset, candidates in study.contests(cells):
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
        run = [sum(bool(one.stat(cells, dataset).n) for one in side) for side in sides]
        row: Row = {"dataset": dataset, "protocol": protocol, "n": difference.n or None}
        row |= {"methods run": f"{run[0]} and {run[1]} of {len(candidates)}"}
        row |= {"without a split": plain.named(cells, dataset), "accuracy": first}
        row |= {"with one": split.named(cells, dataset), "its accuracy": second}
        rows.append(row | _difference("with – without", difference))
    said = compared("the best split", "the best method without one", differences)
    return Answer(_sentences(said), rows, ahead(differences.values()))


def best(cells: Cells, dataset: str, candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the candidate with the best balanced validation accuracy; None if none was run."""
    scored = [(one.stat(cells, dataset, "val_balanced"), one) for one in candidates]
    run = [(stat.mean, one) for stat, one in scored if stat.n]
    return max(run, key=lambda pair: pair[0])[1] if run else None


def agreement(cells: Cells) -> str:
    """Say how many of the seed's figures are near ours, and how far the last epoch is luck.

    It is "" if none was run.
    """
    rows = study.beside_the_seed(cells)
    run = [row for row in rows if row["ours – the seed's"].n]
    near = sum(abs(row["ours – the seed's"].mean) <= study.NEAR for row in run)
    spans = [
        row["highest before"].mean - row["lowest before"].mean
        for row in study.swings(cells)
        if row["highest before"].n
    ]
    said = [
        f"of the {len(rows)} rows of the seed's main table and its re-sampling, {len(run)} have "
        f"been run; {near} of them lie within {study.NEAR:g} points of ours"
    ]
    if spans:
        said += [
            "where lr never falls, a figure is that of the epoch that happens to be the last: in "
            f"the epochs just before it, the validation accuracy of a network spans {_span(spans)} "
            "points"
        ]
    return _sentences(said) if run else ""


def ahead(differences: Iterable[Stat]) -> str:
    """Say in how many comparisons the difference is above zero.

    It is "" if none was run.
    """
    run = [stat.mean for stat in differences if stat.n]
    won = sum(mean > 0 for mean in run)
    several = "s" if len(run) > 1 else ""
    return f"**In {won or 'none'} of {len(run)} comparison{several}.**" if run else ""


def compared(ours: str, theirs: str, differences: Mapping[str, Stat]) -> list[str]:
    """Say in how many comparisons `ours` is ahead, by how much, and how sure that is.

    Returns a sentence or two, in lower case and without a full stop; none if none was run.
    """
    run = [stat for stat in differences.values() if stat.n]
    if not run:
        return []
    known = [ends for ends in (stat.interval() for stat in run) if ends]
    parts = []
    for word, side in (("ahead of", 1), ("behind", -1)):
        values = [side * stat.mean for stat in run if side * stat.mean > 0]
        if values:
            sure = sum(min(side * low, side * high) > 0 for low, high in known)
            by = f"by {_span(values)} points"
            if len(run) > 1:
                by += f", beyond the 95 % interval in {sure}" if known else ""
                by = f"in {len(values)} of {len(run)} ({by})"
            elif known:
                by += f", {'' if sure else 'not '}beyond the 95 % interval"
            parts.append(f"{word} {theirs} {by}")
    said = []
    if len(run) < len(differences):
        have = "has" if len(run) == 1 else "have"
        said.append(f"{len(run)} of {len(differences)} comparisons {have} been run")
    text = f"{ours} is {' and '.join(parts) or f'level with {theirs}'}"
    if not known:
        text += f", on one seed{' each' if len(run) > 1 else ''}"
    return [*said, text]


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
