"""prepare: which training images stay, and which of them validate. Indices only, no images."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lt import data, files, longtail, params
from stages import main

OUT = Path("data/longtail")


def run(overrides: Sequence[str]) -> None:
    """Writes train.npy and val.npy (indices into the raw training set), summary and counts."""
    prepare(params.load(overrides).data, OUT)


def prepare(options: params.Data, out: Path) -> None:
    """As `run`, into the folder `out`.

    Raises:
        ValueError: if the dataset is not there, or a class would be left without an image.
    """
    raw = Path("data/raw") / options.name
    labels = np.asarray(data.load(raw, "train_labels"))
    classes = files.read_json(raw / "classes.json")
    subset = longtail.make(labels, len(classes), options)
    with files.whole(out) as folder:
        folder.mkdir()
        np.save(folder / "train.npy", subset.train)
        np.save(folder / "val.npy", subset.val)
        with (folder / "counts.csv").open("w", newline="") as file:
            rows = zip(range(len(classes)), classes, subset.counts, strict=True)
            csv.writer(file).writerows([("label", "class", "images"), *rows])
        files.write_json(
            folder / "summary.json",
            {
                "name": options.name,
                "imb_type": options.imb_type,
                "imb_factor": options.imb_factor,
                "subset": options.subset,
                "seed": options.seed,
                "images": int(subset.counts.sum()),
                "train_images": len(subset.train),
                "val_images": len(subset.val),
                "classes": classes,
                "counts": subset.counts.tolist(),
                "sha256": subset.sha256,
            },
        )


if __name__ == "__main__":
    main(run)
