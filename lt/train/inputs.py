"""What a training is given: images in their place, and what a method may know of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lt import files, params
from lt.data import datasets
from lt.data import longtail as subset
from lt.data.stored import Stored
from lt.data.views import ClassView, Ints
from lt.score import store
from lt.train import plan, step
from lt.train.device import pick_device, pick_precision, use_threads
from lt.train.together import ALONE, Team


@dataclass(frozen=True)
class Inputs:
    """The images of a training, and how they are cut.

    Attributes:
        raw: the arrays of a dataset as published, by their names in `datasets.Raw`.
        train: indices of the training images in it.
        val: indices of the validation images in it.
        summary: what `prepare` says of the subset.
        partition: what `partition` says of the groups.
    """

    raw: Mapping[str, NDArray[Any]]
    train: Ints
    val: Ints
    summary: dict[str, Any]
    partition: dict[str, Any]

    @classmethod
    def read(
        cls,
        raw: Path,
        longtail: Path,
        partition: Path,
        about_to_read: Callable[[Path], Path] = lambda path: path,
    ) -> Inputs:
        """Read what the stages before have written.

        Args:
            raw: the folder of all datasets.
            longtail: the folder of the subset.
            partition: the file of the groups.
            about_to_read: called with each folder and file before it is read.

        Raises:
            ValueError: if a file is not whole, or they do not belong together.
        """
        summary = subset.read_summary(about_to_read(longtail))
        cut = store.load_cut(about_to_read(partition))
        folder = about_to_read(raw / summary["name"])
        inputs = cls(
            raw=datasets.load_all(folder),
            train=files.read_npy(longtail / "train.npy"),
            val=files.read_npy(longtail / "val.npy"),
            summary=summary,
            partition=cut,
        )
        if cut["summary"] != files.digest(summary):
            raise ValueError(
                f"{longtail} is of {summary['name']} ({summary['images']} images), {partition} of "
                f"another subset, {cut['data']['name']} ({cut['data']['images']} images): "
                "run `dvc repro`"
            )
        subset.check_raw(folder, summary, longtail)
        return inputs


def make_task(options: params.Train, inputs: Inputs, start: tuple[ClassView, ...]) -> plan.Task:
    """Return what a method may know of a training.

    start: the classes of each network that it starts from.
    """
    labels = inputs.raw["train_labels"][inputs.train]
    counts = np.bincount(labels, minlength=len(inputs.partition["counts"]))
    return plan.Task(
        counts=tuple(counts.tolist()),
        groups=tuple(map(tuple, inputs.partition["groups"])),
        epochs=options.epochs,
        batch_size=options.batch_size,
        lr=options.lr,
        start=start,
    )


def on_device(
    training: params.Training, inputs: Inputs, team: Team
) -> tuple[step.Setting, step.Images]:
    """Put the images on the device: those to train and validate on, and the test images.

    If they take more than train.memory, they all stay on disk.
    """
    device, raw = pick_device(training.train.deterministic), inputs.raw
    use_threads(raw["train_images"].shape[1])
    every = np.arange(len(raw["test_labels"]))
    parts = {"train": inputs.train, "val": inputs.val, "test": every}
    rows = {name: Stored(raw[f"{_source(name)}_images"], index) for name, index in parts.items()}
    fits = sum(one.nbytes for one in rows.values()) <= training.train.memory * 1e9

    def images(name: str) -> step.Images:
        labels = np.array(raw[f"{_source(name)}_labels"][parts[name]])
        if not fits and rows[name].in_file:
            return step.Images(rows[name], labels)
        return step.Images(torch.from_numpy(rows[name].read()).to(device), labels)

    if training.train.sync_batchnorm and device.type == "cpu":
        raise ValueError("train.sync_batchnorm: expected false on a CPU, got true")
    setting = step.Setting(
        train=images("train"),
        val=images("val"),
        recipe=datasets.recipe(inputs.summary),
        options=training.train,
        seed=training.seed,
        device=device,
        precision=pick_precision(training.train.precision, device),
        counts=np.array(inputs.partition["counts"]),
        team=team if training.train.spread == "images" else ALONE,
    )
    return setting, images("test")


def _source(part: str) -> str:
    """Return the part of a dataset as published that train, val or test is taken from."""
    return "test" if part == "test" else "train"


def digests(setting: step.Setting, inputs: Inputs) -> list[str]:
    """Return hashes of the images; if inputs.summary has that of their file, of which they are."""
    if "sha256" in inputs.summary.get("raw", {}):
        return [subset.subset_hash(index) for index in (inputs.train, inputs.val)]
    return [images.digest() for images in (setting.train, setting.val)]
