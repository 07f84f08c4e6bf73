"""The networks of a training, their rule and their words: all that an answer needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lt.data import datasets
from lt.nets import net
from lt.out.answers import Floats, Words
from lt.score import combine, metrics, predict, store


@dataclass(frozen=True)
class Networks:
    """Trained networks, combined.

    Attributes:
        run: run.json, where they come from.
        nets: one of each expert.
        recipe: how pixels are normalised.
        size: pixels along a side of an image.
        channels: 1 for grey, 3 for colours.
        rule_name: how their outputs become one.
        rule: the same, with what was fitted.
        words: the classes, groups and views.
    """

    run: dict[str, Any]
    nets: tuple[net.Net, ...]
    recipe: datasets.Recipe
    size: int
    channels: int
    rule_name: str
    rule: combine.Rule
    words: Words

    def scores(self, pixels: NDArray[np.uint8]) -> tuple[Floats, list[Floats]]:
        """Return (N, C) combined scores, and of each network its outputs (N, width)."""
        images = torch.from_numpy(pixels)
        logits: list[Floats] = [predict.predict(one, images, self.recipe) for one in self.nets]
        return self.rule(logits, self.words.views), logits


def load(folder: Path, partition: Path, rule_name: str) -> Networks:
    """Load the networks of a training.

    Args:
        folder: of the training.
        partition: partition.json.
        rule_name: one of combine.RULES.

    Raises:
        ValueError: if files are damaged or do not belong together, or the rule does not apply.
    """
    run, cut = store.check_both(folder, partition)
    form, *_ = store.load_experts(folder)
    views, known = store.load_views(folder), store.load_outputs(folder)
    groups: Sequence[Sequence[int]] = cut["groups"]
    rule = combine.settle(rule_name, combine.Validation.of(known, views, cut), known.test)
    sound = metrics.has_distribution(rule_name, known.are_logits)
    return Networks(
        run,
        net.load(folder),
        datasets.recipe(run["data"]),
        form["image_size"],
        form["channels"],
        rule_name,
        rule,
        Words(cut["classes"], groups, views, sound),
    )
