"""prepare: which training images stay, and which of them validate. Indices only, no images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lt import files, params
from lt.data import datasets, longtail
from stages import RAW, main, no_arguments

OUT = Path("data/longtail")


def run(arguments: Sequence[str]) -> None:
    """Write train.npy and val.npy (indices into the raw training set), summary and counts."""
    no_arguments(arguments)
    options = params.read_resolved(params.Data, "data")
    raw = RAW / options.name
    labels = np.asarray(datasets.load(raw, "train_labels"))
    classes = files.read_json(raw / "classes.json")
    subset = longtail.make(labels, len(classes), options)
    with files.whole(OUT) as folder:
        folder.mkdir()
        np.save(folder / "train.npy", subset.train)
        np.save(folder / "val.npy", subset.val)
        rows = zip(range(len(classes)), classes, subset.counts, strict=True)
        files.write_csv(folder / "counts.csv", ["label", "class", "images"], rows)
        files.write_json(folder / "summary.json", longtail.summarise(subset, classes, options))


if __name__ == "__main__":
    main(run)
