"""THE train loop: an expert's phases, one backward, one clip, one step.

The images lie on the device as one uint8 tensor and a batch is an index into it. Nothing is
copied to the host before an epoch ends.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lt import augment, nets, schedules
from lt.data import Recipe
from lt.params import Train
from lt.plan import Expert, Ints, Phase, Setup

EVAL_BATCH = 500  # images per forward pass where no gradient is needed

Row = dict[str, Any]
Report = Callable[[Row], None]


@dataclass(frozen=True)
class Images:
    """pixels: uint8 (N, H, W, channels) on the device; labels: global ids (N,) on the host."""

    pixels: Tensor
    labels: Ints


@dataclass(frozen=True)
class Setting:
    """What all experts of a run share."""

    train: Images
    val: Images
    recipe: Recipe
    options: Train
    seed: int
    precision: str  # "fp32" or "bf16"


@dataclass
class Trained:
    """A trained expert: its net, a row per epoch, its optimizer steps, the images it was shown."""

    net: nets.Net
    history: list[Row] = field(default_factory=list)
    updates: int = 0
    images: int = 0


def fit(expert: Expert, number: int, setting: Setting, report: Report) -> Trained:
    """Trains one expert through its phases.

    Args:
        expert: what to train.
        number: its index among the method's experts; it tells apart their random draws.
        setting: images, hyperparameters, seed.
        report: called after every epoch with that epoch's row of the history.

    Raises:
        ValueError: if the expert has no training image, or needs validation images and has none.
        FloatingPointError: at the first loss or output that is not finite.
    """
    targets = expert.view.targets(setting.train.labels)
    if not (targets >= 0).any():
        raise ValueError(f"expert {number}: none of its classes {expert.view.classes} has an image")
    chooses = any(len(phase.setups) > 1 for phase in expert.phases)
    if chooses and not (expert.view.targets(setting.val.labels) >= 0).any():
        raise ValueError(
            "data.val_fraction: this method chooses on validation images; expected more than 0, "
            "got a split without any"
        )
    trained = Trained(_fresh(expert, number, setting))
    for at, phase in enumerate(expert.phases, 1):
        where = (expert, number, at)
        if len(phase.setups) == 1:
            _run(trained, phase, phase.setups[0], where, setting, report)
        else:
            trained = _best(trained, phase, where, setting, report)
    return trained


def _best(
    trained: Trained,
    phase: Phase,
    where: tuple[Expert, int, int],
    setting: Setting,
    report: Report,
) -> Trained:
    """The phase run from `trained` with each setup; the first with the best validation accuracy."""
    expert, number, at = where
    place = f"expert {number}, phase {at}"
    best, best_accuracy = trained, -1.0
    for setup in phase.setups:
        trial = copy.deepcopy(trained)
        _run(trial, phase, setup, where, setting, report)
        accuracy = _balanced_accuracy(trial.net, expert, setting, place)
        if accuracy > best_accuracy:
            best, best_accuracy = trial, accuracy
    return best


def _run(
    trained: Trained,
    phase: Phase,
    setup: Setup,
    where: tuple[Expert, int, int],
    setting: Setting,
    report: Report,
) -> None:
    """One phase of training, in place; `where` is the expert, its number and the phase's."""
    (expert, number, at), options, net = where, setting.options, trained.net
    parameters = setup(net)
    if not phase.epochs:
        return
    optimizer = torch.optim.SGD(
        parameters,
        lr=options.lr,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        fused=True,
    )
    targets = expert.view.targets(setting.train.labels)
    for epoch in range(1, phase.epochs + 1):
        start = time.perf_counter()
        lr = schedules.step(epoch, options.lr, options.step_size, options.gamma)
        optimizer.param_groups[0]["lr"] = lr
        batches = phase.sampler(targets, np.random.default_rng([setting.seed, at, epoch]))
        generator = _generator(setting.train.pixels.device, setting.seed, number, at, epoch)
        losses = _epoch(net, optimizer, phase, targets, batches, epoch, generator, setting)
        sizes = [len(batch) for batch in batches]
        rate = sum(sizes) / (time.perf_counter() - start)
        place = f"expert {number}, phase {at}, epoch {epoch}"
        _check_losses(losses, sizes, place)
        trained.updates += len(sizes)
        trained.images += sum(sizes)
        row = {
            "expert": number,
            "phase": at,
            "epoch": epoch,
            "lr": lr,
            "train_loss": float(np.average(losses, weights=sizes)),
            "val_accuracy": _val_accuracy(net, expert, setting, place),
            "images_per_s": rate,
        }
        trained.history.append(row)
        report(row)


