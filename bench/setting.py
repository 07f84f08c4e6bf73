"""Real images for the benchmarks, as the train loop wants them."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import torch
from torchvision.datasets import CIFAR10

from lt import params_file
from lt.data import datasets
from lt.data.views import Ints
from lt.train import step
from lt.train.device import pick_device, pick_precision

OPTIONS = dataclasses.replace(
    params_file.load().train, batch_size=128, clip_norm=5.0, precision="auto", deterministic=True
)


@cache
def _cifar10() -> tuple[np.ndarray, Ints]:
    dataset = CIFAR10(str(datasets.ARCHIVES))
    return dataset.data, np.array(dataset.targets)


def device() -> torch.device:
    """Return the device on which the benchmarks run."""
    return pick_device(OPTIONS.deterministic)


def cifar10(
    number: int, backbone: str, labels: Ints | None = None, seed: int = 0, **changes: Any
) -> step.Setting:
    """Make a setting of the first images of CIFAR-10's training set; none to validate on.

    labels: other ones than the images' own; changes: of OPTIONS.
    """
    options = dataclasses.replace(OPTIONS, backbone=backbone, **changes)
    pixels, own = _cifar10()
    on_device = torch.from_numpy(np.ascontiguousarray(pixels[:number])).to(device())
    train = step.Images(on_device, own[:number] if labels is None else labels)
    val = step.Images(on_device[:0], train.labels[:0])
    precision = pick_precision(options.precision, on_device.device)
    recipe, counts = datasets.RECIPES["cifar10"], np.bincount(train.labels, minlength=10)
    return step.Setting(train, val, recipe, options, seed, on_device.device, precision, counts)


def longtail(counts: list[int]) -> np.ndarray:
    """Return indices of the first `counts[c]` images of each class of CIFAR-10's training set."""
    _, labels = _cifar10()
    return np.sort(
        np.concatenate([np.flatnonzero(labels == c)[:count] for c, count in enumerate(counts)])
    )


def subset(setting: step.Setting, index: np.ndarray) -> step.Setting:
    """Return the setting with some of its training images only."""
    where = torch.from_numpy(index).to(setting.device)
    train = step.Images(setting.train.pixels[where], setting.train.labels[index])
    return dataclasses.replace(setting, train=train)
