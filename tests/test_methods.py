"""The same checks on every method that is found."""

from __future__ import annotations

import dataclasses
import inspect
import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from lt import methods, params
from lt.nets import heads, mixing
from lt.nets import net as nets
from lt.train import augment
from lt.train.plan import Expert, Mix, Task
from lt.train.start import Start

METHODS = params.method_names()
LDAM = {
    "start": "fresh",
    "scale": 30.0,
    "largest_margin": 0.5,
    "beta": 0.9999,
    "drw_epoch": 1,
}
RIDE = {
    "start": "fresh",
    "num": 3,
    "width": 0.75,
    "scale": 30.0,
    "largest_margin": 0.5,
    "beta": 0.9999,
    "drw_epoch": 1,
    "diversity": 0.45,
    "temperature": 1.0,
    "spread": 0.05,
}
SOFT = {"start": "fresh", "lean": 1.0, "scale": 30.0, "shared": False, "mixup": 0.0}
ENSEMBLE = {"start": "fresh", "num": 2, "tau": 1.0, "mixup": 0.0}
BALPOE = {"start": "fresh", "taus": [0.0, 2.0], "width": 1.0, "scale": 30.0, "mixup": 0.4}
SPLITS = [name for name in METHODS if name.startswith("split")]


def plan(name: str, task: Task, options: params.Params) -> tuple[Expert, ...]:
    values = {**options.methods[name]}
    short = {"scale_epochs": 2, "epochs": 2, "drw_epoch": 1}
    values |= {key: value for key, value in short.items() if key in values}
    if values["start"] != params.FRESH:
        before = plan(values["start"], task, options)
        task = dataclasses.replace(task, start=tuple(expert.view for expert in before))
    return methods.experts(name, task, values)


def test_its_params_are_those_of_params_yaml(method: str, options: params.Params) -> None:
    own = inspect.getfullargspec(import_module(f"lt.methods.{method}").experts).kwonlyargs
    assert ["start", *own] == list(options.methods[method])
    assert methods.problems(method, options.methods[method]) == []


def test_it_is_pure(method: str, task: Task, options: params.Params) -> None:
    first, again = (plan(method, task, options) for _ in range(2))
    assert [expert.view for expert in first] == [expert.view for expert in again]
    labels = np.repeat(np.arange(6), task.counts)
    for one, other in zip(first, again, strict=True):
        for mine, theirs in zip(one.phases, other.phases, strict=True):
            assert mine.epochs == theirs.epochs
            targets = one.view.targets(labels)
            for _ in range(2):  # called again with the same rng, a sampler draws the same
                draws = [p.sampler(targets, np.random.default_rng(3)) for p in (mine, theirs)]
                assert [b.tolist() for b in draws[0]] == [b.tolist() for b in draws[1]]


def test_every_class_has_an_expert(method: str, task: Task, options: params.Params) -> None:
    experts = plan(method, task, options)
    assert {label for expert in experts for label in expert.view.classes} == set(range(6))
    for expert in experts:
        assert expert.view.num_classes == 6


