"""predict: what the trained experts, combined, say of image files. Not a stage of dvc.yaml."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lt import images, params, resolved
from lt.data import datasets
from lt.nets import net
from lt.score import combine, metrics, predict, store, tables
from stages import FINAL, PARTITION, main


def run(arguments: Sequence[str]) -> None:
    """Print a row per image: the combined answer, and each expert's best own class.

    An image of another size than those of the training is cut to a square and scaled. Files that
    are no image are named at the end.
    """
    if not arguments:
        raise ValueError("expected image files, got none: python -m stages.predict cat.png")
    rule_name = resolved.what(params.Evaluate, "evaluate").combine
    cut, run = store.load_cut(PARTITION), store.check(FINAL)
    store.check_cut(FINAL, run, PARTITION, cut)
    form, *_ = store.load_experts(FINAL)
    recipe = datasets.recipe(run["data"])
    read, problems = _read(arguments, form["image_size"], form["channels"])
    if read:
        pixels = torch.from_numpy(np.stack(list(read.values())))
        views, known = store.load_views(FINAL), store.load_outputs(FINAL)
        logits = [predict.predict(one, pixels, recipe) for one in net.load(FINAL)]
        rule = combine.make(rule_name, known.val, known.val_labels, views, cut["groups"])
        if rule_name == "unlabelled":  # weighted as in metrics/, not by the images given here
            rule = partial(combine.weighted, told=known.test)
        p = np.exp(combine.log_softmax(rule(logits, views)))
        sound = metrics.has_distribution(rule_name, known.are_logits)
        print(tables.predictions_table(list(read), p, logits, views, cut["classes"], sound), end="")
    if problems:
        raise ValueError("\n".join(problems))


def _read(
    paths: Sequence[str], size: int, channels: int
) -> tuple[dict[str, NDArray[np.uint8]], list[str]]:
    """Read images as uint8 (size, size, channels): the form that the experts were trained on.

    Returns:
        those that can be read, by their paths, and what is wrong with the others.
    """
    read: dict[str, NDArray[Any]] = {}
    problems, scaled = [], 0
    for path in paths:
        try:
            image = images.read(path, "L" if channels == 1 else "RGB")
        except ValueError as error:
            problems.append(str(error))
            continue
        scaled += image.size != (size, size)
        image = images.square(image, size)
        read[path] = np.asarray(image, dtype=np.uint8).reshape(size, size, channels)
    if scaled:
        print(
            f"predict: {scaled} of {len(paths)} images were cut to a square and scaled to "
            f"{size}x{size} pixels, the size of the training",
            file=sys.stderr,
        )
    return read, problems


if __name__ == "__main__":
    main(run)
