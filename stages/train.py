"""train: the experts of a method, and their outputs for every validation and test image."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lt import (
    checkpoint,
    data,
    device,
    files,
    fit,
    models,
    outputs,
    params,
    plan,
    process,
    provenance,
    registry,
    results,
    step,
)
from lt.progress import Progress
from stages import main

LONGTAIL = Path("data/longtail")
PARTITION = Path("data/partition.json")
MODELS = Path("models")


def run(overrides: Sequence[str]) -> None:
    """Trains and writes models/<model>: weights, outputs, history, views, timing, provenance."""
    options = params.load(overrides)
    with process.lock(MODELS / f".{options.model}.lock"):
        _train(options, MODELS / options.model)


def _train(options: params.Params, out: Path) -> None:
    summary = files.read_json(LONGTAIL / "summary.json")
    setting, test = _read(options, summary["name"])
    method = options.methods[options.model]
    partition = files.read_json(PARTITION)
    task = _task(options, partition, setting.train.labels)
    experts = registry.experts(options.model, task, method)
    start = models.Start.read(MODELS, method["start"], task, setting.train.pixels.shape[-1])
    start.check(options.model, experts, task.groups)
    info = {
        "model": options.model,
        "method": method,
        "start": start.run,
        "seed": options.seed,
        "profile": options.profile,
        "train": asdict(options.train),
        "data": summary,
        "precision": setting.precision,
        **provenance.machine(setting.chip),
    }
    start.check_same(info)
    depends = {**info, "partition": partition, "code": provenance.code()}
    depends["images"] = [images.digest() for images in (setting.train, setting.val)]
    depends["start"] = start.digest()
    checkpoints = checkpoint.Checkpoints(checkpoint.scratch(), depends, out)
    with checkpoints.keep():
        trained = _fit(experts, setting, options.model, checkpoints, start.nets)
        timing = {"train_s": start.seconds + checkpoints.seconds()}
        begin = time.perf_counter()
        test_logits = _predict(trained, test, setting, "test")
        timing["test_s"] = time.perf_counter() - begin
        val_logits = _predict(trained, setting.val, setting, "validation")
        outs = results.Outputs(test_logits, test.labels, val_logits, setting.val.labels)
        with files.whole(out) as folder:
            run_info = {**info, **provenance.revision()}
            start.add_costs(trained)
            results.save(folder, experts, trained, outs, {"run": run_info, "timing": timing})


def _fit(
    experts: Sequence[plan.Expert],
    setting: step.Setting,
    name: str,
    checkpoints: checkpoint.Checkpoints,
    start: fit.Nets,
) -> list[fit.Trained]:
    for line in checkpoints.messages():
        print(f"train: {line}", file=sys.stderr, flush=True)
    phases = [phase for expert in experts for phase in expert.phases]
    epochs = sum(phase.epochs * len(phase.setups) for phase in phases)
    report = Progress(epochs, name, checkpoints.epochs()).report
    start = tuple(net.to(setting.chip, memory_format=torch.channels_last) for net in start)  # type: ignore[call-overload]
    return fit.fit(
        [fit.Job(one, k, setting, report, checkpoints, start) for k, one in enumerate(experts)]
    )


def _read(options: params.Params, name: str) -> tuple[step.Setting, step.Images]:
    """The images of dataset `name` on the device: those to train and validate on, and the test."""
    chip = device.pick_device(options.train.deterministic)
    raw = Path("data/raw") / name

    def images(part: str, index: Any) -> step.Images:
        pixels = np.array(data.load(raw, f"{part}_images")[index])  # out of the file
        labels = np.array(data.load(raw, f"{part}_labels")[index])
        return step.Images(torch.from_numpy(pixels).to(chip), labels)

    setting = step.Setting(
        train=images("train", np.load(LONGTAIL / "train.npy")),
        val=images("train", np.load(LONGTAIL / "val.npy")),
        recipe=data.RECIPES[name],
        options=options.train,
        seed=options.seed,
        precision=device.pick_precision(options.train.precision, chip),
    )
    return setting, images("test", slice(None))


def _task(options: params.Params, partition: dict[str, Any], labels: plan.Ints) -> plan.Task:
    counts = np.bincount(labels, minlength=len(partition["counts"]))
    return plan.Task(
        counts=tuple(counts.tolist()),
        groups=tuple(map(tuple, partition["groups"])),
        epochs=options.train.epochs,
        batch_size=options.train.batch_size,
        lr=options.train.lr,
    )


def _predict(
    trained: Sequence[fit.Trained], images: step.Images, setting: step.Setting, part: str
) -> results.Blocks:
    return [
        outputs.predict(one.net, images.pixels, setting.recipe, place=f"expert {k}, {part}")
        for k, one in enumerate(trained)
    ]


if __name__ == "__main__":
    main(run)