def test_samplers_stay_within_what_the_expert_sees(
    method: str, task: Task, options: params.Params
) -> None:
    labels = np.repeat(np.arange(6), task.counts)
    for expert in plan(method, task, options):
        targets = expert.view.targets(labels)
        for phase in expert.phases:
            batches = phase.sampler(targets, np.random.default_rng(0))
            assert all(2 <= len(batch) <= task.batch_size for batch in batches)
            assert (targets[np.concatenate(batches)] >= 0).all()


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("groups", [((0, 1), (2, 3), (4, 5)), ((0,), (1, 2), (3, 4), (5,))])
def test_more_than_two_groups(
    name: str, groups: tuple[tuple[int, ...], ...], task: Task, options: params.Params
) -> None:
    task = dataclasses.replace(task, groups=groups)
    assert tuple(e.view.classes for e in plan(name, task, options)) == groups


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("baseline", {}, "methods.baseline.start: missing; expected one of fresh, balanced_soft"),
        (
            "ros",
            {"start": "fresh"},
            r"methods\.ros\.epoch_length: missing; expected one of full, match",
        ),
        (
            "ros",
            {"start": "fresh", "epoch_lenght": "full", "epoch_length": "full"},
            r"epoch_lenght: unknown key",
        ),
        (
            "ros",
            {"start": "fresh", "epoch_length": "long"},
            "expected one of full, match, got 'long'",
        ),
        (
            "baseline",
            {"start": "fresh", "x": 1},
            r"methods\.baseline\.x: unknown key; allowed: start",
        ),
        ("rus", {"start": "fresh", "redraw": "yes"}, "expected true or false, got 'yes'"),
        (
            "tau_norm",
            {"start": "fresh", "taus": []},
            r"methods\.tau_norm\.taus: expected at least one",
        ),
        ("tau_norm", {"start": "fresh", "taus": [-1.0]}, "a list, each a number at least 0"),
        (
            "split",
            {"start": "fresh", "others": "rest", "batches": "own"},
            "expected one of drop, silent, got 'rest'",
        ),
        (
            "split_rest",
            {"start": "fresh", "thin": "mean", "ratio": 0},
            "expected a number above 0, got 0",
        ),
        ("nosuch", {"start": "fresh"}, "no method 'nosuch'; those that exist: balanced_softmax, "),
        ("ldam_drw", LDAM | {"drw_epoch": 2}, "expected less than train.epochs, 2, .* got 2"),
        ("logit_adjust_posthoc", {"start": "baseline", "taus": []}, "expected at least one number"),
        ("ride", RIDE | {"num": 1}, r"expected an integer in \[2, 100\]"),
        (
            "ride",
            RIDE | {"width": 1.5},
            r"width: expected a number in \(0, 1\], got 1\.5",
        ),
        ("ride", RIDE | {"drw_epoch": 2}, "expected less than train.epochs, 2, .* got 2"),
        (
            "soft_split",
            SOFT | {"lean": [0, "x"]},
            r"lean: expected a number at least 0 or a list, each .* at least 0, got \[0, 'x'\]",
        ),
        ("soft_split", SOFT | {"lean": [1]}, r"lean: .* each of the 2 groups, got \[1\.0\]"),
        ("balpoe", BALPOE | {"taus": [1.0]}, r"taus: expected at least two numbers, got \[1\.0\]"),
    ],
)
def test_bad_params(name: str, values: dict[str, object], message: str, task: Task) -> None:
    with pytest.raises(ValueError, match=message):
        methods.experts(name, task, values)


def test_equal_counts_make_rus_a_baseline(options: params.Params) -> None:
    task = Task((8,) * 6, (tuple(range(6)),), epochs=1, batch_size=16, lr=0.1)
    targets = np.repeat(np.arange(6), 8)
    shown = [
        sorted(np.concatenate(plan(n, task, options)[0].phases[0].sampler(targets, rng)))
        for n, rng in (("rus", np.random.default_rng(0)), ("baseline", np.random.default_rng(1)))
    ]
    assert shown[0] == shown[1]


def test_the_head_of_split_rest_sees_everything(task: Task, options: params.Params) -> None:
    labels = np.repeat(np.arange(6), task.counts)
    head, tail = plan("split_rest", task, options)
    shown = [
        np.concatenate(e.phases[0].sampler(e.view.targets(labels), np.random.default_rng(0)))
        for e in (head, tail)
    ]
    assert sorted(shown[0]) == list(range(121))
    assert np.bincount(labels[shown[1]], minlength=6)[3:].tolist() == [15, 10, 6]
    assert len(shown[1]) == 31 + round(31 / 3)  # own images and their mean count of the rest


def test_two_stage_scales_follow_the_whole_net(task: Task, options: params.Params) -> None:
    values = {**options.methods["split_lws"], "scales": "two_stage", "scale_epochs": 7}
    for expert in methods.experts("split_lws", task, values):
        assert [phase.epochs for phase in expert.phases] == [2, 7]


def test_a_group_of_one_class_has_no_softmax(task: Task) -> None:
    task = dataclasses.replace(task, groups=((0,), (1, 2, 3, 4, 5)))
    with pytest.raises(ValueError, match=r"groups of at least 2 classes.* got the group \[0\]"):
        methods.experts("group_softmax", task, {"start": "fresh", "ratio": 8.0})


@pytest.mark.parametrize("remix", [False, True])
def test_mixed_targets_by_hand(remix: bool) -> None:
    task = Task((30, 10, 9), ((0, 1, 2),), epochs=1, batch_size=4, lr=0.1)
    values = {"start": "fresh", "alpha": 1.0, "remix": remix, "kappa": 3.0, "tau": 0.5}
    (expert,) = methods.experts("mixup", task, values)
    assert expert.phases[0].mix is not None
    targets = torch.tensor([0, 1, 2])  # mixed with 2, 0, 1
    for share in (0.4, 0.6):
        blended = augment.blend(targets, torch.tensor(share), expert.phases[0].mix.share, 3)
        rest = 1 - share
        plain = [[share, 0.0, rest], [rest, share, 0.0], [0.0, rest, share]]
        # class 0 has at least 3 times the images of the others: a share of 0.4 of it goes
        gone = {0.4: (0, [0.0, 0.0, 1.0]), 0.6: (1, [0.0, 1.0, 0.0])}[share]
        if remix:
            plain[gone[0]] = gone[1]
        torch.testing.assert_close(blended, torch.tensor(plain))


