"""images: the files of data/listing.json, decoded and scaled, as arrays in data/raw/images."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import joblib

from lt import files, params, process
from lt.data import photos
from stages import LISTING, RAW, Started, main, no_arguments


def run(arguments: Sequence[str]) -> None:
    """Write data/raw/images; what cannot be read is listed."""
    no_arguments(arguments)
    started = Started("images")
    keys = ("classes", "files", "given", "test", "val", "roots")
    listing = files.read_json(started.input(LISTING), *keys)
    number = sum(map(len, listing["files"].values()))
    bar = process.Bar(number, "decoded", "images")
    options = started.what(params.Images)
    with files.whole(RAW / "images") as folder:
        about, warnings = photos.store(listing, options, folder, joblib.cpu_count(), bar.advance)
        started.check()
    for warning in warnings:
        print(f"images: warning: {warning}", file=sys.stderr)
    if about["corrupt"]:
        print(
            f"images: {len(about['corrupt'])} images skipped that cannot be read:",
            *about["corrupt"],
            sep="\n",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main(run)
