"""Question 3: do we get the seed's figures, and how much of a figure is luck?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lt.score.stats import Stat
from paper import contests, last_epochs, published, study, tables
from paper.cells import Cells
from paper.study import FITTED
from paper.tables import Row
from paper.wording import Answer, listed, sentences, span, with_n

CUTS = "how to cut"


def left_open(cells: Cells) -> Answer:
    """Answer question 3: of each comparison that was run, the lowest and the highest figure."""
    theirs = [row["ours – the seed's"] for row in study.beside_the_seed(cells)]
    run = [stat for stat in theirs if stat.n]
    near = sum(abs(stat.mean) <= study.NEAR for stat in run)
    said = [*(_agreement(near, len(run), len(theirs)) if run else []), *_diverged(cells)]
    groups = [*(_of_the_seed(cells) if run else []), _seeds(cells), _last_epochs(cells)]
    rows = _compared_settings(cells)
    groups += [_without_clipping(cells), _beside_the_cuts(cells, rows)]
    brief = f"{near} of {len(run)} figures of the seed lie within {study.NEAR:g} points of ours"
    return Answer(sentences(said), rows, brief=with_n(brief, run), points=listed(*groups))


def _compared_settings(cells: Cells) -> list[Row]:
    """Make a row for each setting of which several values were run."""
    by_rule = ("concat", FITTED)  # of a split
    compared_are = {
        CUTS: ("cuts", by_rule),
        "clipping norm": ("clipping", by_rule),
        "batches, and clipping or none": ("divergence", by_rule),
        "longer, or lr falls": ("schedules", ("accuracy",)),
        "network, epochs and learning rate": ("protocols", ("accuracy",)),
        "τ of tau_norm": ("tau", ("accuracy",)),
    }
    rows: list[Row] = []
    of_each = [(what, table, figure) for what, (table, of) in compared_are.items() for figure in of]
    for what, table, figure in of_each:
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
                rule = "concat" if (method, figure) == ("split_lws", "accuracy") else figure
                row = {
                    "what": title,
                    "dataset": dataset,
                    "rule": rule.replace("accuracy", "its own"),
                }
                rows.append(row | {"compared": len(same)} | ends)
    return rows


def _beside_the_cuts(cells: Cells, rows: Sequence[Row]) -> list[str]:
    """Say what one network has where ways to cut are compared: an uneven cut is nearly that."""
    where = dict.fromkeys(row["dataset"] for row in rows if row["what"] == CUTS)
    known = {name: cells.stat(name, "baseline", "metrics.accuracy") for name in where}
    return [
        f"beside the ways to cut, one network (`baseline`) has {stat} on {name} (n = {stat.n})"
        for name, stat in known.items()
        if stat.n
    ]


def _agreement(near: int, run: int, number: int) -> list[str]:
    """Say how far the seed's figures and ours agree."""
    return [
        f"the seed's main table and the re-sampling of its Table 2 have {number} figures; we have "
        f"run {run}, and {near} of these lie within {study.NEAR:g} points of ours"
    ]


def _of_the_seed(cells: Cells) -> list[list[str]]:
    """Say where the seed's figures and ours agree, and how far its own do."""
    main = tables.main_table(cells)
    head, tail = (_near(main, part) for part in ("head", "tail"))
    halves = (
        f"of the main table's figures on the head alone, {_of(head)} lie as near, of those on the "
        f"tail alone {_of(tail)}"
    )
    return [
        [_by_name(study.beside_the_seed(cells)), halves, _long(cells)],
        [_told_twice(cells)],
    ]


def _diverged(cells: Cells) -> list[str]:
    diverged = sum(cell.failed is not None for cell in cells.scored.values())
    number = len(cells.scored)
    return [f"of {number} cells {diverged or 'none'} diverged"] if number else []


def _without_clipping(cells: Cells) -> list[str]:
    """Say how many splits diverged without clipping, by the batches that they had."""
    said = []
    for batches, words in (("shared", "of all images"), ("own", "of the group's own")):
        variation = study.DIVERGENCE[batches, "none"]
        every = [c for name in cells.size["nan"] for c in cells.of(name, "split_lws", variation)]
        diverged = sum(cell.failed is not None for cell in every)
        if every:
            said.append(f"{diverged or 'none'} of {len(every)} with batches {words}")
    return [f"without clipping, `split_lws` diverged in {' and in '.join(said)}"] if said else []


def _by_name(rows: Sequence[Row]) -> str:
    """Say of CIFAR-10 and of CIFAR-100 how many figures lie near ours, and how many are lower."""
    of: dict[str, list[Stat]] = {}
    for row in rows:
        if row["ours – the seed's"].n:
            of.setdefault(row["dataset"].split("-")[0], []).append(row["ours – the seed's"])
    said = []
    for name, some in of.items():
        near = _number(abs(one.mean) <= study.NEAR for one in some)
        above = _number(one.mean > 0 for one in some)
        title = name.upper().replace("CIFAR", "CIFAR-")
        said.append(
            f"of the {len(some)} figures of {title}, {near} lie within {study.NEAR:g} points, and "
            f"ours is the higher one in {above}"
        )
    return "; ".join(said)


