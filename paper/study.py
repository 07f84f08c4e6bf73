"""The tables of the study: the seed's questions, answered in numbers out of the cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lt.score.combine import RULES
from lt.score.stats import Stat
from paper import bar, last_epochs, ranking, tables
from paper.cells import Cells
from paper.contests import THINS
from paper.tables import Row

CHOSEN = "chosen on validation"
FITTED = "affine"  # of the fitted rules, the one that levels the networks of a split
CLIPPED = "clip 5.0"  # of a baseline, as the networks of a split are
# Question 1, what is compared: the split, its control, and what tells them apart
PAIRS = {
    "split – baseline, both clipped": (
        ("split", ""),
        ("baseline", CLIPPED),
        "the grouping, and the images per step that come with it",
    ),
    "split, own batches – baseline, both clipped": (
        ("split", "own"),
        ("baseline", CLIPPED),
        "the grouping, and the number of steps that comes with it",
    ),
    "split_lws – lws_joint": (
        ("split_lws", ""),
        ("lws_joint", ""),
        "the grouping, the images per step that come with it, and the clipping",
    ),
    "split_lws – baseline (the seed's)": (
        ("split_lws", ""),
        ("baseline", ""),
        "the grouping, the images per step that come with it, the clipping and the scales",
    ),
    "split_lws, own batches – lws_joint": (
        ("split_lws", "own"),
        ("lws_joint", ""),
        "the grouping, the number of steps that comes with it, and the clipping",
    ),
    "split_lws, own batches – baseline (the seed's)": (
        ("split_lws", "own"),
        ("baseline", ""),
        "the grouping, the number of steps that comes with it, the clipping and the scales",
    ),
}
# Question 3, the tail network's NaN: batches and clipping norm -> variation
DIVERGENCE = {
    ("shared", "5"): "",
    ("shared", "none"): "clip null",
    ("own", "5"): "own",
    ("own", "none"): "own clip null",
}
NEAR = 2.0  # points, within which a figure is called the seed's, or that of chance
# Question 3: of each table, the columns of the settings that it compares
SETTINGS: dict[str, tuple[str, ...]] = {
    "cuts": ("cut", "classes per group"),
    "clipping": ("norm",),
    "divergence": ("batches", "clipping norm"),
    "schedules": ("schedule",),
    "protocols": ("protocol",),
    "tau": ("tau",),
}


def within(cells: Cells) -> list[Row]:
    """Make the table of question 1: differences with the true group given, paired by seed."""
    rows = []
    for dataset in cells.size["main"]:
        for title, (ours, control, _) in PAIRS.items():
            if dataset not in paired(cells, ours, control):
                continue
            row: Row = {"dataset": dataset, "difference": title, "n": None}
            for part in tables.PARTS:
                difference = within_difference(cells, dataset, ours, control, part)
                row["n"] = row["n"] or difference.n or None
                row[part] = difference
                row[f"{part}, 95 % interval"] = difference.interval_text()
            rows.append(row)
    return rows


def paired(cells: Cells, ours: tuple[str, str], control: tuple[str, str]) -> list[str]:
    """Return the datasets for which the grid has both (model, variation), run or not."""
    there = {(e["dataset"], e["model"], e["variation"]) for e in cells.entries.values()}
    return [name for name in cells.size["main"] if {(name, *ours), (name, *control)} <= there]


def within_difference(
    cells: Cells, dataset: str, ours: tuple[str, str], control: tuple[str, str], part: str
) -> Stat:
    """Return the difference of two (model, variation), both with the true group given."""
    path = f"metrics.within_group.{part}"
    first, second = (cells.stat(dataset, model, path, v) for model, v in (ours, control))
    return first - second


def tail_in_batch(cells: Cells, dataset: str, model: str, variation: str = "") -> float | None:
    """Return how many tail images a training batch of a split's tail network has on average.

    It sees no others. None: no such cell was run.
    """
    facts, runs = cells.datasets[dataset], cells.finished(dataset, model, variation)
    if not facts or not runs:
        return None
    score = runs[0].score
    size = score["train"]["batch_size"]
    left = sum(facts["counts"][label] - facts["val_counts"][label] for label in facts["tail"])
    if score["method"].get("batches") == "own":
        return float(left / math.ceil(left / size))
    return float(size * left / facts["train_images"])


def at_chance(cells: Cells) -> list[Row]:
    """List the datasets whose tail network of `split_lws` has learned next to nothing."""
    rows = []
    for dataset in cells.size["main"]:
        tail = cells.stat(dataset, "split_lws", "metrics.within_group.tail")
        facts = cells.datasets[dataset]
        if facts and tail.n:
            chance = 100 / len(facts["tail"])
            if tail.mean - chance < NEAR:
                rows.append({"dataset": dataset, "tail": tail, "chance": chance})
    return rows


def rules(cells: Cells) -> list[Row]:
    """Make the table of question 2: every rule on the split, between oracle and one network."""
    paths = {rule: path for rule, path in _rules().items() if not rule.startswith("rest")}
    return [
        {"dataset": dataset}
        | cells.row(dataset, "split_lws", "", paths)
        | _controls(cells, dataset)
        for dataset in cells.size["main"]
    ]


def rests(cells: Cells) -> list[Row]:
    """Make the table of question 2 on networks that know the rest, by how it is thinned."""
    return [
        {"dataset": dataset, "thinned to": thin}
        | cells.row(dataset, "split_rest", thin, _rules())
        | _controls(cells, dataset)
        for dataset in cells.size["study"]
        for thin in THINS
    ]


def _rules() -> dict[str, str]:
    """Return where the accuracy with the group given stands, and that of every rule."""
    paths = {"oracle": "metrics.within_group.accuracy"}
    return paths | {rule: f"rules.{rule}.accuracy" for rule in RULES}


def _controls(cells: Cells, dataset: str) -> Row:
    """Return the figures of the networks that see everything."""
    models = "baseline", "ensemble"
    return {model: cells.stat(dataset, model, "metrics.accuracy") for model in models}


def cuts(cells: Cells) -> list[Row]:
    """Make the table of question 3 on how the classes are cut, and into how many groups."""
    found = [("half, K 2", "")]
    found += [(f"half, {name}", name) for name in cells.variations("split_lws", "K ")]
    found += [(name, name) for name in ("mass", "shots", "thresholds")]
    rows = []
    for dataset in cells.size["cuts"]:
        for title, variation in found:
            row: Row = {"dataset": dataset, "cut": title, "classes per group": None}
            for cell in cells.finished(dataset, "split_lws", variation)[:1]:
                row["classes per group"] = " + ".join(map(str, cell.score["groups"]))
            rows.append(row | _of_split(cells, dataset, variation))
    return rows


def clips(cells: Cells) -> list[Row]:
    """Make the table of question 3 on the norm at which gradients are clipped."""
    found = [("5.0", "")]
    found += [(name[5:], name) for name in cells.variations("split_lws", "clip ")]
    order = sorted(found, key=lambda pair: math.inf if pair[0] == "null" else float(pair[0]))
    dataset = cells.size["clip"]
    return [
        {"dataset": dataset, "norm": "none" if norm == "null" else norm}
        | _of_split(cells, dataset, variation)
        for norm, variation in order
    ]


def divergence(cells: Cells) -> list[Row]:
    """Make the table of question 3 on the tail network's NaN."""
    rows = []
    for dataset in cells.size["nan"]:
        for (batches, clip), variation in DIVERGENCE.items():
            row: Row = {"dataset": dataset, "batches": batches, "clipping norm": clip}
            messages = [cell.failed for cell in cells.of(dataset, "split_lws", variation)]
            row |= _of_split(cells, dataset, variation)
            row["diverged at"] = "; ".join(m.split(":")[0] for m in messages if m) or None
            rows.append(row)
    return rows


