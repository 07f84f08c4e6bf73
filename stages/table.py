"""table: metrics as markdown, beside the seed's figures; --experiments, a row per experiment."""

from __future__ import annotations

from collections.abc import Sequence

from lt import files, resolved, unchanged
from lt.score import store, tables
from stages import CODE, CODE_ROOT, FINAL, METRICS, main, refuse_if_changed

EVAL = METRICS / "eval.json"
MADE_FROM = METRICS / "made_from.json"
RUN = FINAL / "run.json"
OUT = METRICS / "table.md"


def run(arguments: Sequence[str]) -> None:
    """Write metrics/table.md; with --experiments print one row per DVC experiment instead."""
    if list(arguments) == ["--experiments"]:
        from dvc.api import exp_show

        print(tables.experiments_table(exp_show()), end="")
        return
    if arguments:
        raise ValueError(f"expected --experiments or nothing, got {' '.join(arguments)}")
    inputs = unchanged.Snapshot([EVAL, MADE_FROM, RUN])
    made_from, run = files.read_json(MADE_FROM, "training", "eval"), store.load_run(FINAL)
    metrics = files.read_json(EVAL)
    if made_from != {"training": run["training"], "eval": files.sha256(EVAL)}:
        raise ValueError(f"{EVAL} is not of the training in {FINAL}: run `dvc repro`")
    text = tables.run_table(metrics, run)
    with files.whole(OUT) as temporary:
        temporary.write_text(text)
        before, now = (resolved.code_of("table", c) for c in (CODE, unchanged.code(CODE_ROOT)))
        edited = [name for name in before if before[name] != now.get(name)]
        refuse_if_changed([*map(str, inputs.changed()), *edited])


if __name__ == "__main__":
    main(run)