def test_what_cannot_be_a_start_is_refused(task: Task, options: params.Params) -> None:
    views = {name: tuple(e.view for e in plan(name, task, options)) for name in METHODS}
    linear = nets.Net(torch.nn.Identity(), torch.nn.Linear(1, 6), 1)
    own = nets.Net(torch.nn.Identity(), heads.Cosine(1, 6, scale=30.0), 1)
    other = nets.Net(torch.nn.Identity(), heads.Cosine(1, 6, scale=16.0), 1)

    def check(method: str, start: str, net: nets.Net = linear) -> None:
        fresh = start == params.FRESH
        known = () if fresh else views[start]
        run = None if fresh else {"model": start}
        given = Start(nets=(net,) * len(known), views=known, run=run)
        given.check(method, plan(method, task, options), task.groups)

    check("crt", "baseline")
    check("ros", "baseline")
    check("distill", "split")
    check("ldam_drw", "cosine", own)
    with pytest.raises(ValueError, match=r"Cosine with scale 30\.0; got cosine, .* scale 16\.0"):
        check("ldam_drw", "cosine", other)
    for method, start, message in (
        ("crt", "split", "a method whose networks see the classes of its 1; got split"),
        ("crt", "fresh", "a method, since it has no training of its own to begin with; got fresh"),
        ("distill", "fresh", "a method, since"),
        (
            "distill",
            "baseline",
            "a method with a network per group and no class for the rest; got baseline",
        ),
        ("distill", "split_rest", "a method with a network per group"),
        ("ldam_drw", "baseline", "a method with its classifier, Cosine with scale 30.0; got bas"),
    ):
        with pytest.raises(ValueError, match=rf"^methods\.{method}\.start: expected {message}"):
            check(method, start)


@pytest.mark.parametrize("method", ["ride", "sade", "balpoe"])
def test_what_has_branches_begins_fresh(method: str, task: Task, options: params.Params) -> None:
    (expert,) = plan(method, task, options)
    (single,) = plan("cosine", task, options)
    assert len(expert.views) == 3
    start = Start(views=single.views, run={"model": "cosine"})
    with pytest.raises(ValueError, match=rf"methods\.{method}\.start: expected fresh, since its"):
        start.check(method, (expert,), task.groups)


def test_an_ensemble_may_be_of_balanced_softmax(task: Task) -> None:
    logits, targets = torch.randn(5, 6), torch.tensor([0, 1, 2, 5, 5])
    values = []
    for name, own in (("ensemble", ENSEMBLE), ("balanced_softmax", {})):
        expert, *_ = methods.experts(name, task, {"start": "fresh"} | own)
        values.append(expert.phases[0].loss(logits, targets, torch.tensor(1)))
    assert torch.equal(*values)


EPOCH = torch.tensor(1)


def soft(task: Task, lean: float | tuple[float, ...], shared: bool = False) -> tuple[Expert, ...]:
    return methods.experts("soft_split", task, SOFT | {"lean": lean, "shared": shared})


def test_a_soft_split_that_does_not_lean_is_an_ensemble(task: Task) -> None:
    """But for its classifier."""
    ensemble = methods.experts("ensemble", task, ENSEMBLE)
    logits, targets = torch.randn(5, 6), torch.tensor([0, 1, 2, 5, 5])
    for ours, theirs in zip(soft(task, 0.0), ensemble, strict=True):
        assert ours.view == theirs.view
        first, second = (e.phases[0].loss(logits, targets, EPOCH) for e in (ours, theirs))
        assert torch.equal(first, second)


@pytest.mark.parametrize("groups", [((0, 1, 2), (3, 4, 5)), ((0,), (1, 2), (3, 4, 5))])
def test_what_a_soft_split_leans_to(groups: tuple[tuple[int, ...], ...], task: Task) -> None:
    """Where each loss is least, given a true posterior; and that the leanings cancel."""
    task = dataclasses.replace(task, groups=groups)
    fit = torch.tensor([0.1, 0.2, 0.3, 0.1, 0.2, 0.1], dtype=torch.float64)  # p(x | class)
    joint = fit * torch.tensor(task.counts)
    shares = (joint / joint.sum())[None]  # the posterior, as a shared target
    total = torch.zeros(6, dtype=torch.float64)
    for expert, group in zip(soft(task, 1.5), groups, strict=True):
        own = torch.zeros(6, dtype=torch.float64)
        own[list(group)] = 1.5
        least = (fit.log() + own)[None].requires_grad_()
        expert.phases[0].loss(least, shares, EPOCH).backward()
        assert least.grad is not None
        torch.testing.assert_close(least.grad, torch.zeros(1, 6).double(), atol=1e-7, rtol=0.0)
        total += least.detach()[0]
    torch.testing.assert_close(
        (total / len(groups)).softmax(0), fit / fit.sum(), atol=1e-6, rtol=0.0
    )


