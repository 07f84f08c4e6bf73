"""RESULTS.md and TABLES.md: the templates, filled in with answers, tables, machines and commits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

from jinja2 import Environment, StrictUndefined

from lt import params
from paper import answers, contests, published, study, tables
from paper.cells import TIMED, Cells
from paper.tables import Row
from paper.wording import Answer, sentences

PAGES = {"RESULTS.md": "results.md.j2", "TABLES.md": "tables.md.j2"}  # and their templates
WIDTH = 100  # characters of a line of prose
TITLES = {  # of the tables that may have no cell
    "table2": "Table 2",
    "main": "the main table",
    "measures": "what else is measured",
    "beside_the_seed": "the seed's figures beside ours",
    "long": "200 epochs",
    "time": "time",
    "examples": "example predictions",
    "within": "the group alone",
    "swings": "the last epoch",
    "rules": "rules",
    "rest": "networks with a class for the rest",
    "cuts": "how to cut",
    "clipping": "the clipping norm",
    "divergence": "the NaN of the tail network",
    "schedules": "the seed's network for longer, or with lr falling",
    "protocols": "the two protocols",
    "tau": "τ of τ-normalisation",
    "everything": "all methods",
    "falling": "all methods, where the learning rate falls",
    "bar": "pairs of networks, beside the bar",
    "confirmed": "what was said beforehand",
    "published": "published figures beside ours",
    "every_cell": "every cell",
}


def pages(
    cells: Cells, rows: Mapping[str, Sequence[Row]], text: Mapping[str, str]
) -> dict[str, str]:
    """Make the pages, by their file names.

    Args:
        cells: the grid as far as it was run.
        rows: of each table, by name.
        text: the same as markdown, of the rows that were run; "" of none. A table of settings of
            which one alone was run is left out.
    """
    text = {
        name: table if study.has_comparison(name, rows[name]) else ""
        for name, table in text.items()
    }
    known = {name: make(cells) for name, make in answers.ANSWERS.items()}
    values = {
        "answers": {name: _answer(one) for name, one in known.items()},
        "tables": {name: one.strip() and _part(rows[name], one) for name, one in text.items()},
        "shown": {name: one.split("\n")[0] for name, one in text.items()},  # columns
        "not_run": [title for name, title in TITLES.items() if not text[name]],
        "methods_not_run": contests.not_run(cells),
        "not_in_the_grid": ", ".join(_not_in_the_grid(cells)),
        "run": len(cells.scored),
        "of_one_seed": _of_one_seed(cells),
        "untrained": _untrained(cells),
        "cells": len(cells.entries),
        "strangers": ", ".join(cells.strangers),
        "provenance": provenance(cells),
        "protocol": _protocol(cells),
        "published": [sentences([one]) for one in published.said(cells) if one],
    }
    return {name: filled(template, values) for name, template in PAGES.items()}


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a template of this folder, and break the lines of its prose."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    whole = Path(__file__).with_name(template).read_text()
    return "\n\n".join(map(_wrapped, environment.from_string(whole).render(values).split("\n\n")))


def _answer(one: Answer) -> dict[str, Any]:
    """Return what the template takes, its rows as markdown."""
    return asdict(one) | {"table": tables.as_text(one.rows).strip()}


def _of_one_seed(cells: Cells) -> int:
    """Count the settings of which one seed was run.

    A cell that was run for its time is the same training once more, and no setting of its own.
    """
    seeds: dict[tuple[str, str, str], set[int]] = {}
    for entry in (cells.entries[name] for name in cells.scored):
        variation = "" if entry["variation"] == TIMED else entry["variation"]
        seeds.setdefault((entry["dataset"], entry["model"], variation), set()).add(entry["seed"])
    return sum(len(one) == 1 for one in seeds.values())


def _untrained(cells: Cells) -> int:
    """Count the cells that change the network of another cell, and train nothing."""
    updates = {name: cell.get("metrics.updates") for name, cell in cells.scored.items()}
    starts = {name: cells.entries[name]["start"] for name in updates}
    return sum(
        start in updates and updates[name] is not None and updates[name] == updates[start]
        for name, start in starts.items()
    )


def _not_in_the_grid(cells: Cells) -> list[str]:
    there = {entry["model"] for entry in cells.entries.values()}
    return [f"`{name}`" for name in params.method_names() if name not in there]


def _wrapped(block: str) -> str:
    """Break the lines of a paragraph and of a list; leave tables and headings as they are."""
    if block.startswith(("|", "#", "!")):
        return block
    end = "\n" if block.endswith("\n") else ""
    listed = block.startswith(("- ", "1. "))
    if listed:  # the template breaks its items
        block = re.sub(r"\n +", " ", block)
    style = TextWrapper(WIDTH, break_long_words=False, break_on_hyphens=False)
    style.subsequent_indent = " " * (block.index(" ") + 1) if listed else ""
    return "\n".join(map(style.fill, block.splitlines() if listed else [block])) + end


def _part(rows: Sequence[Row], text: str) -> str:
    """Return a table, and how much of it was run if that is not all."""
    done = sum(map(tables.was_run, rows))
    rest = f"\n\nRows that have been run: {done} of {len(rows)}." if done < len(rows) else ""
    return f"{text.strip()}{rest}"


def _protocol(cells: Cells) -> str:
    """Say what the plain baseline cells were trained with."""
    for dataset in cells.size["main"]:
        for cell in cells.of(dataset, "baseline"):
            train = cell.score["train"]
            step, gamma = train["step_size"], train["gamma"]
            when = f"every {step} epochs" if step else f"after epochs {train['milestones']}"
            falls = f"lr times {gamma:g} {when}"
            return (
                f"{train['backbone']}, SGD for {train['epochs']} epochs, lr {train['lr']:g}, "
                f"momentum {train['momentum']:g}, weight decay {train['weight_decay']:g}, batches "
                f"of {train['batch_size']}, {falls}"
                f"{' (so it never falls)' if step and step >= train['epochs'] else ''}"
            )
    return "that of paper/params.yaml"


def provenance(cells: Cells) -> str:
    """Say where the cells come from: a line for each machine, with how many of each revision."""
    machines: dict[str, Counter[str]] = {}
    for cell in cells.scored.values():
        about = cell.score["provenance"]
        changed = " with changes" if about["git_dirty"] else ""
        machine = (
            f"{about['device']}, {about['precision']}, python {about['versions']['python']}, "
            f"torch {about['versions']['torch']}"
        )
        revision = (about["git"] or "unknown")[:12] + changed
        if about.get("scored_by") not in (None, about["git"]):
            revision += f", scored again at {about['scored_by'][:12]}"
        machines.setdefault(machine, Counter())[revision] += 1
    lines = [
        f"- {commits.total()} on {machine}; commits "
        + ", ".join(f"{revision} ({number})" for revision, number in commits.items())
        for machine, commits in machines.items()
    ]
    return "\n".join(lines) or "- none"
