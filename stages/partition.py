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
    options = params.load(overrides).partition
    summary = files.read_json(LONGTAIL / "summary.json")
    counts = np.array(summary["counts"])
    cut = groups.partition(counts, options.criterion, options.num_groups, options.thresholds)
    head, tail = groups.halves(counts)
    files.write_json(
        OUT,
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
