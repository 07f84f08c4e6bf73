"""What a method hands to its loss, its sampler and its learning rate, against their own tests."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from lt import methods, params
from lt.nets import branch_losses, losses
from lt.nets import net as nets
from lt.train.plan import Phase, Task
from tests.nets.test_surgery import given
from tests.test_methods import EPOCH, LDAM, RIDE, plan

COUNTS, ONES = (40, 30, 20, 15, 10, 6), (1.0,) * 6  # of `task`
LATE = losses.effective_number_weights(COUNTS, 0.9999)
OWN = losses.ldam(COUNTS, 0.5, 30.0, LATE, 1)
SADE = losses.cross_entropy, losses.adjusted(COUNTS, 1.0), branch_losses.opposed(COUNTS, 2.0)


@pytest.mark.parametrize(
    ("name", "values", "loss"),
    [
        ("balanced_softmax", {}, losses.adjusted(COUNTS, 1.0)),
        ("logit_adjust", {"tau": 1.7, "mixup": 0.0}, losses.adjusted(COUNTS, 1.7)),
        ("focal", {"gamma": 1.7}, losses.focal(1.7)),
        ("vs", {"gamma": 0.3, "tau": 1.2, "mixup": 0.0}, losses.vs(COUNTS, 0.3, 1.2)),
        ("class_balanced", {"beta": 0.9999}, losses.weighted(LATE)),
        ("ldam_drw", LDAM, OWN),
        ("ride", RIDE, branch_losses.ride(OWN, COUNTS, 0.45, 1.0, 0.05, 1)),
        ("sade", {"width": 0.75, "scale": 30.0, "strength": 2.0}, branch_losses.each(SADE, 1.0)),
        (
            "balpoe",
            {"taus": [0.5, 1.0, 1.5], "width": 1.0, "scale": 30.0, "mixup": 0.4},
            branch_losses.each([losses.adjusted(COUNTS, tau) for tau in (0.5, 1.0, 1.5)], 1 / 3),
        ),
    ],
)
def test_a_loss_has_the_params_of_its_method(
    name: str, values: dict[str, Any], loss: losses.Loss, task: Task
) -> None:
    (expert,) = methods.experts(name, task, {"start": "fresh"} | values)
    logits, targets = torch.randn(5, 3, 6), torch.tensor([0, 1, 2, 5, 5])
    logits = logits if expert.fork else logits[:, 0]
    for epoch in (torch.tensor(1), torch.tensor(2)):
        ours = expert.phases[0].loss(logits, targets, epoch)
        torch.testing.assert_close(ours, loss(logits, targets, epoch))


def test_a_student_learns_at_its_temperature(task: Task, options: params.Params) -> None:
    before = plan("split", task, options)
    task = dataclasses.replace(task, start=tuple(expert.view for expert in before))
    values = {"start": "split", "temperature": 2.0, "weight": 3.0}
    (expert,) = methods.experts("distill", task, values)
    logits, targets = torch.randn(5, 6 + sum(v.width for v in task.start)), torch.tensor([0] * 5)
    ours = expert.phases[0].loss(logits, targets, EPOCH)
    assert torch.equal(ours, losses.distilled(task.start, 2.0, 3.0)(logits, targets, EPOCH))


def test_adjusting_afterwards_takes_the_prior_off(task: Task) -> None:
    values = {"start": "baseline", "taus": [0.5, 2.0]}
    (expert,) = methods.experts("logit_adjust_posthoc", task, values)
    for tau, setup in zip((0.5, 2.0), expert.phases[0].setups, strict=True):
        net = nets.Net(torch.nn.Identity(), torch.nn.Linear(1, 6), 1)
        before = net.classifier.bias.detach().clone()
        setup(net, given())
        gained = net.classifier.bias - before
        expected = tau * torch.tensor([40 / count for count in task.counts]).log()
        torch.testing.assert_close(gained - gained[0], expected)


@pytest.mark.parametrize("name", ["ros", "crt", "lws", "split_lws"])
def test_what_draws_classes_alike(name: str, task: Task, options: params.Params) -> None:
    last = plan(name, task, options) if name != "split_lws" else two_stages(task, options)
    for expert in last:
        targets = expert.view.targets(np.repeat(np.arange(6), [400, 300, 200, 150, 100, 60]))
        drawn = np.concatenate(expert.phases[-1].sampler(targets, np.random.default_rng(0)))
        shares = np.bincount(targets[drawn]) / len(drawn)
        shares = shares[shares > 0]
        assert shares == pytest.approx([1 / len(shares)] * len(shares), abs=0.06)


def two_stages(task: Task, options: params.Params) -> Any:
    values = {**options.methods["split_lws"], "scales": "two_stage", "scale_epochs": 4}
    return methods.experts("split_lws", task, values)


def test_a_second_stages_rate_falls_along_its_own_cosine(
    task: Task, options: params.Params
) -> None:
    def rates(phase: Phase) -> list[float]:
        assert phase.lr is not None
        return [phase.lr(epoch) for epoch in range(1, phase.epochs + 1)]

    for name in ("crt", "lws"):
        (expert,) = plan(name, task, options)
        assert rates(expert.phases[-1]) == pytest.approx([0.1, 0.05])
    for expert in two_stages(task, options):
        assert rates(expert.phases[-1]) == pytest.approx([0.1, 0.0854, 0.05, 0.0146], abs=1e-4)
    values = options.methods["weight_balance"] | {"epochs": 2, "first_lr": 0.02, "lr": 0.01}
    (expert,) = methods.experts("weight_balance", task, values)
    assert [rates(phase) for phase in expert.phases] == [
        pytest.approx([0.02, 0.01]),
        pytest.approx([0.01, 0.005]),
    ]


@pytest.mark.parametrize("batches", ["own", "shared"])
def test_the_first_stage_shows_every_image_once(
    batches: str, task: Task, options: params.Params
) -> None:
    for name in ("split", "split_lws"):
        values = {**options.methods[name], "batches": batches}
        for expert in methods.experts(name, task, values):
            targets = expert.view.targets(np.repeat(np.arange(6), task.counts))
            drawn = np.concatenate(expert.phases[0].sampler(targets, np.random.default_rng(0)))
            assert sorted(drawn) == np.flatnonzero(targets >= 0).tolist()
