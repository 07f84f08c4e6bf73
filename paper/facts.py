"""facts: what tables and figures say of a dataset of the grid, with its example images."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from lt import files, params_file
from lt.data import partition
from paper import EXAMPLES
from paper.cell import Dataset, make_subset, read_dataset
from paper.cells import Cells
from stages import RAW


def write_missing(cells: Cells) -> None:
    """Write datasets/<name>.json for the datasets that lack it, if their images are here."""
    for name, about in cells.datasets.items():
        options = params_file.load(cells.dataset_params[name].split(), cells.path).data
        if about is None and (RAW / options.name).exists():
            raw = read_dataset(RAW / options.name)
            _, summary = make_subset(options, raw)
            files.write_json(cells.folder / "datasets" / f"{name}.json", describe(raw, summary))


def describe(raw: Dataset, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a dataset: its counts, the parts of its classes and its example images."""
    counts = np.array(summary["counts"])
    head, tail = partition.halves(counts)
    parts = {"head": head, "tail": tail, **partition.shots(counts)}
    return {**summary, **parts, "examples": [_example(raw, index) for index in EXAMPLES]}


def _example(raw: Dataset, index: int) -> dict[str, Any]:
    """Return a test image as PNG, base64, and its label."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(raw.arrays["test_images"][index].squeeze()).save(buffer, "png")
    png = base64.b64encode(buffer.getvalue()).decode()
    return {"index": index, "label": int(raw.arrays["test_labels"][index]), "png": png}
