"""RESULTS.md: the seed's questions, answered with numbers out of the cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lt.combine import RULES
from paper import tables
from paper.cells import Cells, Stat
from paper.tables import Row

THINS = ("mean", "min", "max", "ratio")
FITTED = "affine"  # the rule that is fitted on validation images to the joint prediction


def within(cells: Cells) -> list[Row]:
    """Question 1: both with the true group given, paired by seed."""
    rows = []
    for dataset in cells.size["main"]:
        row: Row = {"dataset": dataset}
        path = "metrics.within_group.accuracy"
        base, split = (cells.stat(dataset, m, path) for m in ("baseline", "split_lws"))
        row |= {"baseline, restricted": base, "split_lws": split}
        rows.append(row | _difference(split - base))
    return rows


def rules(cells: Cells) -> list[Row]:
    """Question 2: every rule on the seed's split, between the baseline and the oracle."""
    rows = []
    for dataset in cells.size["main"]:
        row: Row = {"dataset": dataset, "n": cells.seeds(dataset, "split_lws")}
        row["oracle"] = cells.stat(dataset, "split_lws", "metrics.within_group.accuracy")
        for rule in RULES:
            if rule not in ("rest", "rest_pair"):  # these need outputs for the rest
                row[rule] = cells.stat(dataset, "split_lws", f"rules.{rule}.accuracy")
        for model in ("baseline", "ensemble"):
            row[model] = cells.stat(dataset, model, "metrics.accuracy")
        rows.append(row)
    return rows


def rests(cells: Cells) -> list[Row]:
    """Question 2: networks that know the rest, by how it is thinned."""
    rows = []
    for dataset in cells.size["study"]:
        for thin in THINS:
            row: Row = {"dataset": dataset, "thinned to": thin}
            row["n"] = cells.seeds(dataset, "split_rest", thin)
            path = "metrics.within_group.accuracy"
            row["oracle"] = cells.stat(dataset, "split_rest", path, thin)
            for rule in ("concat", "concat_softmax", FITTED, "rest", "rest_pair"):
                row[rule] = cells.stat(dataset, "split_rest", f"rules.{rule}.accuracy", thin)
            for model in ("baseline", "ensemble"):
                row[model] = cells.stat(dataset, model, "metrics.accuracy")
            rows.append(row)
    return rows


def cuts(cells: Cells) -> list[Row]:
    """Question 3: how the classes are cut, and into how many groups."""
    variations = [("half, K = 2", "")]
    seen = sorted({variation for _, _, variation in cells.cells if variation.startswith("K ")})
    variations += [(f"half, K = {name[2:]}", name) for name in seen]
    variations += [(name, name) for name in ("mass", "ratio", "shots", "thresholds")]
    return [
        {"dataset": dataset, "cut": title} | _of_split(cells, dataset, variation)
        for dataset in cells.size["cuts"]
        for title, variation in variations
    ]


def clips(cells: Cells) -> list[Row]:
    """Question 3: the norm at which gradients are clipped."""
    own = {("5.0", "")} | {(v[5:], v) for _, _, v in cells.cells if v.startswith("clip ")}
    order = sorted(own, key=lambda pair: math.inf if pair[0] == "null" else float(pair[0]))
    dataset = cells.size["clip"]
    return [
        {"dataset": dataset, "norm": "none" if norm == "null" else norm}
        | _of_split(cells, dataset, variation)
        for norm, variation in order
    ]


def divergence(cells: Cells) -> list[Row]:
    """Question 3: the tail network's NaN."""
    variations = {
        ("shared", "5"): "",
        ("shared", "none"): "clip null",
        ("own", "5"): "own",
        ("own", "none"): "own clip null",
    }
    rows = []
    for dataset in cells.size["nan"]:
        for (batches, clip), variation in variations.items():
            row: Row = {"dataset": dataset, "batches": batches, "clipping norm": clip}
            messages = [cell.failed for cell in cells.of(dataset, "split_lws", variation)]
            row |= _of_split(cells, dataset, variation)
            row["diverged at"] = "; ".join(m.split(":")[0] for m in messages if m) or None
            rows.append(row)
    return rows


