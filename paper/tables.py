"""The tables of the seed, with ours beside its figures, all of them out of the cells alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lt.score import validation
from lt.score.combine import RULES
from lt.score.stats import MISSING, Stat
from lt.score.tables import seed_rows, to_markdown
from paper.cells import TIMED, Cell, Cells

Row = dict[str, Any]
METHODS = ("baseline", "lws_joint", "split_lws")
PARTS = ("accuracy", "head", "tail")
EVERY = {"accuracy": "accuracy", "head": "head", "tail": "tail", "macro F1": "macro_f1"}
EVERY |= {"group given": "within_group.accuracy", "right group": "group_accuracy"}
# Section 5.4: seconds of training and test on an RTX 3060 Ti, 100 epochs, dataset 1 (so the text;
# the table's title says dataset 5, and its LWS row is of that one).
SEED_TIMES = {
    "baseline": (1163.96, 4.73),
    "lws_joint": (1165.85, 4.97),
    "split_lws": (1869.83, 10.04),
}
TIMES = {"train_s": "training", "test_s": "test"}  # of a cell's "timing", as in SEED_TIMES
BACKBONE = "resnet18"  # of the seed
SHORT = Path(__file__).parents[1] / "bench/results/split.json"  # what `python -m bench split` keeps
# Section 5.5: outputs of the head's and the tail's network for test images of CIFAR-10
SEED_EXAMPLES = Path(__file__).with_name("seed_examples.csv")
SEED_ANSWERS = {0: 3, 1: 8, 99: 3}  # section 5.5: test image -> class, by concat


def datasets(cells: Cells) -> list[Row]:
    """Make table 1: the datasets, with counts as measured; the seed's are numbered."""
    rows = []
    numbers = {name: number for number, name in enumerate(cells.size["main"], 1)}
    for name, facts in cells.datasets.items():
        row: Row = {"": numbers.get(name, ""), "dataset": name}
        if facts:
            counts, seen = facts["counts"], validation.halves_shown(facts["val_counts"], facts)
            row |= {
                "classes": len(counts),
                "images": facts["images"],
                "head": sum(counts[label] for label in facts["head"]),
                "tail": sum(counts[label] for label in facts["tail"]),
                "largest": max(counts),
                "smallest": min(counts),
                "many/medium/few classes": "/".join(
                    str(len(facts[part])) for part in ("many", "medium", "few")
                ),
                "training": facts["train_images"],
                "validation": facts["val_images"],
                "classes in validation: head": seen["head"],
                "classes in validation: tail": seen["tail"],
                "subset (sha256)": facts["sha256"][:12],
            }
        rows.append(row)
    return rows


def table2(cells: Cells) -> list[Row]:
    """Make table 2: the tendency, on one dataset."""
    models = ("baseline", "ros", "lws_joint", "split_lws")
    return [_compare(cells, cells.size["table2"], model, "Table 2") for model in models]


def main_table(cells: Cells) -> list[Row]:
    """Make the main table: every dataset, three methods."""
    return [
        _compare(cells, dataset, model, "main table")
        for dataset in cells.size["main"]
        for model in METHODS
    ]


def measures(cells: Cells) -> list[Row]:
    """Make a table of what else is measured, without a label: every dataset, three methods."""
    paths = {"macro F1": "macro_f1", "many": "many", "medium": "medium", "few": "few"}
    paths |= {"calibration error": "ece", "negative log-likelihood (nats)": "nll"}
    metrics = {title: f"metrics.{name}" for title, name in paths.items()}
    return [
        {"dataset": dataset, "method": model} | cells.row(dataset, model, "", metrics)
        for dataset in cells.size["main"]
        for model in METHODS
    ]


def every_cell(cells: Cells) -> list[Row]:
    """Make a table of all that was run, whatever it was run for: means over seeds.

    The cells that ran for their times are left out: the same trainings are in it.
    """
    paths = {title: f"metrics.{name}" for title, name in EVERY.items()}
    ran = dict.fromkeys(
        (cell.entry["dataset"], cell.entry["model"], cell.entry["variation"])
        for cell in cells.scored.values()
        if cell.entry["variation"] != TIMED
    )
    return [
        {"dataset": dataset, "method": f"{model} {variation}".strip()}
        | cells.row(dataset, model, variation, paths)
        for dataset, model, variation in ran
    ]