def schedules(cells: Cells) -> list[Row]:
    """Make the table of question 3 on longer training, or a learning rate that falls."""
    size, rows = cells.size, []
    epochs, long, decay = (size[key] for key in ("epochs", "long_epochs", "decay_epoch"))
    variations = {
        f"{epochs} epochs": "",
        f"{long} epochs": f"{long} epochs",
        f"{epochs} epochs, lr falls every {decay}": f"decay {decay}",
    }
    for title, variation in variations.items():
        for model in tables.METHODS:
            row: Row = {"dataset": size["long"], "schedule": title, "method": model}
            rows.append(row | tables.compare_parts(cells, size["long"], model, variation))
    return rows


def has_comparison(name: str, rows: Sequence[Row]) -> bool:
    """Check whether a table shows anything beside each other; one setting alone is no comparison.

    It is true of tables that are not made to compare settings.
    """
    if name not in SETTINGS:
        return True
    run = [row for row in rows if tables.was_run(row)]
    settings = {(r["dataset"], r.get("method"), *(r[key] for key in SETTINGS[name])) for r in run}
    return len({setting[:2] for setting in settings}) < len(settings)


def taus(cells: Cells) -> list[Row]:
    """Make the table of question 3 on τ of τ-normalisation."""
    paths = {part: f"metrics.{part}" for part in tables.PARTS}
    names = [*cells.variations("tau_norm", "tau "), "validation"]
    titles = {name: name.removeprefix("tau ") for name in names} | {"validation": CHOSEN}
    return [
        {"dataset": dataset, "tau": titles[name]} | cells.row(dataset, "tau_norm", name, paths)
        for dataset in cells.size["tau"]
        for name in names
    ]


def beside_the_seed(cells: Cells) -> list[Row]:
    """Compare the seed's main table, and Table 2's re-sampling, with the same figure of ours."""
    every = [*tables.main_table(cells), *(r for r in tables.table2(cells) if r["method"] == "ros")]
    rows = []
    for row in every:
        kind = "within: accuracy" if row["the seed's is"] == "within" else "accuracy"
        theirs = row["the seed's: accuracy"]
        if theirs is None:
            continue
        difference = Stat({seed: value - theirs for seed, value in row[kind].by_seed.items()})
        near = "yes" if abs(difference.mean) <= NEAR else "no"
        rows.append(
            {key: row[key] for key in ("dataset", "method", "n")}
            | {"figure": kind, "ours": row[kind], "the seed's": theirs}
            | {"ours – the seed's": difference, f"within {NEAR:g}": near if difference.n else None}
        )
    return rows


def _of_split(cells: Cells, dataset: str, variation: str) -> Row:
    """Return the figures of a split_lws: concat and the fitted rule, and then the oracle."""
    paths = {
        "concat": "rules.concat.accuracy",
        FITTED: f"rules.{FITTED}.accuracy",
        f"{FITTED}, tail": f"rules.{FITTED}.tail",
        "oracle": "metrics.within_group.accuracy",
        "oracle, tail": "metrics.within_group.tail",
    }
    return cells.row(dataset, "split_lws", variation, paths)


STUDY: dict[str, Callable[[Cells], list[Row]]] = {
    "within": within,
    "swings": last_epochs.swings,
    "rules": rules,
    "rest": rests,
    "cuts": cuts,
    "clipping": clips,
    "divergence": divergence,
    "schedules": schedules,
    "protocols": ranking.protocols,
    "tau": taus,
    "everything": ranking.everything,
    "falling": ranking.falling,
    "bar": bar.differences,
    "confirmed": bar.confirmed,
    "beside_the_seed": beside_the_seed,
}
