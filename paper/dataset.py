"""dataset: one long-tailed dataset of the grid, and a page of facts about it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lt import data, files, groups
from paper import EXAMPLES, load
from stages import Parser, main, prepare


def run(arguments: Sequence[str]) -> None:
    """Writes the indices (--longtail) and their facts (--out), with the example images."""
    parser = Parser(prog="python -m paper.dataset")
    parser.add_argument("--longtail", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--id", required=True, help="of its params, as cells.json has it")
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args(arguments)
    options = load(given.overrides, "data", given.id).data
    prepare.prepare(options, given.longtail)
    summary = files.read_json(given.longtail / "summary.json")
    counts = np.array(summary["counts"])
    head, tail = groups.halves(counts)
    examples = _examples(Path("data/raw") / options.name)
    parts = {"head": head, "tail": tail, **groups.shots(counts)}
    files.write_json(given.out, {**summary, **parts, "examples": examples})


def _examples(raw: Path) -> list[dict[str, Any]]:
    """The example images as PNG, base64, and their labels."""
    from PIL import Image

    images, labels = data.load(raw, "test_images"), data.load(raw, "test_labels")
    examples = []
    for index in EXAMPLES:
        pixels, buffer = np.array(images[index]), io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(buffer, "png")
        png = base64.b64encode(buffer.getvalue()).decode()
        examples.append({"index": index, "label": int(labels[index]), "png": png})
    return examples


if __name__ == "__main__":
    main(run)
