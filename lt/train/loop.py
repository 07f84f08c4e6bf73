"""THE train loop: an expert's phases, and their epochs. A single step is in step.py.

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
from torch import Tensor

from lt.data.views import Ints
from lt.nets import branches, surgery
from lt.nets import net as nets
from lt.nets.net import Net
from lt.nets.surgery import Given, Setup
from lt.params import Train
from lt.score import predict, validation
from lt.train import choice, schedules
from lt.train.checkpoint import Checkpoints, Saved
from lt.train.device import side_by_side
from lt.train.plan import Expert, Phase
from lt.train.step import Setting, Steps

Row = dict[str, Any]
Nets = tuple[Net, ...]
Report = Callable[[Row], None]


@dataclass(frozen=True)
class Job:
    """An expert to be trained.

    number: its index among the method's experts; it tells apart their random draws.
    report: called after every epoch with that epoch's row of the history.
    checkpoints: where the expert is kept after its epochs, and what it goes on from.
    start: the networks that the method starts from, on the device.
    """

    expert: Expert
    number: int
    setting: Setting
    report: Report
    checkpoints: Checkpoints | None = None
    start: Nets = ()


@dataclass
class Trained:
    """A trained expert: its net, a row per epoch, its optimizer steps, the images it was shown.

    processes: the numbers of processes that have shared out its batches.
    """

    net: Net
    history: list[Row] = field(default_factory=list)
    updates: int = 0
    images: int = 0
    processes: list[int] = field(default_factory=list)


def fit(jobs: Sequence[Job]) -> list[Trained]:
    """Train experts through their phases; on a GPU, side by side.

    Raises:
        ValueError: if an expert has no training image, or needs validation images and has none.
        FloatingPointError: at the first loss or output that is not finite.
    """
    for job in jobs:
        labels = job.setting.train.labels, job.setting.val.labels
        choice.check_images(job.expert, job.number, *labels, job.setting.counts)
    return side_by_side([train(job) for job in jobs], jobs[0].setting.device)


def train(job: Job) -> Generator[None, None, Trained]:
    """Train one expert; yield whenever the device has an epoch's work to do."""
    saved = job.checkpoints.saved.pop(job.number, None) if job.checkpoints else None
    trained = Trained(_begin(job))
    if saved:
        trained = replace(trained, **saved.progress)
    for at, phase in enumerate(job.expert.phases, 1):
        if saved and at < saved.phase:
            phase.setups[0](trained.net, _blank(job.expert, trained.net, job.start))  # form alone
        elif len(phase.setups) == 1:
            start = saved if saved and at == saved.phase else None
            yield from _run(trained, job, at, phase.setups[0], start)
        else:
            trained = yield from _best(trained, job, at)
    return trained


def _best(trained: Trained, job: Job, at: int) -> Generator[None, None, Trained]:
    """Run phase `at` from `trained` with each setup, and return the best outcome.

    That is the first with the best validation accuracy, where classes weigh as in a balanced test
    set (`lt.score.validation`). No checkpoints are kept: a run that is cut
    off here starts the phase again.
    """
    best, best_accuracy = trained, -1.0
    halves = choice.halves(job.expert, job.setting.counts)
    for setup in job.expert.phases[at - 1].setups:
        trial = copy.deepcopy(trained)
        yield from _run(trial, replace(job, checkpoints=None), at, setup, None)
        answers, targets = _validate(trial.net, job, f"expert {job.number}, phase {at}")
        accuracy = validation.balanced_accuracy(answers, targets, halves)
        assert accuracy is not None, "checked before the training"
        if accuracy > best_accuracy:
            best, best_accuracy = trial, accuracy
    return best


def _run(
    trained: Trained, job: Job, at: int, setup: Setup, start: Saved | None
) -> Generator[None, None, None]:
    """Run phase `at` in place, from its first epoch or from a checkpoint in it."""
    phase, parameters = job.expert.phases[at - 1], setup(trained.net, _given(trained.net, job, at))
    if job.setting.options.freeze == "backbone":
        parameters = surgery.without_backbone(trained.net, parameters)
    if not phase.epochs:
        return
    targets = job.expert.view.targets(job.setting.train.labels)
    steps = Steps(trained.net, parameters, phase, targets, job.setting)
    if start:
        steps.load(start.tensors)
        start.tensors.clear()  # they are as large as the net
    for epoch in range(start.epoch + 1 if start else 1, phase.epochs + 1):
        batches = phase.sampler(targets, np.random.default_rng([job.setting.seed, at, epoch]))
        row = yield from _epoch(steps, job, at, epoch, batches)
        trained.history.append(row)
        trained.updates += len(batches)
        trained.images += sum(map(len, batches))
        trained.processes = sorted({*trained.processes, job.setting.team.size})
        job.report(row)
        if job.checkpoints and job.setting.team.first:
            progress = {key: value for key, value in vars(trained).items() if key != "net"}
            saved = Saved(at, epoch, steps.state(), progress)
            job.checkpoints.save(job.number, saved, last=epoch == phase.epochs)


