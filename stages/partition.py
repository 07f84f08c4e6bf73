"""partition: cut the classes into groups by their measured frequency."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lt import files, params
from lt.data import partition
from stages import main, no_arguments

SUMMARY = Path("data/longtail/summary.json")
OUT = Path("data/partition.json")


def run(arguments: Sequence[str]) -> None:
    """Write the counts, the K groups, the two halves and the many/medium/few classes."""
    no_arguments(arguments)
    options = params.read_resolved(params.Partition, "partition")
    summary = files.read_json(SUMMARY)
    cut = partition.describe(np.array(summary["counts"]), summary["classes"], options)
    files.write_json(OUT, cut)


if __name__ == "__main__":
    main(run)
