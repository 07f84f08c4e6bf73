"""Markdown tables of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from lt import params
from lt.score import validation
from lt.score.stats import MISSING

# What the 2022 report printed; `figure` says which of ours is the same quantity: its split was
# scored with the true group given.
SEED_FIGURES = Path(__file__).with_name("seed_figures.csv")
FIGURES = {
    "accuracy": "accuracy (no label used)",
    "within_group": "within_group (the true group is given)",
}
ONE_NUMBER = {
    "balanced_accuracy": "balanced_accuracy (mean of the classes)",
    "group_accuracy": "group_accuracy",
}


def run_table(metrics: Mapping[str, Any], run: Mapping[str, Any], rule: str) -> str:
    """Make a table of this run's three figures, beside the seed's if there are any.

    The seed's are those for the same dataset and method.

    Args:
        metrics: what eval.json holds.
        run: what run.json holds: model, train and data.
        rule: how the networks' outputs became one answer.
    """
    rows = []
    for key, label in FIGURES.items():
        part = metrics if key == "accuracy" else metrics[key]
        rows.append(
            {"figure": label, **{name: part[name] for name in ("accuracy", "head", "tail")}}
        )
    for key, label in ONE_NUMBER.items():
        rows.append({"figure": label, "accuracy": metrics[key]})
    for row in seed_rows(run["model"], run["data"]):
        epochs = "" if pd.isna(row["epochs"]) else f", {row['epochs']:.0f} epochs"
        label = f"the seed's {FIGURES[row['figure']]}, {row['table']}{epochs}"
        rows.append({"figure": label, **{name: row[name] for name in ("accuracy", "head", "tail")}})
    model, rest = title(run).split(" ", 1)
    seen = validation.in_words(metrics["val_classes"], len(run["data"]["classes"]))
    return (
        f"**{model}** {rest}, rule {rule}, n = 1; percent of the test images\n\n"
        f"{to_markdown(pd.DataFrame(rows))}\n{seen[0].upper()}{seen[1:]}.\n"
    )


def title(run: Mapping[str, Any]) -> str:
    """Say in a line what was trained; `run`: what run.json holds."""
    data, train = run["data"], run["train"]
    kind = shape(data["name"], data["imb_type"], f"{data['imb_factor']:g}")
    subset = "" if data["imb_type"] == "none" else f"{data['subset']}, "
    return (
        f"{run['model']} on {kind} ({subset}{data['images']} images), {train['backbone']}, "
        f"{train['epochs']} epochs, seed {run['seed']}"
    )


def shape(name: str, imb_type: str, imb_factor: str) -> str:
    """Name a dataset and its imbalance, where it was made: "digits exp 0.1", or "images"."""
    kind = params.suited(imb_type, name)
    return name if kind == "none" else f"{name} {kind} {imb_factor}"


def to_markdown(frame: pd.DataFrame) -> str:
    """Render a table with two decimals, and a dash where there is no number."""
    cells = {name: [_cell(value) for value in frame[name]] for name in frame.columns}
    return f"{pd.DataFrame(cells).to_markdown(index=False, disable_numparse=True)}\n"


def _cell(value: Any) -> str:
    if pd.isna(value):
        return MISSING
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def seed_rows(model: str, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the seed's tables of a method on a dataset of params.yaml."""
    seed = _seed_figures()
    same = seed[
        (seed["model"] == model)
        & (seed["name"] == data["name"])
        & (seed["imb_type"] == data["imb_type"])
        & (seed["imb_factor"] == data["imb_factor"])
    ]
    return [{str(key): value for key, value in row.items()} for row in same.to_dict("records")]


@cache
def _seed_figures() -> pd.DataFrame:
    return pd.read_csv(SEED_FIGURES)
