"""What every method is once it has trained: twice the same, cut off, saved, gone on from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lt import params
from lt.nets import net
from lt.score import predict, store
from lt.train import checkpoint, loop, run, step
from lt.train.plan import Task
from lt.train.start import Start
from lt.train.together import ALONE
from tests.conftest import Cut, train
from tests.test_methods import plan


def retrained(
    name: str, task: Task, options: params.Params, setting: step.Setting
) -> list[loop.Trained]:
    """The method's experts, trained now."""
    start = started(name, task, options, setting)
    return [
        train(expert, k, setting, start=start) for k, expert in enumerate(plan(name, task, options))
    ]


def started(name: str, task: Task, options: params.Params, setting: step.Setting) -> loop.Nets:
    """The networks of the method that it starts from."""
    before = options.methods[name]["start"]
    if before == params.FRESH:
        return ()
    return tuple(one.net for one in trained(before, task, options, setting))


KNOWN: dict[tuple[str, Task], list[loop.Trained]] = {}


def trained(
    name: str, task: Task, options: params.Params, setting: step.Setting
) -> list[loop.Trained]:
    """The method's experts, trained once for all tests that look at them."""
    if (name, task) not in KNOWN:
        KNOWN[name, task] = retrained(name, task, options, setting)
    return KNOWN[name, task]


def test_it_trains_twice_the_same(
    method: str, task: Task, options: params.Params, setting: step.Setting
) -> None:
    first, again = (
        [
            predict.predict(one.net, setting.val.pixels, setting.recipe)
            for one in how(method, task, options, setting)
        ]
        for how in (trained, retrained)
    )
    for expert, block, same in zip(plan(method, task, options), first, again, strict=True):
        assert block.shape == (36, expert.view.width)
        assert np.array_equal(block, same)


def test_one_group_makes_the_split_a_baseline(
    task: Task, options: params.Params, setting: step.Setting
) -> None:
    whole = dataclasses.replace(task, groups=(tuple(range(6)),))
    states = [
        trained(name, whole, options, setting)[0].net.state_dict() for name in ("split", "baseline")
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])


@pytest.mark.parametrize("method", ["crt", "lws", "tau_norm", "ncm"])
def test_second_stages_leave_the_backbone_as_it_was(
    method: str, task: Task, options: params.Params, setting: step.Setting
) -> None:
    (base,), (after,) = (trained(name, task, options, setting) for name in ("baseline", method))
    first, second = base.net.backbone.state_dict(), after.net.backbone.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first), "batch norm among it"
    ours, theirs = (
        predict.predict(one.net, setting.val.pixels, setting.recipe) for one in (after, base)
    )
    assert not np.allclose(ours, theirs, rtol=1e-3, atol=1e-3), "the classifier moved"


@pytest.mark.parametrize("method", ["balanced_softmax", "logit_adjust", "class_balanced"])
def test_equal_counts_make_it_a_baseline(
    method: str, task: Task, options: params.Params, setting: step.Setting
) -> None:
    task = dataclasses.replace(task, counts=(20,) * 6)
    ours, baseline = (
        trained(name, task, options, setting)[0].net.state_dict() for name in (method, "baseline")
    )
    for key in baseline:
        torch.testing.assert_close(ours[key], baseline[key], rtol=1e-3, atol=1e-4)