def schedules(cells: Cells) -> list[Row]:
    """Question 3: longer, or with a learning rate that falls."""
    size, rows = cells.size, []
    variations = {
        f"{size['epochs']} epochs": "",
        f"{size['long_epochs']} epochs": f"{size['long_epochs']} epochs",
        f"{size['epochs']} epochs, lr falls after {size['decay_epoch']}": (
            f"decay {size['decay_epoch']}"
        ),
    }
    for title, variation in variations.items():
        for model in tables.METHODS:
            row: Row = {"dataset": size["long"], "schedule": title, "method": model}
            rows.append(row | tables.compare_parts(cells, size["long"], model, variation))
    return rows


def taus(cells: Cells) -> list[Row]:
    """Question 3: τ of τ-normalisation."""
    found = {v for _, model, v in cells.cells if model == "tau_norm" and v != "validation"}
    order = [*sorted(found, key=lambda v: float(v[4:])), "validation"]
    rows = []
    for dataset in cells.size["tau"]:
        for variation in order:
            title = variation[4:] if variation != "validation" else "chosen on validation"
            row: Row = {"dataset": dataset, "tau": title}
            row["n"] = cells.seeds(dataset, "tau_norm", variation)
            for part in tables.PARTS:
                row[part] = cells.stat(dataset, "tau_norm", f"metrics.{part}", variation)
            rows.append(row)
    return rows


def everything(cells: Cells) -> list[Row]:
    """Question 4: honest accuracy of all methods, with what they cost."""
    rows = []
    for dataset in cells.size["study"]:
        for one in CANDIDATES:
            row: Row = {"dataset": dataset, "method": one.title}
            row["n"] = cells.seeds(dataset, one.model, one.variation)
            for part in tables.PARTS:
                path = f"rules.{one.rule}.{part}"
                row[part] = cells.stat(dataset, one.model, path, one.variation)
            for name in ("parameters", "images"):
                cost = cells.stat(dataset, one.model, f"metrics.{name}", one.variation)
                row[f"{name} (million)"] = cost.mean / 1e6
            rows.append(row)
    return rows


@dataclass(frozen=True)
class Candidate:
    """A method with the rule that combines it; none has more than the split's two networks."""

    title: str
    is_split: bool
    model: str
    variation: str = ""
    rule: str = "concat"

    def accuracy(self, cells: Cells, dataset: str) -> Stat:
        """Without a label."""
        return cells.stat(dataset, self.model, f"rules.{self.rule}.accuracy", self.variation)


CANDIDATES = [
    *(
        Candidate(model, False, model)
        for model in ("baseline", "ros", "lws_joint", "balanced_softmax", "crt", "ensemble")
    ),
    Candidate("two balanced_softmax networks, averaged", False, "sade", "tau 1 1"),
    *(
        Candidate(f"{model}, {rule}", True, model, "", rule)
        for model in ("split", "split_lws")
        for rule in ("concat", FITTED)
    ),
    *(
        Candidate(f"split_rest ({thin}), {rule}", True, "split_rest", thin, rule)
        for thin in THINS
        for rule in ("rest", FITTED)
    ),
    Candidate("group_softmax", True, "group_softmax"),
    Candidate("distill", True, "distill"),
]


def _of_split(cells: Cells, dataset: str, variation: str) -> Row:
    """split_lws in one variation: oracle, concat, and the fitted rule."""
    row: Row = {"n": cells.seeds(dataset, "split_lws", variation)}
    for title, path in (
        ("oracle", "metrics.within_group.accuracy"),
        ("oracle, tail", "metrics.within_group.tail"),
        ("concat", "rules.concat.accuracy"),
        (FITTED, f"rules.{FITTED}.accuracy"),
        (f"{FITTED}, tail", f"rules.{FITTED}.tail"),
    ):
        row[title] = cells.stat(dataset, "split_lws", path, variation)
    return row


def _difference(difference: Stat) -> Row:
    interval = difference.interval()
    text = f"[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else None
    return {"n": difference.n or None, "difference": difference, "95 % interval": text}


def verdict_within(cells: Cells) -> str:
    """Question 1 in words."""
    lines = []
    for dataset in cells.size["main"]:
        path = "metrics.within_group.accuracy"
        base, split = (cells.stat(dataset, m, path) for m in ("baseline", "split_lws"))
        if (split - base).n:
            lines.append(f"on {dataset} {_in_words(split - base, 'the split', 'the baseline')}")
    return _joined(lines)


