"""evaluate: outputs of the experts -> metrics; no network runs here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lt import files, params
from lt.data.views import Ints
from lt.score import metrics, store, validation
from stages import FINAL, PARTITION, main, no_arguments

OUT = Path("metrics")
OF_A_RULE = ("accuracy", "balanced_accuracy", "head", "tail", "group_accuracy", "ece", "nll")
CURVES = ("expert", "phase", "epoch", "train_loss", "val_accuracy")


def run(arguments: Sequence[str]) -> None:
    """Write metrics/: what one compares (eval.json), costs, every rule, classes, curves."""
    no_arguments(arguments)
    rule = params.read_resolved(params.Evaluate, "evaluate").combine
    cut, views = files.read_json(PARTITION), store.load_views(FINAL)
    outputs = store.load_outputs(FINAL)
    scored, scores = metrics.score(rule, views, outputs, cut)
    val_classes = validation.halves_shown(outputs.val_labels, cut)
    files.write_json(OUT / "eval.json", {**scored.as_dict(), "val_classes": val_classes})
    files.write_json(OUT / "costs.json", store.load_costs(FINAL))
    every = metrics.by_rule(views, outputs, cut)
    rows = ([name, *_of_a_rule(one and one[0])] for name, one in every.items())
    files.write_csv(OUT / "rules.csv", ["rule", *OF_A_RULE], rows)
    _write_classes(scores.argmax(axis=1), outputs.test_labels, cut)
    curves = ([row[name] for name in CURVES] for row in store.load_history(FINAL))
    files.write_csv(OUT / "curves.csv", CURVES, curves)


def _of_a_rule(scored: metrics.Metrics | None) -> list[Any]:
    """Return a rule's figures; of one that does not apply, as many gaps."""
    return [scored and getattr(scored, name) for name in OF_A_RULE]


def _write_classes(predictions: Ints, labels: Ints, cut: dict[str, Any]) -> None:
    """Write per_class.csv and, with a row per test image, as DVC's plot wants it, confusion.csv."""
    classes, order = cut["classes"], [*cut["head"], *cut["tail"]]
    accuracies = metrics.per_class(predictions, labels, len(classes))
    files.write_csv(
        OUT / "per_class.csv",
        ["rank", "label", "class", "images", "accuracy"],
        ([rank, c, classes[c], cut["counts"][c], accuracies[c]] for rank, c in enumerate(order)),
    )
    pairs = ([classes[a], classes[p]] for a, p in zip(labels, predictions, strict=True))
    files.write_csv(OUT / "confusion.csv", ["actual", "predicted"], pairs)


if __name__ == "__main__":
    main(run)
