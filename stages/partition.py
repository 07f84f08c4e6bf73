"""partition: the classes cut into groups by their measured frequency."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lt import files, groups, params
from stages import main

LONGTAIL = Path("data/longtail")
OUT = Path("data/partition.json")


def run(overrides: Sequence[str]) -> None:
    """Writes the counts, the K groups, the two halves and the many/medium/few classes."""
    partition(params.load(overrides).partition, LONGTAIL, OUT)


def partition(options: params.Partition, longtail: Path, out: Path) -> None:
    """As `run`, of what `prepare` made in the folder `longtail`, into the file `out`.

    Raises:
        ValueError: if the classes cannot be cut so.
    """
    summary = files.read_json(longtail / "summary.json")
    counts = np.array(summary["counts"])
    cut = groups.partition(counts, options.criterion, options.num_groups, options.thresholds)
    head, tail = groups.halves(counts)
    files.write_json(
        out,
        {
            "classes": summary["classes"],
            "counts": counts.tolist(),
            "criterion": options.criterion,
            "groups": cut,
            "head": head,
            "tail": tail,
            **groups.shots(counts),
        },
    )


if __name__ == "__main__":
    main(run)
