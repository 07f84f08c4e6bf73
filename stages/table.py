"""table: metrics as markdown, beside the seed's figures; --experiments, a row per experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import files, params, tables
from stages import main

METRICS = Path("metrics/eval.json")
MODELS = Path("models")
OUT = Path("metrics/table.md")


def run(arguments: Sequence[str]) -> None:
    """Writes metrics/table.md; with --experiments prints one row per DVC experiment instead."""
    if list(arguments) == ["--experiments"]:
        from dvc.api import exp_show

        print(tables.experiments_table(exp_show()), end="")
        return
    if arguments:
        raise ValueError(f"expected --experiments or nothing, got {' '.join(arguments)}")
    run_info = MODELS / params.load().model / "run.json"
    text = tables.run_table(files.read_json(METRICS), files.read_json(run_info))
    with files.whole(OUT) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    main(run)