def verdict_rules(cells: Cells) -> str:
    """Question 2 in words."""
    lines = []
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
        if oracle.n and base.n:
            lines.append(
                f"on {dataset}, of the oracle's {oracle.mean:.2f} % there remain "
                f"{concat.mean:.2f} % with concat and {fitted.mean:.2f} % with {FITTED}, which is "
                f"fitted on validation images; the baseline has {base.mean:.2f} %"
            )
    return _joined(lines)


def verdict_best(cells: Cells) -> str:
    """Question 4 in words."""
    lines = []
    for dataset in cells.size["study"]:
        found = [(one, one.accuracy(cells, dataset)) for one in CANDIDATES]
        best = [
            max(
                (pair for pair in found if pair[0].is_split == is_split and pair[1].n),
                key=lambda pair: pair[1].mean,
                default=None,
            )
            for is_split in (False, True)
        ]
        if best[0] and best[1]:
            (plain, first), (split, second) = best[0], best[1]
            words = _in_words(second - first, split.title, plain.title)
            lines.append(
                f"on {dataset}, of what was run, the best without a split is {plain.title} "
                f"({first.mean:.2f} %), the best built on one {split.title} "
                f"({second.mean:.2f} %): {words}"
            )
    return _joined(lines)


def _in_words(difference: Stat, ours: str, theirs: str) -> str:
    interval, size = difference.interval(), abs(difference.mean)
    if difference.n == 0:
        return "no seed in common"
    ahead, behind = (ours, theirs) if difference.mean > 0 else (theirs, ours)
    text = f"{ahead} is ahead of {behind} by {size:.2f} points"
    if interval is None:
        return f"{text} (n = 1, no interval)"
    sure = interval[0] > 0 or interval[1] < 0
    text += f" (n = {difference.n}, 95 % interval {interval[0]:.2f} to {interval[1]:.2f})"
    return text if sure else f"{text}, which these seeds do not tell from 0"


def _joined(lines: Sequence[str]) -> str:
    if not lines:
        return "No cell that would answer this has been run."
    text = "; ".join(lines)
    return f"{text[0].upper()}{text[1:]}."


STUDY: dict[str, Callable[[Cells], list[Row]]] = {
    "within": within,
    "rules": rules,
    "rest": rests,
    "cuts": cuts,
    "clipping": clips,
    "divergence": divergence,
    "schedules": schedules,
    "tau": taus,
    "everything": everything,
}
VERDICTS = {"within": verdict_within, "rules": verdict_rules, "everything": verdict_best}


def page(cells: Cells, text: dict[str, str]) -> str:
    """RESULTS.md; `text`: each table as markdown, by name."""
    template = Path(__file__).with_name("results_template.md").read_text()
    run = sum(map(len, cells.cells.values()))
    values = {
        **{f"table_{name}": table.strip() for name, table in text.items()},
        **{f"verdict_{name}": verdict(cells) for name, verdict in VERDICTS.items()},
        "run": str(run),
        "cells": str(cells.number),
        "provenance": _provenance(cells),
        "protocol": _protocol(cells),
    }
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def _protocol(cells: Cells) -> str:
    """What the plain baseline cells were trained with."""
    for dataset in cells.size["main"]:
        for cell in cells.of(dataset, "baseline"):
            train = cell.score["train"]
            return (
                f"{train['backbone']}, SGD for {train['epochs']} epochs, lr {train['lr']:g}, "
                f"momentum {train['momentum']:g}, weight decay {train['weight_decay']:g}, batches "
                f"of {train['batch_size']}, lr falls to a tenth after {train['step_size']} epochs"
            )
    return "that of paper/params.yaml"


def _provenance(cells: Cells) -> str:
    """Where the cells come from: devices, versions and revisions, and how many of each."""
    counts: dict[str, int] = {}
    for cell in (cell for group in cells.cells.values() for cell in group):
        about = cell.score["provenance"]
        changed = " with changes" if about["git_dirty"] else ""
        revision = (about["git"] or "unknown")[:12] + changed
        text = (
            f"{about['device']}, {about['precision']}, python {about['versions']['python']}, "
            f"torch {about['versions']['torch']}, commit {revision}"
        )
        counts[text] = counts.get(text, 0) + 1
    return "\n".join(f"- {number}: {text}" for text, number in counts.items()) or "- none"
