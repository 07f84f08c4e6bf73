"""keep_test: the test images of one's own as a file, for a test set that is to stay. No stage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lt import files, params, resolved
from stages import LISTING, Parser, main


def run(arguments: Sequence[str]) -> None:
    """Write a CSV file, path and label, of the test images that data/listing.json has."""
    parser = Parser(
        "python -m stages.keep_test",
        description="Write the present test set of your own images as a CSV file. With -S "
        "images.test=FILE it stays the test set, whatever comes to the folder.",
    )
    parser.add_argument("out", metavar="FILE", help="a .csv that is not there yet")
    out = Path(parser.parse_args(arguments).out)
    if out.suffix.lower() != ".csv":
        raise ValueError(f"expected the name of a .csv, got {out}")
    if out.exists():
        raise ValueError(f"expected a new file, got {out}, which exists and may be your own")
    if not LISTING.exists():
        raise ValueError(f"{LISTING} is not there: `dvc repro` with data.name=images makes it")
    listing = files.read_json(LISTING, "classes", "files", "test")
    classes, test = listing["classes"], listing["files"]["test"]
    root = resolved.what(params.Listing, "listing").root  # from which the paths are to start
    start = out.absolute().parent if root is None else files.given(root)
    paths = [os.path.relpath(path, start) for path, *_ in test]
    for path in paths:
        try:
            path.encode()
        except UnicodeEncodeError:
            raise ValueError(f"expected files named in UTF-8 for a .csv, got {path!r}") from None
    labels = [classes[label] for _, label, *_ in test]
    files.write_csv(out, ["path", "label"], zip(paths, labels, strict=True))
    hint = "they stay without this file, since they are given"
    if listing["test"].startswith("drawn"):
        hint = f"dvc exp run -S images.test={out} keeps them"
    print(f"{out}: {len(test)} images; {hint}")


if __name__ == "__main__":
    main(run, own_help=True)
