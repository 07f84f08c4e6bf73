"""table: metrics as a table and a figure; --experiments: those of all experiments so far."""

from __future__ import annotations

from collections.abc import Sequence

from lt import files, resolved, unchanged
from lt.score import extremes, figures, metrics, store, tables
from stages import CODE, CODE_ROOT, FINAL, METRICS, main, refuse_if_changed

EVAL = METRICS / "eval.json"
MADE_FROM = METRICS / "made_from.json"
RUN = FINAL / "run.json"
CLASSES = METRICS / "per_class.csv"
TABLE, FIGURE = METRICS / "table.md", METRICS / "accuracy.png"
EXPERIMENTS = METRICS / "experiments.png"  # not in git: it is of one clone's experiments


def run(arguments: Sequence[str]) -> None:
    """Write table.md and accuracy.png; with --experiments print and draw DVC's experiments."""
    if list(arguments) == ["--experiments"]:
        _experiments()
        return
    if arguments:
        raise ValueError(f"expected --experiments or nothing, got {' '.join(arguments)}")
    inputs = unchanged.Snapshot([EVAL, CLASSES, MADE_FROM, RUN])
    made_from, run = files.read_json(MADE_FROM, "training"), store.load_run(FINAL)
    found = {"training": run["training"]} | {p.name: files.sha256(p) for p in (EVAL, CLASSES)}
    if made_from != found:
        raise ValueError(f"{EVAL} or {CLASSES} is not of the training in {FINAL}: run `dvc repro`")
    scored = files.read_json(EVAL)
    rows = files.read_csv(CLASSES, metrics.PER_CLASS)
    figure = figures.by_rank(rows, tables.title(run))
    with files.whole(FIGURE) as drawn, files.whole(TABLE) as written:
        figures.save(figure, drawn)
        written.write_text(tables.run_table(scored, run) + extremes.table(rows))
        before, now = (resolved.code_of("table", c) for c in (CODE, unchanged.code(CODE_ROOT)))
        edited = [name for name in before if before[name] != now.get(name)]
        refuse_if_changed([*map(str, inputs.changed()), *edited])


def _experiments() -> None:
    from dvc.api import exp_show

    rows = tables.experiments(exp_show())
    if not rows:
        print("no experiment yet: dvc exp run -S model=split_lws")
        return
    print(tables.experiments_table(rows), end="")
    with files.whole(EXPERIMENTS) as drawn:
        figures.save(figures.experiments(tables.experiments_points(rows)), drawn)
    print(f"\n{EXPERIMENTS} shows them.")


if __name__ == "__main__":
    main(run)
