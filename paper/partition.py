"""partition: the classes of a dataset of the grid, cut into groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import params
from paper import PARAMS
from stages import Parser, main, partition


def run(arguments: Sequence[str]) -> None:
    """Writes --out, as the pipeline's partition does, of what is in --longtail."""
    parser = Parser(prog="python -m paper.partition")
    parser.add_argument("--longtail", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args(arguments)
    partition.partition(params.load(given.overrides, PARAMS).partition, given.longtail, given.out)


if __name__ == "__main__":
    main(run)
