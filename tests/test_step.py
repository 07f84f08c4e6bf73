from __future__ import annotations

import dataclasses

import pytest
import torch

from lt import device, fit, losses, nets, samplers, setups, step
from lt.plan import ClassView, Expert, Phase
from tests.conftest import quiet, train


def expert(*classes: int, batch_size: int = 32) -> Expert:
    phase = Phase(3, losses.cross_entropy, samplers.shuffled(batch_size), (setups.everything,))
    return Expert(ClassView(classes, 6), (phase,), nets.linear)


def test_experts_side_by_side_train_as_they_do_alone(setting: step.Setting) -> None:
    experts = [expert(0, 1, 2), expert(3, 4, 5)]
    alone = [train(one, k, setting) for k, one in enumerate(experts)]
    jobs = [fit.Job(one, k, setting, quiet) for k, one in enumerate(experts)]
    both = device.take_turns([fit.train(job) for job in jobs], [None, None])
    for first, second in zip(alone, both, strict=True):
        ours, theirs = first.net.state_dict(), second.net.state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_loss_is_told_the_epoch(setting: step.Setting) -> None:
    seen = []

    def loss(logits: torch.Tensor, targets: torch.Tensor, epoch: torch.Tensor) -> torch.Tensor:
        seen.append(int(epoch))
        late = torch.where(epoch > 2, 0.0, 1.0)
        return late * losses.cross_entropy(logits, targets, epoch)

    phase = Phase(3, loss, samplers.shuffled(1000), (setups.everything,))
    history = train(Expert(ClassView.all(6), (phase,), nets.linear), 0, setting).history
    assert seen == [1, 2, 3]
    assert [row["train_loss"] > 0 for row in history] == [True, True, False]


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
    one = expert(*range(6))
    recorded = train(one, 0, setting).net.state_dict()
    monkeypatch.setattr(step, "MAX_RECORDED", 0)
    written = train(one, 0, setting).net.state_dict()
    assert all(torch.equal(recorded[key], written[key]) for key in written)
