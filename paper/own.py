"""RESULTS.md of a grid without roles: on each dataset all methods beside the first, by seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lt.score.stats import Stat
from paper import page, tables
from paper.cells import Cells, Setting
from paper.tables import EVERY, Row
from paper.wording import difference, how_sure_at_once, sentences

LESS = "minus the first"


def comparison(cells: Cells, dataset: str, settings: Sequence[Setting]) -> list[Row]:
    """Make a row for each setting, with what it has more than the first, paired by seed.

    How many images it shows in training is a multiple of the first's.
    """

    def stat(setting: Setting, name: str) -> Stat:
        return cells.stat(dataset, setting.model, f"metrics.{name}", setting.variation)

    first, rows = settings[0], []
    for setting in settings:
        row: Row = {
            "method": setting.title,
            "n": cells.seeds(dataset, setting.model, setting.variation),
        }
        parts = {title: stat(setting, name) for title, name in EVERY.items()}
        row["accuracy"] = parts.pop("accuracy")
        gain = Stat() if setting == first else row["accuracy"] - stat(first, "accuracy")
        row |= difference(LESS, gain) | {"pairs": gain.n or None} | parts
        row["images shown"] = stat(setting, "images") / stat(first, "images")
        rows.append(row)
    return rows


def pages(cells: Cells, folder: Path) -> dict[str, str]:
    """Write a table for each dataset into a folder; return RESULTS.md, by its file name."""
    sections = []
    for dataset, settings in cells.settings().items():
        rows = comparison(cells, dataset, settings)
        sections.append(_section(cells, dataset, rows, tables.write(rows, folder, dataset)))
    beside = [
        {"dataset": dataset, "method": one.title, "params": ", ".join(one.params)}
        for dataset, settings in cells.settings().items()
        for one in settings
        if one.params
    ]
    values = {
        "run": len(cells.scored),
        "cells": len(cells.entries),
        "diverged": sum(cell.failed is not None for cell in cells.scored.values()),
        "sections": sections,
        "params": tables.as_text(beside).strip(),
        "strangers": ", ".join(cells.strangers),
        "provenance": page.provenance(cells),
    }
    return {"RESULTS.md": page.filled("own.md.j2", values)}


def _section(cells: Cells, dataset: str, rows: Sequence[Row], table: str) -> dict[str, Any]:
    sure = how_sure_at_once({row["method"]: row[LESS] for row in rows})
    return {
        "dataset": dataset,
        "facts": cells.datasets[dataset],
        "table": table.strip(),
        "sure": sentences(sure) if sure else "",
        "first": rows[0]["method"],
        "is_compared": len(rows) == 1 or any(row[LESS].n for row in rows),
        "left": [row["method"] for row in rows if not tables.was_run(row)],
    }
