"""Question 3: do we get the seed's figures, and how much of a figure is luck?"""

from __future__ import annotations

from collections.abc import Sequence

from paper import contests, last_epochs, published, study, tables
from paper.cells import Cells
from paper.study import FITTED
from paper.tables import Row
from paper.wording import Answer, sentences, span, with_n


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


def _agreement(cells: Cells, near: int, run: int, number: int) -> list[str]:
    """Say how far the seed's figures and ours agree, and what that is worth."""
    main = tables.main_table(cells)
    head, tail = (_near(main, part) for part in ("head", "tail"))
    return [
        f"the seed's main table and the re-sampling of its Table 2 have {number} figures; we have "
        f"run {run}, and {near} of these lie within {study.NEAR:g} points of ours",
        f"of the main table's figures on the head alone, {_of(head)} lie as near, of those on the "
        f"tail alone {_of(tail)}",
        _long(cells),
        _told_twice(cells),
        *_seeds(cells),
        *_last_epochs(cells),
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
        f"the seed has {len(apart)} of its figures twice, {span(apart)} points apart, from two "
        "trainings on two random draws of images; it clipped the split in one of the two only"
    )


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
            f"lr never falls, and by {span(fall)} where it falls"
        ]
    return said


def _seeds(cells: Cells) -> list[str]:
    """Say how far apart the seeds of one cell are."""
    ranges: dict[str, list[float]] = {contests.SEEDS: [], contests.FALLS: []}
    names = {(e["dataset"], e["model"], e["variation"]): name for name, e in cells.entries.items()}
    for (dataset, model, variation), name in names.items():
        stat = cells.stat(dataset, model, "metrics.accuracy", variation)
        # "confirm" is "study" once more, with five seeds: a range grows with their number
        if stat.n > 2 and not variation.startswith((published.PROTOCOL, "confirm")):
            falls = cells.lr_falls(name)
            ranges[contests.FALLS if falls else contests.SEEDS].append(stat.range)
    never, fall = ranges.values()
    if not never:
        return []
    also = f", and by {span(fall)} where it falls ({_settings(fall)})" if fall else ""
    return [
        "from one seed to another, accuracy without a label moves, too: of what has three seeds, "
        f"by {span(never)} points where lr never falls ({_settings(never)}){also}",
        f"another seed can move a figure by more than {study.NEAR:g} points: this counts "
        "agreement, and does not test it"
        if max(never) > study.NEAR
        else "",
    ]


def _settings(ranges: Sequence[float]) -> str:
    return f"{len(ranges)} setting{'s' if len(ranges) > 1 else ''}"