def long_table(cells: Cells) -> list[Row]:
    """Make the table of 200 epochs, on one dataset."""
    variation = f"{cells.size['long_epochs']} epochs"
    dataset = cells.size["long"]
    return [_compare(cells, dataset, model, "200 epochs", variation) for model in METHODS]


def times(cells: Cells) -> list[Row]:
    """Return seconds of training and test of cells that ran alone, all on the same dataset.

    There is a row per method and device, whose ratios are those to the baseline on this device, by
    seed.
    """
    dataset, rows = cells.size["table2"], []
    for model in METHODS:
        ran = cells.finished(dataset, model, TIMED)
        for device in dict.fromkeys(map(_device, ran)) or [MISSING]:
            number = _seconds(cells, model, "train_s", device).n
            row: Row = {"dataset": dataset, "method": model, "n": number or None}
            for k, (key, title) in enumerate(TIMES.items()):
                base, ours = (_seconds(cells, m, key, device) for m in ("baseline", model))
                row |= {f"{title} (s)": ours, f"{title} / baseline": ours / base}
                seed, seed_base = SEED_TIMES[model][k], SEED_TIMES["baseline"][k]
                row |= {f"the seed's {title} (s)": seed}
                row |= {f"the seed's {title} / baseline": seed / seed_base}
            rows.append({**row, "device": device})
    return rows


def short_times(_cells: Cells) -> list[Row]:
    """Return seconds of short trainings and test passes that took turns.

    They are those of `python -m bench split`, of the seed's network. "own" is a split with batches
    of its own images.
    """
    told = json.loads(SHORT.read_text())
    rows: list[Row] = []
    for one in told["rows"]:
        if one["backbone"] != BACKBONE:
            continue
        seed_times = SEED_TIMES.get(one["method"])
        k = ("training", "test pass").index(one["part"])
        seed = seed_times[k] / SEED_TIMES["baseline"][k] if seed_times else None
        named = {key: one[key] for key in ("part", "method", "seconds")}
        ratios = {"/ baseline": one["over baseline"], "the seed's / baseline": seed}
        rows.append({**named, **ratios, "device": _machine(told)})
    return rows


def _device(cell: Cell) -> str:
    return _machine(cell.score["provenance"])


def _machine(about: Mapping[str, Any]) -> str:
    """Name a device, with its threads where they were recorded."""
    number = about.get("threads")
    threads = [f"{number} thread{'s' if number > 1 else ''}"] if number else []
    return ", ".join([about["device"], about["precision"], *threads])


def _seconds(cells: Cells, model: str, key: str, device: str) -> Stat:
    """Return the seconds of the cells that were run on a device."""
    dataset = cells.size["table2"]
    found = cells.finished(dataset, model, TIMED)
    seeds = {cell.entry["seed"] for cell in found if _device(cell) == device}
    return cells.stat(dataset, model, f"timing.{key}", TIMED).over(seeds)


def examples(cells: Cells) -> list[Row]:
    """Return what both networks say of three test images, and what the seed's networks said.

    The seed's figures are in its section 5.5.
    """
    shown, facts = shown_examples(cells)
    seed = pd.read_csv(SEED_EXAMPLES).set_index(["image", "network"])
    rows = []
    for example in shown:
        names = facts["classes"]
        image = {"image": example["index"], "label": names[example["label"]]}
        for network, logits in zip(("head", "tail"), example["logits"], strict=True):
            rows.append({**image, "network": network, **dict(zip(names, logits, strict=True))})
        for network in ("head", "tail") if _is_cifar10(cells) else ():
            logits = seed.loc[(example["index"], network)].tolist()
            given = {"network": f"the seed's {network}"}
            rows.append({**image, **given, **dict(zip(names, logits, strict=True))})
    return rows


def answers(cells: Cells) -> list[Row]:
    """Return what each rule makes of both networks' outputs, beside the seed's answer.

    The seed's answers are in its section 5.5.
    """
    shown, facts = shown_examples(cells)
    rows: list[Row] = []
    for example in shown:
        names = facts["classes"]
        row: Row = {"image": example["index"], "label": names[example["label"]]}
        for rule in RULES:
            if rule in example["answers"]:
                row[rule] = names[example["answers"][rule]]
        if _is_cifar10(cells):
            row["the seed's concat"] = names[SEED_ANSWERS[example["index"]]]
        rows.append(row)
    return rows


