"""THE train loop: an expert's phases, and their epochs. A single step is in lt/step.py.

Nothing is copied to the host before an epoch ends.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lt import device, nets, outputs, schedules
from lt.checkpoint import Checkpoints, Saved
from lt.plan import Expert, Ints, Setup
from lt.step import Setting, Steps

Row = dict[str, Any]
Report = Callable[[Row], None]


@dataclass(frozen=True)
class Job:
    """An expert to be trained.

    number: its index among the method's experts; it tells apart their random draws.
    report: called after every epoch with that epoch's row of the history.
    checkpoints: where the expert is kept after its epochs, and what it goes on from.
    """

    expert: Expert
    number: int
    setting: Setting
    report: Report
    checkpoints: Checkpoints | None = None


@dataclass
class Trained:
    """A trained expert: its net, a row per epoch, its optimizer steps, the images it was shown."""

    net: nets.Net
    history: list[Row] = field(default_factory=list)
    updates: int = 0
    images: int = 0


def fit(jobs: Sequence[Job]) -> list[Trained]:
    """Trains experts through their phases; on a GPU, side by side.

    Raises:
        ValueError: if an expert has no training image, or needs validation images and has none.
        FloatingPointError: at the first loss or output that is not finite.
    """
    for job in jobs:
        _check_images(job)
    return device.side_by_side([train(job) for job in jobs], jobs[0].setting.chip)


def train(job: Job) -> Generator[None, None, Trained]:
    """Trains one expert; yields whenever the device has an epoch's work to do."""
    saved = job.checkpoints.saved.pop(job.number, None) if job.checkpoints else None
    trained = Trained(_fresh(job.expert, job.number, job.setting))
    if saved:
        trained = replace(trained, **saved.progress)
    for at, phase in enumerate(job.expert.phases, 1):
        if saved and at < saved.phase:
            phase.setups[0](trained.net)  # for the net's form: its weights are in the checkpoint
        elif len(phase.setups) == 1:
            start = saved if saved and at == saved.phase else None
            yield from _run(trained, job, at, phase.setups[0], start)
        else:
            trained = yield from _best(trained, job, at)
    return trained


def _best(trained: Trained, job: Job, at: int) -> Generator[None, None, Trained]:
    """Phase `at` run from `trained` with each setup; the first with the best validation accuracy.

    It keeps no checkpoints: a run that is cut off in it starts the phase again.
    """
    best, best_accuracy = trained, -1.0
    for setup in job.expert.phases[at - 1].setups:
        trial = copy.deepcopy(trained)
        yield from _run(trial, replace(job, checkpoints=None), at, setup, None)
        logits, targets = _validate(trial.net, job, f"expert {job.number}, phase {at}")
        accuracy = outputs.balanced_accuracy(logits, targets)
        if accuracy > best_accuracy:
            best, best_accuracy = trial, accuracy
    return best


def _run(
    trained: Trained, job: Job, at: int, setup: Setup, start: Saved | None
) -> Generator[None, None, None]:
    """Phase `at` in place, from its first epoch or from a checkpoint in it."""
    phase, parameters = job.expert.phases[at - 1], setup(trained.net)
    if not phase.epochs:
        return
    targets = job.expert.view.targets(job.setting.train.labels)
    steps = Steps(trained.net, parameters, phase.loss, targets, job.setting)
    if start:
        steps.load(start.tensors)
        start.tensors.clear()  # they are as large as the net
    for epoch in range(start.epoch + 1 if start else 1, phase.epochs + 1):
        batches = phase.sampler(targets, np.random.default_rng([job.setting.seed, at, epoch]))
        row = yield from _epoch(steps, job, at, epoch, batches)
        trained.history.append(row)
        trained.updates += len(batches)
        trained.images += sum(map(len, batches))
        job.report(row)
        if job.checkpoints:
            progress = {key: value for key, value in vars(trained).items() if key != "net"}
            saved = Saved(at, epoch, steps.state(), progress)
            job.checkpoints.save(job.number, saved, last=epoch == phase.epochs)


def _epoch(
    steps: Steps, job: Job, at: int, epoch: int, batches: list[Ints]
) -> Generator[None, None, Row]:
    """A step per batch; the epoch's row of the history."""
    begin, setting = time.perf_counter(), job.setting
    place = f"expert {job.number}, phase {at}, epoch {epoch}"
    lr = schedules.step(epoch, setting.options.lr, setting.options.step_size, setting.options.gamma)
    generator = _generator(setting.chip, setting.seed, job.number, at, epoch)
    losses = steps.run(batches, epoch, lr, generator)
    yield
    values, sizes = losses.double().cpu().numpy(), [len(batch) for batch in batches]
    rate = sum(sizes) / (time.perf_counter() - begin)
    _check_losses(values, sizes, place)
    logits, targets = _validate(steps.net, job, place)
    return {
        "expert": job.number,
        "phase": at,
        "epoch": epoch,
        "lr": lr,
        "train_loss": float(np.average(values, weights=sizes)),
        "val_accuracy": outputs.accuracy(logits, targets) if len(targets) else None,
        "images_per_s": rate,
    }


def skeleton(expert: Expert, backbone: str, channels: int) -> nets.Net:
    """A net of the form that `expert` has after its last phase; its weights are to be loaded."""
    net = _net(expert, backbone, channels)
    for phase in expert.phases:
        phase.setups[0](net)
    return net


def _net(expert: Expert, backbone: str, channels: int) -> nets.Net:
    module, features = nets.backbone(backbone, channels)
    return nets.Net(module, expert.head(features, expert.view.width))


def _fresh(expert: Expert, number: int, setting: Setting) -> nets.Net:
    net = _net(expert, setting.options.backbone, setting.train.pixels.shape[-1])
    nets.initialise(net, _generator(torch.device("cpu"), setting.seed, number))
    net.to(setting.chip, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def _generator(chip: torch.device, *key: int) -> torch.Generator:
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1
    return torch.Generator(chip).manual_seed(seed)


def _validate(net: nets.Net, job: Job, place: str) -> tuple[NDArray[np.float32], Ints]:
    """Logits and targets of the validation images that the expert sees."""
    val, setting = job.setting.val, job.setting
    targets = job.expert.view.targets(val.labels)
    seen = np.flatnonzero(targets >= 0)
    pixels = val.pixels[torch.from_numpy(seen).to(setting.chip)]
    return outputs.predict(net, pixels, setting.recipe, setting.precision, place), targets[seen]


def _check_images(job: Job) -> None:
    expert, setting = job.expert, job.setting
    if not (expert.view.targets(setting.train.labels) >= 0).any():
        raise ValueError(
            f"expert {job.number}: none of its classes {expert.view.classes} has an image"
        )
    chooses = any(len(phase.setups) > 1 for phase in expert.phases)
    if chooses and not (expert.view.targets(setting.val.labels) >= 0).any():
        raise ValueError(
            "data.val_fraction: this method chooses on validation images; expected more than 0, "
            "got a split without any"
        )


def _check_losses(values: NDArray[np.float64], sizes: list[int], place: str) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        step = int(bad[0])
        raise FloatingPointError(
            f"{place}, step {step + 1} of {len(sizes)}: the loss of a batch of {sizes[step]} "
            f"images is {values[step]}; try a smaller train.lr or train.clip_norm"
        )
