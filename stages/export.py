"""export: the trained networks and their rule as one file. Not a stage of dvc.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt import files
from lt.data import datasets, longtail
from lt.data.stored import Stored
from lt.data.views import Ints
from lt.out import about, formats, networks, proof
from lt.out.module import Model
from lt.out.networks import Networks
from lt.score import scored, store
from stages import FINAL, LONGTAIL, METRICS, PARTITION, RAW, Parser, main

IMAGES = 256  # of the test set, or of noise, that the file is compared on


def run(arguments: Sequence[str]) -> None:
    """Write model.onnx or model.pt2, and model.onnx.json or model.pt2.json beside it."""
    parser = Parser(
        "python -m stages.export",
        description="Export the networks and their rule as one file, .onnx or .pt2.",
    )
    parser.add_argument("out", metavar="FILE", help="model.onnx or model.pt2")
    out = Path(parser.parse_args(arguments).out)
    formats.check(out)
    trained = networks.load(FINAL, PARTITION, scored.rule(METRICS, FINAL, store.load_run(FINAL)))
    told = about.metadata(trained)
    shape = trained.size, trained.size, trained.channels
    with files.whole(out) as written:
        formats.write(Model(trained), shape, told, out.suffix, written)
        compared = proof.compare(trained, formats.load(out.suffix, written), _images(trained))
        told["compared"] = {part: asdict(one) for part, one in compared.items()}
        told["sha256"] = files.sha256(written)
    files.write_json(f"{out}.json", told)
    for part, one in compared.items():
        print(
            f"{part}: {one.images} images, largest difference of {told['output']} "
            f"{one.difference:.2g}, {one.answers} answers differ"
            + (" (ties)" if one.answers else "")
        )
    print(f"{out}: {out.stat().st_size / 2**20:.1f} MiB")


def _images(trained: Networks) -> dict[str, Iterator[NDArray[np.uint8]]]:
    """Give all validation images, and some test images, in batches.

    It is noise if these were images of one's own that are no longer those that are stored.
    """
    summary: Mapping[str, Any] = trained.run["data"]
    folder = RAW / summary["name"]
    try:
        longtail.check_raw(folder, summary, FINAL)
    except (OSError, ValueError):
        if summary["name"] in datasets.RECIPES:
            raise
        print(f"export: {folder} has other photos than {FINAL} knows: compared on noise")
        shape = IMAGES, trained.size, trained.size, trained.channels
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        return {"noise": _batches(Stored(noise, np.arange(IMAGES)))}
    train, test = (datasets.load(folder, f"{part}_images") for part in ("train", "test"))
    val: Ints = files.read_npy(LONGTAIL / "val.npy")
    some = np.linspace(0, len(test) - 1, min(IMAGES, len(test))).astype(np.int64)
    return {"validation": _batches(Stored(train, val)), "test": _batches(Stored(test, some))}


def _batches(stored: Stored) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(stored), proof.BATCH):
        yield stored.read(slice(start, start + proof.BATCH))


if __name__ == "__main__":
    main(run, own_help=True)