def _number(true: Iterable[bool]) -> str:
    return str(sum(true) or "none")


def _told_twice(cells: Cells) -> str:
    """Say how far apart the seed's two tables are that have the same figures; "" for none."""
    theirs = "the seed's: accuracy"
    main = {(row["dataset"], row["method"]): row[theirs] for row in tables.main_table(cells)}
    twice = [
        row
        for row in tables.table2(cells)
        if (row["dataset"], row["method"]) in main and row[theirs] is not None
    ]
    if not twice:
        return ""
    apart = [abs(row[theirs] - main[row["dataset"], row["method"]]) for row in twice]
    ours = [abs(_same_figure(row).mean - row[theirs]) for row in twice if _same_figure(row).n]
    also = f"; ours are {span(ours)} points from the second of these" if ours else ""
    return (
        f"the seed has {len(apart)} of its figures twice, {span(apart)} points apart, from two "
        "trainings on two random draws of images; it clipped the split in one of the two only"
        f"{also}"
    )


def _same_figure(row: Row) -> Stat:
    """Return our figure of what the seed's accuracy is."""
    figure: Stat = row["within: accuracy" if row["the seed's is"] == "within" else "accuracy"]
    return figure


def _near(rows: Sequence[Row], part: str) -> tuple[int, int]:
    """Count the seed's figures on all, head or tail that lie near ours, and those we have run."""
    apart = [
        abs(row[f"within: {part}" if row["the seed's is"] == "within" else part].mean - theirs)
        for row in rows
        if (theirs := row[f"the seed's: {part}"]) is not None and row[part].n
    ]
    return sum(one <= study.NEAR for one in apart), len(apart)


def _of(counted: tuple[int, int]) -> str:
    return f"{counted[0]} of {counted[1]}"


def _long(cells: Cells) -> str:
    """Say how many figures of the seed's table of 200 epochs lie near ours; "" if none was run."""
    counted = [_near(tables.long_table(cells), part) for part in tables.PARTS]
    near, run = (sum(column) for column in zip(*counted, strict=True))
    if not run:
        return ""
    return (
        "of the figures of its table of 200 epochs (accuracy, head and tail), "
        f"{_of((near, run))} lie as near"
    )


def _last_epochs(cells: Cells) -> list[str]:
    """Say how much the last epoch is a matter of luck, a sentence for each protocol."""
    said, spans = [], last_epochs.spans(cells)
    if one := spans["all classes"]:
        also = ""
        if spans["head"] and spans["tail"]:
            images = [
                sum(facts["val_counts"][k] for k in facts["tail"])
                for facts in map(cells.datasets.get, cells.size["main"])
                if facts
            ]
            also = (
                f", that of a split's head network by {span(spans['head'])}, that of its tail "
                f"network by {span(spans['tail'])}, on {span(images, 0)} validation images"
            )
        said += [
            "where lr never falls, which epoch is the last is arbitrary",
            "in the fourteen epochs before the last, the validation accuracy of a network of all "
            f"classes moves by {span(one)} points{also} (main table)",
        ]
    if fall := spans[contests.FALLS]:
        said += [
            f"of what was run at both protocols, it moves by {span(spans[contests.SEEDS])} where "
            f"lr never falls, and by {span(fall)} where it falls; network and epochs differ, too"
        ]
    return said


def _seeds(cells: Cells) -> list[str]:
    """Say how far apart the seeds of one cell are."""
    confirm = "confirm"
    ranges: dict[str, list[float]] = {contests.SEEDS: [], contests.FALLS: [], confirm: []}
    names = {(e["dataset"], e["model"], e["variation"]): name for name, e in cells.entries.items()}
    for (dataset, model, variation), name in names.items():
        stat = cells.stat(dataset, model, "metrics.accuracy", variation)
        if stat.n < 3 or variation.startswith(published.PROTOCOL):
            continue
        falls = contests.FALLS if cells.lr_falls(name) else contests.SEEDS
        # what was said beforehand has more seeds, and a range grows with their number
        ranges[confirm if variation.startswith(confirm) else falls].append(stat.range)
    never, fall, more = ranges.values()
    if not never:
        return []
    also = f", and by {span(fall)} where it falls ({_settings(fall)})" if fall else ""
    if more:
        also += f"; with the five seeds of [the claim](#said-beforehand), by {span(more)} "
        also += f"({_settings(more)})"
    return [
        "from one random seed to another, accuracy without a label moves, too: of what has three, "
        f"by {span(never)} points where lr never falls ({_settings(never)}){also}",
        "where it falls, networks are smaller, and most figures are of two networks averaged: the "
        "learning rate is not all that differs"
        if fall
        else "",
        f"another seed can move a figure by more than {study.NEAR:g} points: this counts "
        "agreement, and does not test it"
        if max(never) > study.NEAR
        else "",
    ]


def _settings(ranges: Sequence[float]) -> str:
    return f"{len(ranges)} setting{'s' if len(ranges) > 1 else ''}"