def _epoch(
    net: nets.Net,
    optimizer: torch.optim.Optimizer,
    phase: Phase,
    host_targets: Ints,
    batches: list[Ints],
    epoch: int,
    generator: torch.Generator,
    setting: Setting,
) -> NDArray[np.float64]:
    """A step per batch; the loss of each step, fetched from the device once, at the end."""
    pixels, recipe, clip_norm = setting.train.pixels, setting.recipe, setting.options.clip_norm
    targets = torch.from_numpy(host_targets).to(pixels.device)
    order = torch.from_numpy(np.concatenate(batches)).to(pixels.device)
    losses = []
    _train_mode(net)
    for index in torch.split(order, [len(batch) for batch in batches]):
        images = augment.crop_and_flip(pixels[index], recipe.pad, recipe.flip, generator)
        with _autocast(setting.precision, pixels.device):
            logits = net(augment.normalise(images, recipe))
        loss = phase.loss(logits.float(), targets[index], epoch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], clip_norm)
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).double().cpu().numpy()


def predict(
    net: nn.Module, pixels: Tensor, recipe: Recipe, precision: str = "fp32", place: str = "outputs"
) -> NDArray[np.float32]:
    """Logits (N, width) of uint8 images (N, H, W, channels), in evaluation mode.

    Raises:
        FloatingPointError: if one is not finite; `place` says where.
    """
    net.eval()
    with torch.inference_mode(), _autocast(precision, pixels.device):
        batches = torch.split(pixels, EVAL_BATCH)
        blocks = [net(augment.normalise(images, recipe)).float() for images in batches]
    logits = torch.cat(blocks).cpu().numpy()
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        raise FloatingPointError(
            f"{place}: outputs are not finite for {len(bad)} of {len(logits)} images, "
            f"first image {bad[0]} (batches of {EVAL_BATCH})"
        )
    return logits


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
    pixels = setting.train.pixels
    net = _net(expert, setting.options.backbone, pixels.shape[-1])
    nets.initialise(net, _generator(torch.device("cpu"), setting.seed, number))
    net.to(pixels.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def _generator(device: torch.device, *key: int) -> torch.Generator:
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1
    return torch.Generator(device).manual_seed(seed)


def _autocast(precision: str, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def _train_mode(net: nn.Module) -> None:
    """Training mode, but for what is frozen: there batch norm must not move."""
    for module in net.modules():
        own = list(module.parameters())
        module.training = not own or any(parameter.requires_grad for parameter in own)


def _check_losses(values: NDArray[np.float64], sizes: list[int], place: str) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        step = int(bad[0])
        raise FloatingPointError(
            f"{place}, step {step + 1} of {len(sizes)}: the loss of a batch of {sizes[step]} "
            f"images is {values[step]}; try a smaller train.lr or train.clip_norm"
        )


def _val_accuracy(net: nets.Net, expert: Expert, setting: Setting, place: str) -> float | None:
    """Percent right among the validation images that the expert sees; None if there are none."""
    targets = expert.view.targets(setting.val.labels)
    if not (targets >= 0).any():
        return None
    hits = _hits(net, targets, setting, place)
    return 100 * float(hits.mean())


def _balanced_accuracy(net: nets.Net, expert: Expert, setting: Setting, place: str) -> float:
    """Mean over the classes of the accuracy on their validation images."""
    targets = expert.view.targets(setting.val.labels)
    hits, seen = _hits(net, targets, setting, place), targets[targets >= 0]
    return float(np.mean([hits[seen == target].mean() for target in np.unique(seen)]))


def _hits(net: nets.Net, targets: Ints, setting: Setting, place: str) -> NDArray[np.bool_]:
    seen = np.flatnonzero(targets >= 0)
    pixels = setting.val.pixels[torch.from_numpy(seen).to(setting.val.pixels.device)]
    logits = predict(net, pixels, setting.recipe, setting.precision, place)
    hits: NDArray[np.bool_] = logits.argmax(axis=1) == targets[seen]
    return hits
