"""predict: what the trained experts, combined, say of image files. Not a stage of dvc.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from lt import files, params
from lt.data import datasets
from lt.nets import net
from lt.score import combine, metrics, predict, store, tables
from stages import FINAL, PARTITION, main


def run(arguments: Sequence[str]) -> None:
    """Print a row per image: the combined answer, and each expert's best own class."""
    if not arguments:
        raise ValueError("expected image files, got none: python -m stages.predict cat.png")
    rule_name = params.read_resolved(params.Evaluate, "evaluate").combine
    form, *_ = files.read_json(FINAL / "experts.json")
    recipe = datasets.RECIPES[files.read_json(FINAL / "run.json")["data"]["name"]]
    pixels = torch.from_numpy(_read(arguments, form["image_size"], form["channels"]))
    views, known = store.load_views(FINAL), store.load_outputs(FINAL)
    logits = [predict.predict(one, pixels, recipe) for one in net.load(FINAL)]
    cut = files.read_json(PARTITION)
    rule = combine.make(rule_name, known.val, known.val_labels, views, cut["groups"])
    p = np.exp(combine.log_softmax(rule(logits, views)))
    sound = metrics.has_distribution(rule_name, known.are_logits)
    print(tables.predictions_table(arguments, p, logits, views, cut["classes"], sound), end="")


def _read(paths: Sequence[str], size: int, channels: int) -> NDArray[np.uint8]:
    """Read images as uint8 (N, size, size, channels): the form that the experts were trained on."""
    images: list[NDArray[Any]] = []
    for path in paths:
        try:
            image = Image.open(path).convert("L" if channels == 1 else "RGB")
        except FileNotFoundError:
            raise ValueError(f"{path}: no such image file") from None
        except OSError:  # of another format, a directory, cut short
            raise ValueError(f"{path}: not a whole image file") from None
        if image.size != (size, size):
            raise ValueError(
                f"{path}: the experts were trained on images of {size}x{size} pixels, "
                f"got {image.size[0]}x{image.size[1]}"
            )
        images.append(np.asarray(image, dtype=np.uint8).reshape(size, size, channels))
    return np.stack(images)


if __name__ == "__main__":
    main(run)
