"""listing: which files of one's own train, validate and test; none is decoded yet."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lt import files, params
from lt.data import listing
from stages import LISTING, Started, main, no_arguments


def run(arguments: Sequence[str]) -> None:
    """Write data/listing.json: classes, and of each file its path, label, size and times.

    DVC runs it whenever it is asked for these images, and goes on if something has changed.
    """
    no_arguments(arguments)
    started = Started("listing")
    found = listing.make(started.what(params.Listing))
    print(f"listing: {listing.in_words(found)}")
    for warning in found["warnings"]:
        print(f"listing: warning: {warning}", file=sys.stderr)
    started.check()
    del found["skipped"]  # a file that plays no part makes nothing out of date
    files.write_json(LISTING, found)


if __name__ == "__main__":
    main(run)
