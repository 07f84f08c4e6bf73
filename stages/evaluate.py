"""evaluate: outputs of the experts -> metrics; no network runs here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import files, params
from lt.score import metrics, store
from stages import FINAL, PARTITION, main, no_arguments

OUT = Path("metrics")
OF_A_RULE = ("accuracy", "balanced_accuracy", "head", "tail", "group_accuracy", "ece", "nll")
CURVES = ("expert", "phase", "epoch", "train_loss", "val_accuracy")


def run(arguments: Sequence[str]) -> None:
    """Write metrics/: what one compares (eval.json), costs, every rule, classes, curves.

    confusion.csv has a row per test image, with its true and predicted class, which DVC's plot
    counts.
    """
    no_arguments(arguments)
    combine = params.read_resolved(params.Evaluate, "evaluate").combine
    cut, views, outputs = (
        files.read_json(PARTITION),
        store.load_views(FINAL),
        store.load_outputs(FINAL),
    )
    labels, classes = outputs.test_labels, cut["classes"]
    scored, scores = metrics.score(combine, views, outputs, cut)
    predictions = scores.argmax(axis=1)
    accuracies = metrics.per_class(predictions, labels, len(classes))
    order = [*cut["head"], *cut["tail"]]
    every = metrics.by_rule(views, outputs, cut)

    files.write_json(OUT / "eval.json", scored.as_dict())
    files.write_json(OUT / "costs.json", store.load_costs(FINAL))
    files.write_csv(
        OUT / "rules.csv",
        ["rule", *OF_A_RULE],
        (
            [rule, *(one and getattr(one[0], key) for key in OF_A_RULE)]
            for rule, one in every.items()
        ),
    )
    files.write_csv(
        OUT / "per_class.csv",
        ["rank", "label", "class", "images", "accuracy"],
        ([rank, c, classes[c], cut["counts"][c], accuracies[c]] for rank, c in enumerate(order)),
    )
    files.write_csv(
        OUT / "confusion.csv",
        ["actual", "predicted"],
        ([classes[a], classes[p]] for a, p in zip(labels, predictions, strict=True)),
    )
    curves = ([row[name] for name in CURVES] for row in store.load_history(FINAL))
    files.write_csv(OUT / "curves.csv", CURVES, curves)


if __name__ == "__main__":
    main(run)
