"""predict: what the trained experts, combined, say of image files. Not a stage of dvc.yaml."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from lt import params, resolved
from lt.data import datasets
from lt.nets import net
from lt.score import combine, metrics, predict, store, tables
from stages import FINAL, PARTITION, main


def run(arguments: Sequence[str]) -> None:
    """Print a row per image: the combined answer, and each expert's best own class."""
    if not arguments:
        raise ValueError("expected image files, got none: python -m stages.predict cat.png")
    rule_name = resolved.what(params.Evaluate, "evaluate").combine
    cut, run = store.load_cut(PARTITION), store.check(FINAL)
    store.check_cut(FINAL, run, PARTITION, cut)
    form, *_ = store.load_experts(FINAL)
    recipe = datasets.RECIPES[run["data"]["name"]]
    pixels = torch.from_numpy(_read(arguments, form["image_size"], form["channels"]))
    views, known = store.load_views(FINAL), store.load_outputs(FINAL)
    logits = [predict.predict(one, pixels, recipe) for one in net.load(FINAL)]
    rule = combine.make(rule_name, known.val, known.val_labels, views, cut["groups"])
    p = np.exp(combine.log_softmax(rule(logits, views)))
    sound = metrics.has_distribution(rule_name, known.are_logits)
    print(tables.predictions_table(arguments, p, logits, views, cut["classes"], sound), end="")


def _read(paths: Sequence[str], size: int, channels: int) -> NDArray[np.uint8]:
    """Read images as uint8 (N, size, size, channels): the form that the experts were trained on."""
    images: list[NDArray[Any]] = []
    for path in paths:
        image = _open(path, size, "L" if channels == 1 else "RGB")
        images.append(np.asarray(image, dtype=np.uint8).reshape(size, size, channels))
    return np.stack(images)


def _open(path: str, size: int, mode: str) -> Image.Image:
    """Read one image; its size is looked at before its pixels are."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused by its size
            with Image.open(path) as image:
                given = image.size
                if given == (size, size):
                    return image.convert(mode)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such image file") from None
    except Exception as error:  # a decoder raises whatever it likes: of a bomb, of broken bytes
        raise ValueError(f"{path}: not a whole image file ({error})") from None
    raise ValueError(
        f"{path}: the experts were trained on images of {size}x{size} pixels, "
        f"got {given[0]}x{given[1]}"
    )


if __name__ == "__main__":
    main(run)
