"""A training from files to files: what it depends on, and what goes into models/<method>."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Places:
    """Where a training reads and writes.

    raw: the folder of the datasets as published; longtail: what `prepare` made; partition: what
        `partition` made; start: the training to start from, if not fresh; out: the folder to make.
    weights: whether the networks are kept, or only what they say of every image.
    """

    raw: Path
    longtail: Path
    partition: Path
    start: Path | None
    out: Path
    weights: bool = True


def run(options: params.Params, places: Places) -> None:
    """Trains `options.model` and writes `places.out`: weights, outputs, history, provenance.

    Raises:
        ValueError: if params, data, start and method do not go together, or another process is
            at work on the same folder.
        FloatingPointError: at the first loss or output that is not finite.
        OSError: if something cannot be read or written.
    """
    with process.lock(places.out.parent / f".{places.out.name}.lock"):
        _run(options, places)


def _run(options: params.Params, places: Places) -> None:
    summary = files.read_json(places.longtail / "summary.json")
    setting, test = _read(options, places, summary["name"])
    partition = files.read_json(places.partition)
    task = _task(options, partition, setting.train.labels)
    experts = registry.experts(options.model, task, options.methods[options.model])
    start = models.Start.read(places.start, task, setting.train.pixels.shape[-1])
    start.check(options.model, experts, task.groups)
    info = about(options, summary, setting.chip, setting.precision) | {"start": start.run}
    start.check_same(info)
    depends = {**info, "partition": partition, "code": provenance.code()}
    depends["images"] = [images.digest() for images in (setting.train, setting.val)]
    depends["start"] = start.digest()
    checkpoints = checkpoint.Checkpoints(checkpoint.scratch(), depends, places.out)
    with checkpoints.keep():
        trained = _fit(experts, setting, options.model, checkpoints, start.nets)
        timing = {"train_s": start.seconds + checkpoints.seconds()}
        begin = time.perf_counter()
        test_logits = _predict(trained, test, setting, "test")
        timing["test_s"] = time.perf_counter() - begin
        val_logits = _predict(trained, setting.val, setting, "validation")
        outs = results.Outputs(test_logits, test.labels, val_logits, setting.val.labels)
        start.add_costs(trained)
        facts = {"run": {**info, **provenance.revision()}, "timing": timing}
        with files.whole(places.out) as folder:
            results.save(folder, experts, trained, outs, facts, places.weights)


def _read(options: params.Params, places: Places, name: str) -> tuple[step.Setting, step.Images]:
    """The images of dataset `name` on the device: those to train and validate on, and the test."""
    chip = device.pick_device(options.train.deterministic)

    def images(part: str, index: Any) -> step.Images:
        pixels = np.array(data.load(places.raw / name, f"{part}_images")[index])  # out of the file
        labels = np.array(data.load(places.raw / name, f"{part}_labels")[index])
        return step.Images(torch.from_numpy(pixels).to(chip), labels)

    setting = step.Setting(
        train=images("train", np.load(places.longtail / "train.npy")),
        val=images("train", np.load(places.longtail / "val.npy")),
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


def about(
    options: params.Params, summary: dict[str, Any], chip: torch.device, precision: str
) -> dict[str, Any]:
    """What run.json says of a training that starts fresh.

    Not the revision, on which no outcome depends.
    """
    return {
        "model": options.model,
        "method": options.methods[options.model],
        "start": None,
        "seed": options.seed,
        "profile": options.profile,
        "train": asdict(options.train),
        "data": summary,
        "precision": precision,
        **provenance.machine(chip),
    }


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


def _predict(
    trained: Sequence[fit.Trained], images: step.Images, setting: step.Setting, part: str
) -> results.Blocks:
    return [
        outputs.predict(one.net, images.pixels, setting.recipe, place=f"expert {k}, {part}")
        for k, one in enumerate(trained)
    ]
