"""evaluate: outputs of the experts -> metrics; no network runs here."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lt import files, metrics, params, results, scoring
from stages import main

PARTITION = Path("data/partition.json")
MODELS = Path("models")
OUT = Path("metrics")


def run(overrides: Sequence[str]) -> None:
    """Writes metrics/eval.json, per_class.csv and confusion.csv.

    confusion.csv has a row per test image, true and predicted class: what DVC's plot counts.
    """
    options = params.load(overrides)
    cut, model = files.read_json(PARTITION), MODELS / options.model
    views, outputs = results.load_views(model), results.load_outputs(model)
    labels = outputs.test_labels

    scored, scores = scoring.score(options.evaluate.combine, views, outputs, cut)
    every = scoring.by_rule(views, outputs, cut)
    result = {
        **scored.as_dict(),
        "combine": {name: one[0].accuracy if one else None for name, one in every.items()},
        **results.load_costs(model),
    }
    files.write_json(OUT / "eval.json", result)
    classes, predictions = cut["classes"], scores.argmax(axis=1)
    accuracies = metrics.per_class(predictions, labels, len(classes))
    order = [label for group in (cut["head"], cut["tail"]) for label in group]
    _write_csv(
        "per_class.csv",
        ["rank", "label", "class", "images", "accuracy"],
        [[rank, c, classes[c], cut["counts"][c], accuracies[c]] for rank, c in enumerate(order)],
    )
    _write_csv(
        "confusion.csv",
        ["actual", "predicted"],
        [[classes[a], classes[p]] for a, p in zip(labels, predictions, strict=True)],
    )


def _write_csv(name: str, header: list[str], rows: list[list[Any]]) -> None:
    with files.whole(OUT / name) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    main(run)