def test_a_soft_split_may_lean_more_to_some_groups(task: Task) -> None:
    task = dataclasses.replace(task, groups=((0, 1, 2), (3, 4, 5)))
    logits, targets = torch.randn(5, 6), torch.tensor([0, 1, 2, 5, 5])
    found = [e.phases[0].loss(logits, targets, EPOCH) for e in soft(task, (0.0, 1.5))]
    alone = [soft(task, lean)[k].phases[0] for k, lean in enumerate((0.0, 1.5))]
    assert found == [phase.loss(logits, targets, EPOCH) for phase in alone]
    assert found[1] != soft(task, 0.0)[1].phases[0].loss(logits, targets, EPOCH)


def test_a_shared_soft_split_has_the_mean_loss(task: Task) -> None:
    (expert,) = soft(task, 1.5, shared=True)
    assert len(expert.views) == 2
    logits, targets = torch.randn(5, 2, 6), torch.tensor([0, 1, 2, 5, 5])
    apart = [e.phases[0].loss(logits[:, k], targets, EPOCH) for k, e in enumerate(soft(task, 1.5))]
    together = expert.phases[0].loss(logits, targets, EPOCH)
    torch.testing.assert_close(together, torch.stack(apart).mean())
    with pytest.raises(ValueError, match=r"soft_split\.shared: expected at least two groups, got"):
        soft(dataclasses.replace(task, groups=(tuple(range(6)),)), 1.0, shared=True)


@pytest.mark.parametrize("method", ["logit_adjust", "vs", "ensemble", "soft_split"])
@pytest.mark.parametrize("alpha", [0.0, 0.4])
def test_mixup_is_an_option(method: str, alpha: float, task: Task, options: params.Params) -> None:
    experts = methods.experts(method, task, {**options.methods[method], "mixup": alpha})
    found = {phase.mix for expert in experts for phase in expert.phases}
    assert found == {Mix(alpha, mixing.plain) if alpha else None}


def test_a_shared_soft_split_on_mixed_images_is_balpoe_but_for_its_lean(task: Task) -> None:
    own = {"shared": True, "mixup": 0.4}
    (balpoe,) = methods.experts("balpoe", task, BALPOE | {"taus": [1.0, 1.0]})
    (ours,) = methods.experts("soft_split", task, SOFT | own | {"lean": 0.0})
    assert (ours.views, ours.fork, ours.start) == (balpoe.views, balpoe.fork, balpoe.start)
    assert str(ours.head(8, 6)) == str(balpoe.head(8, 6))
    (own_phase,), (phase,) = ours.phases, balpoe.phases
    for field in ("epochs", "setups", "mix", "lr", "weight_decay"):
        assert getattr(own_phase, field) == getattr(phase, field)
    logits, targets = torch.randn(5, 2, 6), torch.rand(5, 6).softmax(1)
    losses = [one.loss(logits, targets, EPOCH) for one in (own_phase, phase)]
    torch.testing.assert_close(*losses)


def no_type(task: Task, *, power) -> None:  # type: ignore[no-untyped-def]
    """A param without a type."""


def no_star(task: Task, power: float) -> None:
    """A param that may be given by its place."""


def a_default(task: Task, *, power: float = 1.0) -> None:
    """A param with a number of its own."""


@pytest.mark.parametrize("function", [no_type, no_star, a_default])
def test_a_method_of_another_form_is_told_so(
    function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "_function", lambda _: function)
    with pytest.raises(ValueError, match=r"lt/methods/mine.py: expected experts\(task, \*, ...\)"):
        methods.problems("mine", {"start": "fresh", "power": 1.0})


def test_what_is_no_tuple_of_experts_is_told_so(
    task: Task, options: params.Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    (expert,) = plan("baseline", task, options)
    (phase,) = expert.phases
    one_phase = dataclasses.replace(expert, phases=phase)
    one_setup = dataclasses.replace(phase, setups=phase.setups[0])
    made = (
        (expert, "experts() to return a tuple of Expert"),
        ((), "experts() to return a tuple of Expert"),
        ((one_phase,), "the phases of an Expert to be a tuple of Phase"),
        (
            (dataclasses.replace(expert, phases=(one_setup,)),),
            "the setups of a Phase to be a tuple of functions",
        ),
    )
    for result, wanted in made:
        monkeypatch.setattr(methods, "_function", lambda _, result=result: lambda _: result)
        with pytest.raises(ValueError, match=re.escape(f"baseline.py: expected {wanted}, got")):
            methods.experts("baseline", task, {"start": "fresh"})
