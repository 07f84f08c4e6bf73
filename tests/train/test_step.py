from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from lt.data import samplers
from lt.data.stored import Stored
from lt.nets import backbones, heads, losses, mixing, surgery
from lt.nets import net as nets
from lt.score import predict
from lt.train import augment, device, loop, step
from lt.train.plan import ClassView, Expert, Mix, Phase
from tests.conftest import quiet, train
from tests.train.test_loop import main_phase


def expert(*classes: int, batch_size: int = 32) -> Expert:
    phase = Phase(3, losses.cross_entropy, samplers.shuffled(batch_size), (surgery.everything,))
    return Expert(ClassView(classes, 6), (phase,), heads.linear)


def test_experts_side_by_side_train_as_they_do_alone(setting: step.Setting) -> None:
    experts = [expert(0, 1, 2), expert(3, 4, 5)]
    alone = [train(one, k, setting) for k, one in enumerate(experts)]
    jobs = [loop.Job(one, k, setting, quiet) for k, one in enumerate(experts)]
    both = device.take_turns([loop.train(job) for job in jobs], [None, None])
    for first, second in zip(alone, both, strict=True):
        ours, theirs = first.net.state_dict(), second.net.state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_loss_is_told_the_epoch(setting: step.Setting) -> None:
    seen = []

    def loss(logits: torch.Tensor, targets: torch.Tensor, epoch: torch.Tensor) -> torch.Tensor:
        seen.append(int(epoch))
        late = torch.where(epoch > 2, 0.0, 1.0)
        return late * losses.cross_entropy(logits, targets, epoch)

    phase = Phase(3, loss, samplers.shuffled(1000), (surgery.everything,))
    history = train(Expert(ClassView.all(6), (phase,), heads.linear), 0, setting).history
    assert seen == [1, 2, 3]
    assert [row["train_loss"] > 0 for row in history] == [True, True, False]


class Replayed:
    """A recording that computes."""

    sizes: ClassVar[list[int]] = []

    def __init__(self, steps: step.Steps, *given: torch.Tensor) -> None:
        self.steps = steps
        self.sizes.append(len(given[0]))

    def replay(self, *given: torch.Tensor) -> torch.Tensor:
        return self.steps._compute(*given)


def test_a_size_is_recorded_when_it_comes_again(
    setting: step.Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "_Recording", Replayed)
    monkeypatch.setattr(step, "MAX_RECORDED", 2)
    net = nets.Net(backbones.make("resnet20", 1)[0], heads.linear(64, 6), 64)
    phase, labels = expert(*range(6)).phases[0], setting.train.labels
    steps = step.Steps(net, list(net.parameters()), phase, labels, setting)
    steps.pool = (0, 0)
    batches = [np.arange(size) for size in (4, 2, 4, 3, 4, 5, 2, 3, 3)]
    assert steps.run(batches, 1, 0.1, torch.Generator()).shape == (9,)
    assert Replayed.sizes == [4, 2], "the third that comes again is computed as written"


ADAMW = {"optimizer": "adamw", "schedule": "cosine", "lr": 1e-3}
NESTEROV = {"nesterov": True, "schedule": "cosine", "lr": 1e-3}


@pytest.mark.parametrize("changes", [ADAMW, NESTEROV], ids=["adamw", "nesterov"])
def test_an_optimizer_is_torchs_and_falls_along_a_cosine(
    setting: step.Setting, changes: dict[str, Any]
) -> None:
    options = dataclasses.replace(setting.options, warmup=1, clip_norm=None, **changes)
    setting = dataclasses.replace(setting, options=options)
    phase = expert(*range(6)).phases[0]
    net = nets.make("resnet20", 1, heads.linear, 6, 8)
    nets.initialise(net, torch.Generator().manual_seed(0))
    theirs = copy.deepcopy(net)
    rates = [loop._lr(epoch, phase, options) for epoch in (1, 2, 3)]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4])
    steps = step.Steps(net, list(net.parameters()), phase, setting.train.labels, setting)
    decay = options.weight_decay
    own: torch.optim.Optimizer = torch.optim.AdamW(theirs.parameters(), weight_decay=decay)
    if options.nesterov:
        own = torch.optim.SGD(
            theirs.parameters(), momentum=options.momentum, nesterov=True, weight_decay=decay
        )
    batch = np.arange(32)
    for epoch, lr in enumerate(rates, 1):
        steps.run([batch], epoch, lr, torch.Generator().manual_seed(epoch))
        draws = augment.draw(32, setting.recipe, torch.Generator().manual_seed(epoch))
        images = augment.crop_and_flip(setting.train.pixels[:32], draws, setting.recipe.pad)
        own.param_groups[0]["lr"] = lr
        own.zero_grad()
        logits = theirs.train()(predict.normalise(images, setting.recipe))
        nn.functional.cross_entropy(logits, torch.from_numpy(setting.train.labels[:32])).backward()
        own.step()
    for ours, other in zip(net.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-6)


def on_disk(images: step.Images, path: Path) -> step.Images:
    """The same images, of which only the file is left, in another order there."""
    order = np.random.default_rng(0).permutation(len(images.labels))
    np.save(path, images.pixels.numpy()[order])
    return step.Images(Stored(np.load(path, mmap_mode="r"), order.argsort()), images.labels)


