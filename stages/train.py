"""train: the experts of a method, and their outputs for every validation and test image."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lt import data, device, files, fit, params, plan, provenance, registry, results
from lt.progress import Progress
from stages import main

LONGTAIL = Path("data/longtail")
PARTITION = Path("data/partition.json")
OUT = Path("models/current")


def run(overrides: Sequence[str]) -> None:
    """Trains and writes models/current: weights, outputs, history, views, timing, provenance."""
    options = params.load(overrides)
    summary = files.read_json(LONGTAIL / "summary.json")
    setting, test = _read(options, summary["name"])
    method = options.methods[options.model]
    experts = registry.experts(options.model, _task(options, setting.train.labels), method)
    epochs = sum(phase.epochs for expert in experts for phase in expert.phases)
    progress = Progress(epochs, options.model)

    start = time.perf_counter()
    trained = [fit.fit(expert, k, setting, progress.report) for k, expert in enumerate(experts)]
    trained_at = time.perf_counter()
    test_logits = _outputs(trained, test, setting, "test")
    timing = {"train_s": trained_at - start, "test_s": time.perf_counter() - trained_at}
    val_logits = _outputs(trained, setting.val, setting, "validation")
    outputs = results.Outputs(test_logits, test.labels, val_logits, setting.val.labels)

    info = {
        "model": options.model,
        "method": method,
        "seed": options.seed,
        "train": asdict(options.train),
        "data": summary,
        "precision": setting.precision,
        **provenance.describe(test.pixels.device),
    }
    with files.whole(OUT) as folder:
        results.save(folder, experts, trained, outputs, {"run": info, "timing": timing})


def _read(options: params.Params, name: str) -> tuple[fit.Setting, fit.Images]:
    """The images of dataset `name` on the device: those to train and validate on, and the test."""
    chip = device.pick_device()
    raw = Path("data/raw") / name

    def images(part: str, index: Any) -> fit.Images:
        pixels = np.array(data.load(raw, f"{part}_images")[index])  # out of the file
        labels = np.array(data.load(raw, f"{part}_labels")[index])
        return fit.Images(torch.from_numpy(pixels).to(chip), labels)

    setting = fit.Setting(
        train=images("train", np.load(LONGTAIL / "train.npy")),
        val=images("train", np.load(LONGTAIL / "val.npy")),
        recipe=data.RECIPES[name],
        options=options.train,
        seed=options.seed,
        precision=device.pick_precision(options.train.precision, chip),
    )
    return setting, images("test", slice(None))


def _task(options: params.Params, labels: plan.Ints) -> plan.Task:
    partition = files.read_json(PARTITION)
    counts = np.bincount(labels, minlength=len(partition["counts"]))
    return plan.Task(
        counts=tuple(counts.tolist()),
        groups=tuple(map(tuple, partition["groups"])),
        epochs=options.train.epochs,
        batch_size=options.train.batch_size,
    )


def _outputs(
    trained: Sequence[fit.Trained], images: fit.Images, setting: fit.Setting, part: str
) -> results.Blocks:
    return [
        fit.predict(one.net, images.pixels, setting.recipe, place=f"expert {k}, {part}")
        for k, one in enumerate(trained)
    ]


if __name__ == "__main__":
    main(run)
