"""suggest: the methods that fit these counts, and why. Not a stage of dvc.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from lt.score import scored, store, suggest, tables
from stages import FINAL, METRICS, PARTITION, main


def run(arguments: Sequence[str]) -> None:
    """Print what counts, and the two or three methods to try next, each with its reason."""
    if arguments:
        raise ValueError(f"expected no arguments, got {' '.join(arguments)}")
    run, cut = store.check_both(FINAL, PARTITION)
    _, rows, _ = scored.load(METRICS, FINAL, run)
    print(fill(f"Of the last run: {tables.title(run)}", 100))
    found = suggest.numbers(cut, run["data"]["val_counts"], rows)
    for name, value in suggest.facts(found):
        print(f"{name}: {value}")
    print(fill(suggest.gap(found, run["model"]), 100))
    if hint := suggest.pretrained(run):
        print(fill(hint, 100))
    for one in suggest.suggest(found):
        at_hand = "    # the model at hand" if one.method == run["model"] else ""
        print(f"\ndvc exp run -S model={one.method}{at_hand}")
        print(fill(one.reason, 100, initial_indent="    ", subsequent_indent="    "))


if __name__ == "__main__":
    main(run)