def _epoch(
    steps: Steps, job: Job, at: int, epoch: int, batches: list[Ints]
) -> Generator[None, None, Row]:
    """Take a step per batch, and return the epoch's row of the history."""
    begin, setting = time.perf_counter(), job.setting
    place = f"expert {job.number}, phase {at}, epoch {epoch}"
    lr = _lr(epoch, job.expert.phases[at - 1], setting.options)
    generator = _generator(setting.device, setting.seed, job.number, at, epoch)
    losses = steps.run(batches, epoch, lr, generator)
    yield
    values, sizes = losses.double().cpu().numpy(), [len(batch) for batch in batches]
    rate = sum(sizes) / (time.perf_counter() - begin)
    _check_losses(values, sizes, place, epoch)
    answers, targets = _validate(steps.net, job, place)
    return {
        "expert": job.number,
        "phase": at,
        "epoch": epoch,
        "lr": lr,
        "train_loss": float(np.average(values, weights=sizes)),
        "val_accuracy": predict.accuracy(answers, targets) if len(targets) else None,
        "images_per_s": rate,
    }


def _lr(epoch: int, phase: Phase, options: Train) -> float:
    if phase.lr is not None:
        return phase.lr(epoch)
    if options.schedule == "cosine":
        return schedules.risen(epoch, options.lr, options.warmup, phase.epochs)
    falls = options.step_size, options.milestones, options.gamma
    return schedules.stepped(epoch, options.lr, options.warmup, *falls)


def form(experts: Sequence[Expert], backbone: str, channels: int, start: Nets) -> Nets:
    """Make nets of the form that the experts have after their last phase, as a rehearsal.

    Their weights are 0: to draw them takes most of the time that a large network takes to make.

    Args:
        experts: those of a method.
        backbone: the name of their backbone.
        channels: the channels of the images.
        start: the nets of the method that they start from.
    """
    result = []
    for number, expert in enumerate(experts):
        with torch.device("meta"):
            net = _copy_or_new(expert, number, (backbone, channels, None), start)
        for tensor in net.to_empty(device="cpu").state_dict().values():
            tensor.zero_()
        for phase in expert.phases:
            phase.setups[0](net, _blank(expert, net, start))
        result.append(net)
    return tuple(result)


def _copy_or_new(
    expert: Expert, number: int, shape: tuple[str, int, int | None], start: Nets
) -> Net:
    if start and expert.start != "teachers":
        return copy.deepcopy(start[number])
    backbone, channels, size = shape
    if expert.fork:
        return branches.make(backbone, channels, expert.head, expert.view.width, size, expert.fork)
    return nets.make(backbone, channels, expert.head, expert.view.width, size)


def _begin(job: Job) -> Net:
    """Make the net as it is before its first phase."""
    setting, (*_, size, channels) = job.setting, job.setting.train.pixels.shape
    net = _copy_or_new(
        job.expert, job.number, (setting.options.backbone, channels, size), job.start
    )
    if not job.start or job.expert.start == "teachers":
        number = len(job.start) + job.number  # a student begins like none of its teachers
        generator = _generator(torch.device("cpu"), setting.seed, number)
        nets.initialise(net, generator, setting.options.init)
    if setting.weights and not job.start:
        branches.fill(net, setting.weights, setting.options.backbone, channels, size)
    net.to(setting.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    net = setting.team.prepare(net, setting.options.sync_batchnorm)
    return net.requires_grad_(True)


def _given(net: Net, job: Job, at: int) -> Given:
    """Make what a setup of phase `at` may use."""
    setting = job.setting
    targets = job.expert.view.targets(setting.train.labels)
    seen = np.flatnonzero(targets >= 0)

    def features() -> tuple[Tensor, Ints]:
        pixels = setting.train.some(seen)
        return predict.features(net, pixels, setting.recipe), targets[seen]

    generator = _generator(torch.device("cpu"), setting.seed, job.number, at)
    return Given(generator, features, job.start)


def _blank(expert: Expert, net: Net, start: Nets) -> Given:
    """Make what a setup is given where the net's form alone matters."""
    width = expert.view.width
    zeros = torch.zeros(width, net.features)
    return Given(torch.Generator(), lambda: (zeros, np.arange(width)), start)


def _generator(device: torch.device, *key: int) -> torch.Generator:
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1
    return torch.Generator(device).manual_seed(seed)


def _validate(net: Net, job: Job, place: str) -> tuple[Ints, Ints]:
    """Return answers and targets of the validation images that the expert sees."""
    val, setting = job.setting.val, job.setting
    targets = job.expert.view.targets(val.labels)
    seen = np.flatnonzero(targets >= 0)
    recipe, precision = setting.recipe, setting.precision
    answers = setting.team.answers(net, val.some(seen), recipe, precision, place)
    return answers, targets[seen]


def _check_losses(values: NDArray[np.float64], sizes: list[int], place: str, epoch: int) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        step, advice = int(bad[0]), "try a smaller train.lr or train.clip_norm"
        if step == 0 and epoch == 1:
            advice = "no step was taken before, so look at the loss itself"
        raise FloatingPointError(
            f"{place}, step {step + 1} of {len(sizes)}: the loss of a batch of {sizes[step]} "
            f"images is {values[step]}; {advice}"
        )
