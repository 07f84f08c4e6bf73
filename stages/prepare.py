"""prepare: which training images stay, and which of them validate. Indices only, no images."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from lt import files, params
from lt.data import datasets, longtail
from lt.data.views import Ints
from stages import LONGTAIL, RAW, Started, main, no_arguments


def run(arguments: Sequence[str]) -> None:
    """Write train.npy and val.npy (indices into the raw training set), summary and counts."""
    no_arguments(arguments)
    started = Started("data")
    options = started.what(params.Data)
    labels_file = started.input(datasets.path(RAW / options.name, "train_labels"))
    labels = np.asarray(datasets.load(RAW / options.name, "train_labels"))
    classes = files.read_json(started.input(RAW / options.name / "classes.json"))
    about, val = _of_images(started) if options.name == "images" else ({}, None)
    subset = longtail.make(labels, len(classes), options, val)
    if options.name == "images" and options.imb_type != "none":
        left = len(labels) - len(subset.train) - len(subset.val)
        print(
            f"prepare: warning: data.imb_type={options.imb_type} cuts each class to the size of "
            f"the smallest first, and {classes[0]} becomes the largest: {left} of {len(labels)} "
            "images are left out",
            file=sys.stderr,
        )
    with files.whole(LONGTAIL) as folder:
        folder.mkdir()
        np.save(folder / "train.npy", subset.train)
        np.save(folder / "val.npy", subset.val)
        rows = zip(range(len(classes)), classes, subset.counts, strict=True)
        files.write_csv(folder / "counts.csv", ["label", "class", "images"], rows)
        marks = {"labels": files.sha256(labels_file), "files": files.manifest(folder)}
        summary = longtail.summarise(subset, classes, options)
        files.write_json(folder / "summary.json", {**summary, **about, **marks})
        started.check()


def _of_images(started: Started) -> tuple[dict[str, Any], Ints | None]:
    """Return what the summary says of images of one's own, and those that are given to validate."""
    folder = started.input(RAW / "images")
    about = files.read_json(folder / "about.json", "recipe", "sha256")
    val = folder / "val.npy"
    given = files.read_npy(val) if val.exists() else None
    return {"recipe": about.pop("recipe"), "raw": about}, given


if __name__ == "__main__":
    main(run)
