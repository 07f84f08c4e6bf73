"""score: outputs of a cell -> one small file with all that tables and figures need of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lt import combine, files, metrics, plan, results, scoring
from lt.combine import Views
from paper import EXAMPLES, FAILED
from stages import Parser, main

RULE = "concat"  # of what has one rule only: classes, confusion, calibration
LAST = 15  # epochs, of which the validation accuracy is told
MAX_CONFUSION = 20  # classes, up to which the confusion matrix is kept
OF_A_RULE = ("accuracy", "head", "tail", "group_accuracy", "nll")
PROVENANCE = ("device", "instructions", "threads", "precision", "versions", "git", "git_dirty")


def run(arguments: Sequence[str]) -> None:
    """Writes --out from the folder --model and the file --partition."""
    parser = Parser(prog="python -m paper.score")
    for name in ("model", "partition", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args(arguments)
    about = files.read_json(given.model / "run.json")
    score: dict[str, Any] = {
        "method": about["method"],
        "start": about["start"] and about["start"]["method"],
        "train": about["train"],
        "seed": about["seed"],
        "subset_sha256": about["data"]["sha256"],
        "provenance": {name: about[name] for name in PROVENANCE},
    }
    failed = given.model / FAILED
    score |= (
        {"failed": files.read_json(failed)["message"]}
        if failed.exists()
        else _scores(given.model, files.read_json(given.partition))
    )
    files.write_json(given.out, score)


def _scores(model: Path, cut: dict[str, Any]) -> dict[str, Any]:
    outputs, classes = results.load_outputs(model), len(cut["classes"])
    views = results.load_views(model)
    every = scoring.by_rule(views, outputs, cut)
    applied = {rule: one for rule, one in every.items() if one}
    scored, scores = applied[RULE]
    predictions = scores.argmax(axis=1)
    accuracies = metrics.per_class(predictions, outputs.test_labels, classes)
    return {
        "metrics": {**scored.as_dict(), **results.load_costs(model)},
        "rules": {
            rule: {name: getattr(one[0], name) for name in OF_A_RULE}
            | {"val_balanced": _on_validation(rule, views, outputs)}
            if one
            else None
            for rule, one in every.items()
        },
        "groups": [len(group) for group in cut["groups"]],
        "timing": {**files.read_json(model / "timing.json"), "steady_s": _steady_s(model)},
        "last_epochs": _last_epochs(model),
        # of each class, the most frequent first
        "by_rank": [accuracies[label] for label in (*cut["head"], *cut["tail"])],
        "confusion": _confusion(outputs.test_labels, predictions, classes),
        "examples": [_example(index, outputs, applied) for index in EXAMPLES],
    }


def _history(model: Path) -> list[list[dict[str, str]]]:
    """The rows of history.csv, in order, by expert."""
    with (model / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    experts = range(len(files.read_json(model / "experts.json")))
    return [[row for row in rows if int(row["expert"]) == k] for k in experts]


def _steady_s(model: Path) -> float | None:
    """Seconds of training if every epoch of a network had had the speed of its median epoch.

    The time by the clock, less what other work beside fewer than half of the epochs has cost. None
    of what starts from another training, whose epochs are not here.
    """
    if files.read_json(model / "run.json")["start"]:
        return None
    seconds, steady = 0.0, 0.0  # of all networks; up to a factor, if they ran side by side
    for rows, expert in zip(_history(model), files.read_json(model / "experts.json"), strict=True):
        images = expert["images"] / len(rows)
        for phase in dict.fromkeys(row["phase"] for row in rows):
            speeds = [float(row["images_per_s"]) for row in rows if row["phase"] == phase]
            seconds += sum(images / speed for speed in speeds)
            steady += len(speeds) * images / float(np.median(speeds))
    return float(files.read_json(model / "timing.json")["train_s"]) * steady / seconds


def _last_epochs(model: Path) -> dict[str, dict[str, float]]:
    """By expert: its validation accuracy in the last epoch, and the range in those before."""
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


def _on_validation(rule: str, views: Views, outputs: results.Outputs) -> float | None:
    """Mean of the classes' accuracies on validation images, by which the study chooses."""
    labels = outputs.val_labels
    if not len(labels):
        return None
    scores = combine.make(rule, outputs.val, labels, views)(outputs.val, views)
    accuracies = metrics.per_class(scores.argmax(axis=1), labels, scores.shape[1])
    return float(np.mean([one for one in accuracies if one is not None]))


def _confusion(labels: plan.Ints, predictions: plan.Ints, classes: int) -> list[list[int]] | None:
    """Images by actual and predicted class; None of too many classes."""
    if classes > MAX_CONFUSION:
        return None
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (labels, predictions), 1)
    return confusion.tolist()


def _example(
    index: int, outputs: results.Outputs, applied: dict[str, scoring.Scored]
) -> dict[str, Any]:
    """One test image: what each network says of it, and what each rule makes of that."""
    logits = [block[index].astype(float) for block in outputs.test]
    return {
        "index": index,
        "label": int(outputs.test_labels[index]),
        "logits": [np.round(one, 4).tolist() for one in logits],
        "answers": {rule: int(scores[index].argmax()) for rule, (_, scores) in applied.items()},
    }


if __name__ == "__main__":
    main(run)
