"""predict: what the trained experts, combined, say of image files. Not a stage of dvc.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from lt import combine, data, files, models, outputs, params, plan, results, tables
from stages import main

MODELS = Path("models")
PARTITION = Path("data/partition.json")


def run(arguments: Sequence[str]) -> None:
    """Prints a row per image: the combined answer, and each expert's best own class."""
    if not arguments:
        raise ValueError("expected image files, got none: python -m stages.predict cat.png")
    options = params.load()
    folder = MODELS / options.model
    cut, info = files.read_json(PARTITION), files.read_json(folder / "run.json")
    recipe, classes = data.RECIPES[info["data"]["name"]], cut["classes"]
    raw = Path("data/raw") / info["data"]["name"]
    pixels = _read(arguments, data.load(raw, "test_images").shape[1:])
    task = plan.Task(tuple(cut["counts"]), tuple(map(tuple, cut["groups"])), 1, 2, 0.1)
    trained, views = models.load(folder, task, pixels.shape[-1]), results.load_views(folder)
    logits = [outputs.predict(net, torch.from_numpy(pixels), recipe) for net in trained]
    known = results.load_outputs(folder)
    rule = combine.make(options.evaluate.combine, known.val, known.val_labels, views)
    scores = rule(logits, views)
    p = np.exp(combine.log_softmax(scores))
    print(tables.predictions_table(arguments, p, logits, views, classes), end="")


def _read(paths: Sequence[str], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 (N, H, W, channels) of the shape that the experts were trained on."""
    images: list[NDArray[Any]] = []
    for path in paths:
        try:
            image = Image.open(path).convert("L" if shape[-1] == 1 else "RGB")
        except FileNotFoundError:
            raise ValueError(f"{path}: no such image file") from None
        except OSError:  # of another format, a directory, cut short
            raise ValueError(f"{path}: not a whole image file") from None
        if image.size != (shape[1], shape[0]):
            raise ValueError(
                f"{path}: the experts were trained on images of {shape[1]}x{shape[0]} pixels, "
                f"got {image.size[0]}x{image.size[1]}"
            )
        images.append(np.asarray(image, dtype=np.uint8).reshape(shape))
    return np.stack(images)


if __name__ == "__main__":
    main(run)
