"""One small file out of what a training has left, with all that tables and figures need of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lt import files, params
from lt.data.views import Ints
from lt.score import classes, metrics, store, validation
from paper import EXAMPLES

RULE = "concat"  # of what has one rule only: classes, confusion, calibration
LAST = 15  # epochs, of which the validation accuracy is told
MAX_CONFUSION = 20  # classes, up to which the confusion matrix is kept
OF_A_RULE = ("accuracy", "head", "tail", "group_accuracy", "nll")
PROVENANCE = ("device", "instructions", "threads", "precision", "versions", "git", "git_dirty")


def score(folder: Path, cut: Mapping[str, Any], options: params.Params) -> dict[str, Any]:
    """Make the score file of a cell.

    Args:
        folder: the folder of its training.
        cut: its partition.json.
        options: its params.
    """
    run = store.load_run(folder)
    return {**about(run, options), **_scores(folder, run, cut)}


def about(run: Mapping[str, Any], options: params.Params) -> dict[str, Any]:
    """Return what a score file says of a cell, however it ended; `run` is its run.json."""
    return {
        "model": run["model"],
        "method": run["method"],
        "start": run["start"] and run["start"]["method"],
        "train": run["train"],
        "partition": asdict(options.partition),
        "seed": run["seed"],
        "subset_sha256": run["data"]["sha256"],
        "provenance": {name: run[name] for name in (*PROVENANCE, "code")}
        | {"start_code": run["start"] and run["start"]["code"]},
    }


def _scores(model: Path, run: Mapping[str, Any], cut: Mapping[str, Any]) -> dict[str, Any]:
    outputs, num = store.load_outputs(model), len(cut["classes"])
    views = store.load_views(model)
    every = metrics.by_rule(views, outputs, cut)
    applied = {rule: one for rule, one in every.items() if one}
    scored, said = applied[RULE]
    predictions = said.answers
    accuracies = classes.accuracies(predictions, outputs.test_labels, num)
    return {
        "metrics": {**scored.as_dict(), **store.load_costs(model)},
        "rules": {
            rule: {name: getattr(one[0], name) for name in OF_A_RULE}
            | {"val_balanced": metrics.on_validation(rule, views, outputs, cut)}
            if one
            else None
            for rule, one in every.items()
        },
        "val_classes": validation.halves_shown(run["data"]["val_counts"], cut),
        "groups": [len(group) for group in cut["groups"]],
        "timing": files.read_json(model / "timing.json"),
        "last_epochs": _last_epochs(model),
        # of each class, the most frequent first
        "by_rank": [accuracies[label] for label in (*cut["head"], *cut["tail"])],
        "confusion": _confusion(outputs.test_labels, predictions, num),
        "examples": [_example(index, outputs, applied) for index in EXAMPLES],
    }


def _history(model: Path) -> list[list[dict[str, str]]]:
    """Return the rows of history.csv, in order, by expert."""
    rows = store.load_history(model)
    experts = range(len(files.read_json(model / "experts.json")))
    return [[row for row in rows if int(row["expert"]) == k] for k in experts]


def _last_epochs(model: Path) -> dict[str, dict[str, float]]:
    """Return by expert its validation accuracy in the last epoch, and the range in those before."""
    found = {}
    for k, rows in enumerate(_history(model)):
        *before, last = [float(row["val_accuracy"] or "nan") for row in rows[-LAST:]] or [np.nan]
        if before and np.isfinite([*before, last]).all():
            found[str(k)] = {
                "last epoch": last,
                "lowest before": min(before),
                "highest before": max(before),
            }
    return found


def _confusion(labels: Ints, predictions: Ints, num_classes: int) -> list[list[int]] | None:
    """Count images by actual and predicted class; None for too many classes."""
    if num_classes > MAX_CONFUSION:
        return None
    confusion = np.zeros((num_classes, num_classes), int)
    np.add.at(confusion, (labels, predictions), 1)
    return confusion.tolist()


def _example(
    index: int, outputs: store.Outputs, applied: dict[str, metrics.Scored]
) -> dict[str, Any]:
    """Describe one test image: what each network says of it, and what each rule makes of that."""
    logits = [block[index].astype(float) for block in outputs.test]
    return {
        "index": index,
        "label": int(outputs.test_labels[index]),
        "logits": [np.round(one, 4).tolist() for one in logits],
        "answers": {rule: int(said.answers[index]) for rule, (_, said) in applied.items()},
    }
