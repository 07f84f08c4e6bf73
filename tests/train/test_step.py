from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from lt.data import samplers
from lt.nets import backbones, heads, losses, surgery
from lt.nets import net as nets
from lt.train import device, loop, step
from lt.train.plan import ClassView, Expert, Phase
from tests.conftest import quiet, train


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

    def __init__(self, steps: step.Steps, rows: torch.Tensor, _share: torch.Tensor) -> None:
        self.steps = steps
        self.sizes.append(len(rows))

    def replay(self, rows: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        return self.steps._compute(rows, share)


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_recorded_step_is_the_step(
    setting: step.Setting, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def images(host: step.Images) -> step.Images:
        return step.Images(host.pixels.cuda(), host.labels)

    device.pick_device(True)
    setting = dataclasses.replace(
        setting, train=images(setting.train), val=images(setting.val), precision=precision
    )
    made = []
    make = step._Recording.__init__
    monkeypatch.setattr(
        step._Recording, "__init__", lambda self, *given: made.append(self) or make(self, *given)
    )
    one = expert(*range(6))
    recorded = train(one, 0, setting).net.state_dict()
    assert len(made) == 2, "whole batches and the last one of an epoch"
    monkeypatch.setattr(step, "MAX_RECORDED", 0)
    written = train(one, 0, setting).net.state_dict()
    assert len(made) == 2
    assert all(torch.equal(recorded[key], written[key]) for key in written)