def test_adjusting_equal_counts_afterwards_is_the_identity(
    task: Task, options: params.Params, setting: step.Setting
) -> None:
    task = dataclasses.replace(task, counts=(20,) * 6)
    first, second = (
        trained(name, task, options, setting)[0].net.state_dict()
        for name in ("baseline", "logit_adjust_posthoc")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_run_that_was_cut_off_ends_the_same(
    method: str,
    task: Task,
    options: params.Params,
    setting: step.Setting,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "PATIENCE", 0.0)
    start, wholes = (how(method, task, options, setting) for how in (started, trained))

    def store() -> checkpoint.Checkpoints:
        return checkpoint.Checkpoints(tmp_path, {})

    def cut(row: loop.Row) -> None:
        if row["epoch"] == 2:
            raise Cut

    for k, (expert, whole) in enumerate(zip(plan(method, task, options), wholes, strict=True)):
        if whole.history:
            with pytest.raises(Cut):
                train(expert, k, setting, cut, store(), start)
        resumed = train(expert, k, setting, checkpoints=store(), start=start)
        first, second = whole.net.state_dict(), resumed.net.state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert len(whole.history) == len(resumed.history)


def test_weight_balance_bounds_the_classifier_alone(
    task: Task, options: params.Params, setting: step.Setting
) -> None:
    (expert,) = plan("weight_balance", task, options)
    first, second = expert.phases
    assert (first.weight_decay, second.weight_decay) == (5e-3, 0.1)
    states = []
    for phases in ((first,), (first, second)):
        one = train(dataclasses.replace(expert, phases=phases), 0, setting)
        states.append((one.net.backbone.state_dict(), one.net.classifier))
    (before, linear), (after, bounded) = states
    assert all(torch.equal(before[key], after[key]) for key in before), "batch norm among it"
    norms = linear.weight.norm(dim=1)
    bounded(torch.zeros(1, 64))  # which brings the rows back to the norm
    least, most = norms.aminmax()
    assert bounded.classifier.weight.norm(dim=1).max() <= (least + 0.1 * (most - least)) * 1.0001


def save(
    root: Path, method: str, task: Task, options: params.Params, setting: step.Setting
) -> tuple[dict[str, Any], list[loop.Trained]]:
    """Write what a training does of a method, and of that which it starts from."""
    values = {**options.methods[method]}
    before = None
    if values["start"] != params.FRESH:
        before, _ = save(root, values["start"], task, options, setting)
    done = trained(method, task, options, setting)
    train = {"backbone": "resnet20", "epochs": 2, "batch_size": 32, "lr": 0.1}
    about = {"model": method, "method": values, "start": before, "train": train}
    about |= {"seed": 0, "training": method, "data": "d", "partition": "p"}
    logits = run._predict(done, setting.val, setting, ALONE, "validation")
    outputs = store.Outputs(logits, setting.val.labels, logits, setting.val.labels)
    facts = {"run": about, "timing": {"train_s": 1.5}}
    run._save(root / method, plan(method, task, options), done, setting, outputs, facts)
    return about, done


@pytest.mark.parametrize("method", params.method_names())
def test_networks_are_read_back(
    method: str, task: Task, options: params.Params, setting: step.Setting, tmp_path: Path
) -> None:
    _, done = save(tmp_path, method, task, options, setting)
    loaded, outputs = net.load(tmp_path / method), store.load_outputs(tmp_path / method)
    views = store.load_views(tmp_path / method)
    for one, view, theirs in zip(loaded, views, outputs.val, strict=True):
        ours = predict.predict(one, setting.val.pixels, setting.recipe)
        assert ours.shape == (36, view.width)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    costs = store.load_costs(tmp_path / method)
    assert costs["parameters"] == sum(net.parameters(one.net) for one in done)
    assert costs["updates"] == sum(one.updates for one in done)


def test_a_start_counts_its_costs(
    task: Task, options: params.Params, setting: step.Setting, tmp_path: Path
) -> None:
    _, (done,) = save(tmp_path, "baseline", task, options, setting)
    start = Start.read(tmp_path / "baseline")
    assert start.seconds == 1.5
    assert start.run is not None
    assert start.run["model"] == "baseline"
    other = loop.Trained(done.net, updates=5, images=50)
    start.add_costs([other])
    assert (other.updates, other.images) == (5 + done.updates, 50 + done.images)
    assert start.digest() != Start().digest()
    start.check("crt", plan("crt", task, options), task.groups)
    same = {"seed": 0, "train": start.run["train"], "data": "d", "partition": "p"}
    whole = Start(**{**vars(start), "run": {**start.run, **same}})
    whole.check_same(same)
    with pytest.raises(ValueError, match="was trained with another seed than this run"):
        whole.check_same({**same, "seed": 1})
    experts = json.loads((tmp_path / "baseline/experts.json").read_text())
    assert experts[0]["updates"] == done.updates
    assert {"backbone": "resnet20", "channels": 1, "image_size": 8}.items() <= experts[0].items()
