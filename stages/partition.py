"""partition: cut the classes into groups by their measured frequency."""

from __future__ import annotations

from collections.abc import Sequence

from lt import files, params
from lt.data import longtail, partition
from stages import LONGTAIL, PARTITION, Started, main, no_arguments


def run(arguments: Sequence[str]) -> None:
    """Write the counts, the K groups, the two halves and the many/medium/few classes."""
    no_arguments(arguments)
    started = Started("partition")
    options = started.what(params.Partition)
    summary = longtail.read_summary(started.input(LONGTAIL))
    cut = partition.describe(summary, options)
    started.check()
    files.write_json(PARTITION, cut)


if __name__ == "__main__":
    main(run)