@pytest.mark.parametrize("augmentation", ["crop", "resized_crop"])
def test_images_on_disk_train_as_those_in_memory(
    setting: step.Setting, augmentation: str, tmp_path: Path
) -> None:
    """Losses, weights, validation and features are the same bit for bit."""
    options = dataclasses.replace(setting.options, augment=augmentation, auto_augment="trivial")
    memory = dataclasses.replace(setting, options=options)
    disk = dataclasses.replace(
        memory,
        train=on_disk(setting.train, tmp_path / "train.npy"),
        val=on_disk(setting.val, tmp_path / "val.npy"),
    )
    whole = expert(0, 1, 2)
    means = Phase(0, losses.cross_entropy, samplers.shuffled(8), (surgery.nearest_mean("cosine"),))
    one = dataclasses.replace(whole, phases=(*whole.phases, means))
    trained = [train(one, 0, each) for each in (memory, disk)]
    first, second = (each.net.state_dict() for each in trained)
    assert all(torch.equal(first[key], second[key]) for key in first)
    histories = [
        [
            {key: value for key, value in row.items() if key != "images_per_s"}
            for row in each.history
        ]
        for each in trained
    ]
    assert histories[0] == histories[1]
    logits = [
        predict.predict(trained[0].net, each.val.pixels, setting.recipe) for each in (memory, disk)
    ]
    assert np.array_equal(*logits)
    digests = [(each.train.digest(), each.val.digest()) for each in (memory, disk)]
    assert digests[0] == digests[1]


def test_no_images_on_disk(setting: step.Setting, tmp_path: Path) -> None:
    """A split without validation images gives logits without rows."""
    empty = step.Images(setting.val.pixels[:0], setting.val.labels[:0])
    net = nets.make("resnet20", 1, heads.linear, 6, 8)
    pixels = on_disk(empty, tmp_path / "none.npy").pixels
    assert predict.predict(net, pixels, setting.recipe).shape == (0, 6)


PHOTOS = {"optimizer": "adamw", "lr": 1e-3, "augment": "resized_crop", "color_jitter": 0.4}
POLICY = {"nesterov": True, "rotation": 15.0, "auto_augment": "cifar10", "cutout": 4}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("changes", "alpha"), [({}, 0.0), ({}, 0.4), (PHOTOS, 0.0), (POLICY, 0.0)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_recorded_step_is_the_step(
    setting: step.Setting,
    precision: str,
    changes: dict[str, Any],
    alpha: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def images(host: step.Images) -> step.Images:
        return step.Images(host.pixels.cuda(), host.labels)

    device.pick_device(True)
    setting = dataclasses.replace(
        setting,
        train=images(setting.train),
        val=images(setting.val),
        options=dataclasses.replace(setting.options, **changes),
        precision=precision,
        device=torch.device("cuda"),
    )
    made = []
    make = step._Recording.__init__
    monkeypatch.setattr(
        step._Recording, "__init__", lambda self, *given: made.append(self) or make(self, *given)
    )
    one = expert(*range(6))
    mixed = dataclasses.replace(one.phases[0], mix=Mix.plain(alpha))
    one = dataclasses.replace(one, phases=(mixed,))
    recorded = train(one, 0, setting).net.state_dict()
    assert len(made) == 2, "whole batches and the last one of an epoch"
    monkeypatch.setattr(step, "MAX_RECORDED", 0)
    written = train(one, 0, setting).net.state_dict()
    assert len(made) == 2
    assert all(torch.equal(recorded[key], written[key]) for key in written)


class Brightness(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(6))

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))[:, None] * self.factor


def test_a_mixed_step_has_the_targets_of_its_images(setting: step.Setting) -> None:
    seen = []

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001
        seen.append((logits.detach()[:, 0], targets))
        return logits.mean()

    labels, recipe = np.arange(6), dataclasses.replace(setting.recipe, pad=0, flip=False)
    pixels = (40 * torch.arange(6)).to(torch.uint8)[:, None, None, None].repeat(1, 8, 8, 1)
    setting = dataclasses.replace(setting, train=step.Images(pixels, labels), recipe=recipe)
    phase, net = main_phase(1, loss=loss, mix=Mix(1.0, mixing.plain)), Brightness()
    steps = step.Steps(net, list(net.parameters()), phase, labels, setting)  # type: ignore[arg-type]
    steps.run([labels], 1, 0.0, torch.Generator().manual_seed(0))
    ((mixed, targets),) = seen
    assert ((targets > 0).sum(1) == 2).all(), "each image is a blend of two"
    expected = (targets @ (40 * torch.arange(6.0)) / 255 - 0.5) / 0.25
    torch.testing.assert_close(mixed, expected)


def steps_of(setting: step.Setting, **changes: Any) -> step.Steps:
    net = Brightness()
    phase = main_phase(1, **changes)
    return step.Steps(net, list(net.parameters()), phase, setting.train.labels, setting)  # type: ignore[arg-type]


def test_shares_are_drawn_from_a_symmetric_beta(setting: step.Setting) -> None:
    steps = steps_of(setting, mix=Mix(0.4, mixing.plain))
    shares = steps._shares(4000, torch.Generator().manual_seed(0)).numpy()
    assert stats.kstest(shares, stats.beta(0.4, 0.4).cdf).pvalue > 0.01


@pytest.mark.parametrize(("given", "expected"), [(None, 2e-4), (0.0, 0.0), (0.1, 0.1)])
def test_a_phase_may_have_its_own_weight_decay(
    setting: step.Setting, given: float | None, expected: float
) -> None:
    (group,) = steps_of(setting, weight_decay=given).optimizer.param_groups
    assert group["weight_decay"] == expected
