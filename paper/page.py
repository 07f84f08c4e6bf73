"""RESULTS.md: the template, filled in with tables, and with what they say in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt.score.stats import Stat
from paper.cells import Cells
from paper.study import CANDIDATES, FITTED, PAIRS, Candidate, within_difference

TEMPLATE = Path(__file__).with_name("results_template.md")


def page(cells: Cells, text: dict[str, str]) -> str:
    """Make the page; `text` is each table as markdown, by name."""
    filled = TEMPLATE.read_text()
    values = {
        **{f"table_{name}": table.strip() for name, table in text.items()},
        "verdict_within": verdict_within(cells),
        "verdict_rules": verdict_rules(cells),
        "verdict_everything": verdict_best(cells),
        "run": str(len(cells.scored)),
        "cells": str(len(cells.entries)),
        "strangers": _strangers(cells),
        "provenance": _provenance(cells),
        "protocol": _protocol(cells),
    }
    for name, value in values.items():
        filled = filled.replace("{" + name + "}", value)
    return filled


def verdict_within(cells: Cells) -> str:
    """Answer question 1 in words."""
    lines = []
    for dataset in cells.size["main"]:
        for (ours, variation), control, besides in PAIRS.values():
            pair = dataset, (ours, variation), control
            total, tail = (within_difference(cells, *pair, part) for part in ("accuracy", "tail"))
            if total.n:
                other = " ".join(filter(None, control))
                lines.append(
                    f"on {dataset}, {in_words(total, ours, other)}; "
                    f"on the tail alone, {in_words(tail, ours, other)}; {besides}"
                )
    return _listed(lines)


def verdict_rules(cells: Cells) -> str:
    """Answer question 2 in words."""
    lines = []
    for dataset in cells.size["main"]:
        oracle = cells.stat(dataset, "split_lws", "metrics.within_group.accuracy")
        if not oracle.n:
            continue
        concat, fitted = (
            cells.stat(dataset, "split_lws", f"rules.{r}.accuracy") for r in ("concat", FITTED)
        )
        parts = [
            f"on {dataset} split_lws has {oracle} % with the true group given; without it, "
            f"{concat} % with concat and {fitted} % with {FITTED}, which is fitted on validation "
            f"images (n = {oracle.n})"
        ]
        for model in ("baseline", "ensemble"):
            control = cells.stat(dataset, model, "metrics.accuracy")
            if (fitted - control).n:
                parts.append(in_words(fitted - control, f"split_lws with {FITTED}", model))
        rest = _best_rest(cells, dataset)
        if rest:
            base = cells.stat(dataset, "baseline", "metrics.accuracy")
            title = f"{rest.named(cells, dataset)} (the best split_rest by validation)"
            parts.append(in_words(rest.stat(cells, dataset) - base, title, "baseline"))
        lines.append("; ".join(parts))
    return _listed(lines)


def _best_rest(cells: Cells, dataset: str) -> Candidate | None:
    return best(cells, dataset, [one for one in CANDIDATES if one.model == "split_rest"])


def verdict_best(cells: Cells) -> str:
    """Answer question 4 in words."""
    lines = []
    for dataset in cells.size["study"]:
        plain, split = (
            best(cells, dataset, [one for one in CANDIDATES if one.is_split == is_split])
            for is_split in (False, True)
        )
        if not plain or not split:
            continue
        first, second = plain.stat(cells, dataset), split.stat(cells, dataset)
        if both := first.by_seed.keys() & second.by_seed.keys():
            first, second = first.over(both), second.over(both)
        names = [one.named(cells, dataset) for one in (plain, split)]
        lines.append(
            f"on {dataset}, of what was run, validation chooses {names[0]} without a split, "
            f"with {first} % on the test images, and {names[1]} with one, with {second} %: "
            f"{in_words(second - first, names[1], names[0])}"
        )
    return _listed(lines)


def best(cells: Cells, dataset: str, candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the candidate with the best balanced validation accuracy; None if none was run."""
    scored = [(one.stat(cells, dataset, "val_balanced"), one) for one in candidates]
    run = [(stat.mean, one) for stat, one in scored if stat.n]
    return max(run, key=lambda pair: pair[0])[1] if run else None


def in_words(difference: Stat, ours: str, theirs: str) -> str:
    """Say who is ahead by how much, and how sure that is."""
    if not difference.n:
        return f"{ours} and {theirs} have no seed in common"
    if not difference.mean:
        return f"{ours} and {theirs} are level (n = {difference.n})"
    sign = 1 if difference.mean > 0 else -1
    ahead, behind = (ours, theirs) if sign > 0 else (theirs, ours)
    text = f"{ahead} is ahead of {behind} by {abs(difference.mean):.2f} points"
    interval = difference.interval()
    if interval is None:
        return f"{text} (n = 1, no interval)"
    low, high = sorted(sign * side for side in interval)
    text += f" (n = {difference.n}, 95 % interval {low:.2f} to {high:.2f})"
    return text if low > 0 else f"{text}, which these seeds do not tell from 0"


def _listed(lines: Sequence[str]) -> str:
    if not lines:
        return "No cell that would answer this has been run."
    return "\n".join(f"- {line[0].upper()}{line[1:]}." for line in lines)


def _strangers(cells: Cells) -> str:
    """Name the score files that are left out."""
    if not cells.strangers:
        return ""
    why = "made with other params or images than their cells have"
    return f"\nLeft out, since they were {why}: {', '.join(cells.strangers)}.\n"


def _protocol(cells: Cells) -> str:
    """Say what the plain baseline cells were trained with."""
    for dataset in cells.size["main"]:
        for cell in cells.of(dataset, "baseline"):
            train = cell.score["train"]
            step, gamma = train["step_size"], train["gamma"]
            falls = f"lr times {gamma:g} every {step} epochs"
            return (
                f"{train['backbone']}, SGD for {train['epochs']} epochs, lr {train['lr']:g}, "
                f"momentum {train['momentum']:g}, weight decay {train['weight_decay']:g}, batches "
                f"of {train['batch_size']}, {falls}"
                f"{' (so it never falls)' if step >= train['epochs'] else ''}"
            )
    return "that of paper/params.yaml"


def _provenance(cells: Cells) -> str:
    """Say where the cells come from: devices, versions and revisions, and how many of each."""
    counts: dict[str, int] = {}
    for cell in cells.scored.values():
        about = cell.score["provenance"]
        changed = " with changes" if about["git_dirty"] else ""
        revision = (about["git"] or "unknown")[:12] + changed
        text = (
            f"{about['device']}, {about['precision']}, python {about['versions']['python']}, "
            f"torch {about['versions']['torch']}, commit {revision}"
        )
        counts[text] = counts.get(text, 0) + 1
    return "\n".join(f"- {number}: {text}" for text, number in counts.items()) or "- none"