def write(rows: Sequence[Row], folder: Path, name: str) -> str:
    """Write <name>.csv of all rows and <name>.md of those that were run; return the markdown.

    The markdown is "" where nothing was run. For a Stat, the CSV file has mean, sd and n.
    """
    text = as_text([row for row in rows if was_run(row)])
    (folder / f"{name}.md").write_text(text or "No cell of this table was run.\n")
    _numbers(rows).to_csv(folder / f"{name}.csv", index=False)
    return text


def was_run(row: Row) -> bool:
    """Check whether a cell of the row was run, if it tells a number of seeds."""
    return "n" not in row or row["n"] not in (None, MISSING)


def as_text(rows: Sequence[Row]) -> str:
    """Return rows as markdown, without the columns that are empty in all of them; "" for none.

    A figure of fewer or more seeds than its row says tells how many.
    """
    shown = [{key: _text_of_stat(value, row) for key, value in row.items()} for row in rows]
    frame = pd.DataFrame(shown, dtype=object)  # whole numbers stay whole beside a dash
    return to_markdown(frame.dropna(axis="columns", how="all")) if rows else ""


def _text_of_stat(value: Any, row: Row) -> Any:
    """Return a Stat as text, a missing value as None, all else as it is."""
    if not isinstance(value, Stat):
        return None if value == MISSING else value
    number = str(row.get("n") or "").split(" ")[0]  # "2 and 1 diverged"
    others = f" (n = {value.n})" if number.isdecimal() and int(number) != value.n else ""
    return f"{value}{others}" if value.n else None


def _numbers(rows: Sequence[Row]) -> pd.DataFrame:
    flat = []
    for row in rows:
        new: Row = {}
        for key, value in row.items():
            if isinstance(value, Stat):
                new |= {key: value.mean, f"{key}, sd": value.sd, f"{key}, n": value.n}
            else:
                new[key] = value
        flat.append(new)
    return pd.DataFrame(flat, dtype=object)


def compare_parts(cells: Cells, dataset: str, model: str, variation: str = "") -> Row:
    """Return the three figures, the first two also of head and tail, and the optimizer's steps."""
    paths = {part: f"metrics.{part}" for part in PARTS}
    paths |= {f"within: {part}": f"metrics.within_group.{part}" for part in PARTS}
    paths |= {"right group": "metrics.group_accuracy"}
    updates = cells.stat(dataset, model, "metrics.updates", variation)
    return {**cells.row(dataset, model, variation, paths), "updates": _whole(updates)}


def _whole(stat: Stat) -> int | None:
    """Return the mean of counts, to the nearest whole number."""
    return round(stat.mean) if stat.n else None


def _compare(cells: Cells, dataset: str, model: str, table: str, variation: str = "") -> Row:
    """Return a row for a method on a dataset, beside the seed's figures in one of its tables."""
    name, imb_type, factor = dataset.split("-")
    data = {"name": name, "imb_type": imb_type, "imb_factor": float(factor)}
    seed: Row = {f"the seed's: {part}": None for part in PARTS} | {"the seed's is": None}
    for row in seed_rows(model, data):
        if row["table"] != table:
            continue
        seed = {f"the seed's: {part}": row[part] for part in PARTS}
        seed["the seed's is"] = {"within_group": "within"}.get(row["figure"], row["figure"])
    return {
        "dataset": dataset,
        "method": model,
        **compare_parts(cells, dataset, model, variation),
        **seed,
    }


def _is_cifar10(cells: Cells) -> bool:
    """Check whether the examples are the seed's."""
    return bool(cells.size["table2"].startswith("cifar10-"))


def shown_examples(cells: Cells) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the examples of the first seed of split_lws, and the dataset's facts.

    Both are empty if it was not run.
    """
    dataset = cells.size["table2"]
    facts, runs = cells.datasets[dataset], cells.finished(dataset, "split_lws")
    return (runs[0].score["examples"], facts) if runs and facts else ([], {})
