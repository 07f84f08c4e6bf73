"""partition: the classes of a dataset of the grid, cut into groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paper import load
from stages import Parser, main, partition


def run(arguments: Sequence[str]) -> None:
    """Writes --out, as the pipeline's partition does, of what is in --longtail."""
    parser = Parser(prog="python -m paper.partition")
    parser.add_argument("--longtail", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--id", required=True, help="of its params, as cells.json has it")
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args(arguments)
    partition.partition(
        load(given.overrides, "partition", given.id).partition, given.longtail, given.out
    )


if __name__ == "__main__":
    main(run)
