"""metrics/ on disk: what `evaluate` leaves, and whether it is of a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lt import files
from lt.score import classes

EVAL, CLASSES, MADE_FROM = "eval.json", "per_class.csv", "made_from.json"
FILES = (EVAL, CLASSES, MADE_FROM)


def rule(folder: Path, training: Path, run: Mapping[str, Any]) -> str:
    """Return the rule that the metrics in `folder` are of.

    Raises:
        ValueError: if they are of another training; the arguments are those of `load`.
    """
    made_from = files.read_json(folder / MADE_FROM, "training", "rule")
    if made_from["training"] != run["training"]:
        raise ValueError(
            f"{folder / MADE_FROM}: not of the training in {training}; run `dvc repro`"
        )
    return str(made_from["rule"])


def load(
    folder: Path, training: Path, run: Mapping[str, Any]
) -> tuple[dict[str, Any], list[dict[str, str]], str]:
    """Read eval.json, the rows of per_class.csv, values of which are text, and the rule of both.

    Args:
        folder: where they are.
        training: the folder of the training that they are to be of.
        run: its run.json.

    Raises:
        ValueError: if they are of another training.
    """
    paths = [folder / name for name in (EVAL, CLASSES)]
    made_from = files.read_json(folder / MADE_FROM, "training", "rule")
    for path in paths:
        made = made_from["training"], made_from.get(path.name)
        if made != (run["training"], files.sha256(path)):
            raise ValueError(f"{path}: not of the training in {training}; run `dvc repro`")
    found, rows = files.read_json(paths[0]), files.read_csv(paths[1], classes.COLUMNS)
    return found, rows, str(made_from["rule"])
