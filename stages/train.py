"""train: the experts of a method, and their outputs for every validation and test image."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from lt import data, files, fit, params, plan, provenance, registry
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
    experts = registry.experts(
        options.model, _task(options, setting), options.methods[options.model]
    )
    epochs = sum(phase.epochs for expert in experts for phase in expert.phases)
    progress = Progress(epochs, options.model)
    start = time.perf_counter()
    trained = [fit.fit(expert, k, setting, progress.report) for k, expert in enumerate(experts)]
    trained_at = time.perf_counter()
    outputs: dict[str, Any] = {"test_labels": test.labels, "val_labels": setting.val.labels}
    for k, one in enumerate(trained):
        place = f"expert {k}, test"
        outputs[f"test_{k}"] = fit.predict(one.net, test.pixels, setting.recipe, place=place)
    tested_at = time.perf_counter()
    for k, one in enumerate(trained):
        place = f"expert {k}, validation"
        pixels = setting.val.pixels
        outputs[f"val_{k}"] = fit.predict(one.net, pixels, setting.recipe, place=place)

    with files.whole(OUT) as folder:
        folder.mkdir()
        np.savez(folder / "outputs.npz", **outputs)
        for k, one in enumerate(trained):
            weights = {name: w.contiguous() for name, w in one.net.state_dict().items()}
            save_file(weights, folder / f"expert_{k}.safetensors")
        with (folder / "history.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fit.COLUMNS)
            writer.writeheader()
            writer.writerows(row for one in trained for row in one.history)
        files.write_json(
            folder / "experts.json",
            [
                {
                    **asdict(expert.view),
                    "parameters": sum(p.numel() for p in one.net.parameters()),
                    "updates": one.updates,
                    "images": one.images,
                }
                for expert, one in zip(experts, trained, strict=True)
            ],
        )
        timing = {"train_s": trained_at - start, "test_s": tested_at - trained_at}
        files.write_json(folder / "timing.json", timing)
        files.write_json(
            folder / "run.json",
            {
                "model": options.model,
                "method": options.methods[options.model],
                "seed": options.seed,
                "train": asdict(options.train),
                "data": summary,
                "precision": setting.precision,
                **provenance.describe(test.pixels.device),
            },
        )


def _read(options: params.Params, name: str) -> tuple[fit.Setting, fit.Images]:
    device = fit.pick_device()
    raw = Path("data/raw") / name

    def images(part: str, index: np.ndarray[Any, Any] | slice) -> fit.Images:
        pixels = np.array(data.load(raw, f"{part}_images")[index])  # out of the file
        labels = np.array(data.load(raw, f"{part}_labels")[index])
        return fit.Images(torch.from_numpy(pixels).to(device), labels)

    setting = fit.Setting(
        train=images("train", np.load(LONGTAIL / "train.npy")),
        val=images("train", np.load(LONGTAIL / "val.npy")),
        recipe=data.RECIPES[name],
        options=options.train,
        seed=options.seed,
        precision=fit.pick_precision(options.train.precision, device),
    )
    return setting, images("test", slice(None))


def _task(options: params.Params, setting: fit.Setting) -> plan.Task:
    partition = files.read_json(PARTITION)
    counts = np.bincount(setting.train.labels, minlength=len(partition["counts"]))
    return plan.Task(
        counts=tuple(counts.tolist()),
        groups=tuple(map(tuple, partition["groups"])),
        epochs=options.train.epochs,
        batch_size=options.train.batch_size,
    )


if __name__ == "__main__":
    main(run)
