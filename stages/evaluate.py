"""evaluate: outputs of the experts -> metrics; no network runs here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lt import files, params, resolved
from lt.score import classes, metrics, store, validation
from stages import FINAL, METRICS, PARTITION, Started, main, no_arguments

OF_A_RULE = ("accuracy", "balanced_accuracy", "head", "tail", "group_accuracy", "ece", "nll")
CURVES = ("expert", "phase", "epoch", "train_loss", "val_accuracy")


def run(arguments: Sequence[str]) -> None:
    """Write metrics/: what one compares (eval.json), costs, every rule, classes, curves."""
    no_arguments(arguments)
    started = Started("evaluate")
    rule = started.what(params.Evaluate).combine
    run, cut = store.check_both(started.input(FINAL), started.input(PARTITION))
    views, outputs = store.load_views(FINAL), store.load_outputs(FINAL)
    every = metrics.by_rule(views, outputs, cut)
    # what does not apply is refused there
    scored, said = every[rule] or metrics.score(rule, views, outputs, cut)
    of_validation = {
        "val_balanced_accuracy": metrics.on_validation(rule, views, outputs, cut),
        "val_classes": validation.halves_shown(run["data"]["val_counts"], cut),
    }
    costs, history = store.load_costs(FINAL), store.load_history(FINAL)
    started.check()
    files.write_json(METRICS / "eval.json", scored.as_dict() | of_validation)
    files.write_json(METRICS / "costs.json", costs)
    rows = ([name, *_of_a_rule(one and one[0])] for name, one in every.items())
    files.write_csv(METRICS / "rules.csv", ["rule", *OF_A_RULE], rows)
    by_class = classes.rows(said, outputs.test_labels, cut)
    files.write_csv(METRICS / "per_class.csv", classes.COLUMNS, by_class)
    names, order = cut["classes"], [*cut["head"], *cut["tail"]]
    pairs = classes.confusion(said.answers, outputs.test_labels, order)
    mistaken = ([names[actual], names[given], images] for actual, given, images in pairs)
    files.write_csv(METRICS / "confusion.csv", ["actual", "predicted", "images"], mistaken)
    curves = ([row[name] for name in CURVES] for row in history)
    files.write_csv(METRICS / "curves.csv", CURVES, curves)
    made_from = {"training": run["training"], "rule": rule, "code": _code(run)}
    for name in ("eval.json", "per_class.csv"):
        made_from[name] = files.sha256(METRICS / name)
    files.write_json(METRICS / "made_from.json", made_from)


def _code(run: Mapping[str, Any]) -> str:
    """Return a hash of the code that trained, what was started from too, and scored."""
    start, own = run["start"], resolved.read("evaluate")["code"]
    return files.digest([run["code"], start and start["code"], own])


def _of_a_rule(scored: metrics.Metrics | None) -> list[Any]:
    """Return a rule's figures; of one that does not apply, as many gaps."""
    return [scored and getattr(scored, name) for name in OF_A_RULE]


if __name__ == "__main__":
    main(run)
