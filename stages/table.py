"""table: metrics as markdown, beside the seed's figures; --experiments, a row per experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import files
from lt.score import tables
from stages import FINAL, main

METRICS = Path("metrics/eval.json")
OUT = Path("metrics/table.md")


def run(arguments: Sequence[str]) -> None:
    """Write metrics/table.md; with --experiments print one row per DVC experiment instead."""
    if list(arguments) == ["--experiments"]:
        from dvc.api import exp_show

        print(tables.experiments_table(exp_show()), end="")
        return
    if arguments:
        raise ValueError(f"expected --experiments or nothing, got {' '.join(arguments)}")
    text = tables.run_table(files.read_json(METRICS), files.read_json(FINAL / "run.json"))
    with files.whole(OUT) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    main(run)
