from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lt import fit, models, outputs, params, results, step
from lt.plan import Task
from tests.conftest import ROOT
from tests.test_methods import plan, trained


def save(
    root: Path, method: str, task: Task, options: params.Params, setting: step.Setting
) -> tuple[dict[str, Any], list[fit.Trained]]:
    """What the train stage writes of a method, and of that which it starts from."""
    values = {**options.methods[method]}
    start = None
    if values["start"] != params.FRESH:
        start, _ = save(root, values["start"], task, options, setting)
    if "drw_epoch" in values:
        values["drw_epoch"] = 1
    done = trained(method, task, options, setting)
    train = {"backbone": "resnet20", "epochs": 2, "batch_size": 32, "lr": 0.1}
    run = {"model": method, "method": values, "start": start, "train": train}
    logits = [outputs.predict(one.net, setting.val.pixels, setting.recipe) for one in done]
    outs = results.Outputs(logits, setting.val.labels, logits, setting.val.labels)
    info = {"run": run, "timing": {"train_s": 1.5}}
    results.save(root / method, plan(method, task, options), done, outs, info)
    return run, done


@pytest.mark.parametrize("method", params.method_names())
def test_networks_are_read_back(
    method: str, task: Task, options: params.Params, setting: step.Setting, tmp_path: Path
) -> None:
    _, done = save(tmp_path, method, task, options, setting)
    other = dataclasses.replace(task, epochs=1, batch_size=2)  # as one who only predicts has it
    loaded = models.load(tmp_path / method, other, channels=1)
    assert len(loaded) == len(done)
    for net, one in zip(loaded, done, strict=True):
        ours, theirs = (
            outputs.predict(each, setting.val.pixels, setting.recipe) for each in (net, one.net)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_start_counts_its_costs(
    task: Task, options: params.Params, setting: step.Setting, tmp_path: Path
) -> None:
    _, (done,) = save(tmp_path, "baseline", task, options, setting)
    start = models.Start.read(tmp_path / "baseline", task, channels=1)
    assert start.seconds == 1.5
    assert start.run is not None
    assert start.run["model"] == "baseline"
    other = fit.Trained(done.net, updates=5, images=50)
    start.add_costs([other])
    assert (other.updates, other.images) == (5 + done.updates, 50 + done.images)
    assert start.digest() != models.Start().digest()
    start.check("crt", plan("crt", task, options), task.groups)
    same = {"seed": 0, "train": start.run["train"], "data": "d"}
    whole = dataclasses.replace(start, run={**start.run, **same})
    whole.check_same(same)
    with pytest.raises(ValueError, match="was trained with another seed than this run"):
        whole.check_same({**same, "seed": 1})
    experts = json.loads((tmp_path / "baseline/experts.json").read_text())
    assert experts[0]["updates"] == done.updates


@pytest.mark.parametrize("method", params.method_names())
@pytest.mark.parametrize("profile", ["default", "seed", "ldam"])
def test_every_method_can_be_run_in_every_profile(method: str, profile: str) -> None:
    models.rehearse(params.load([f"model={method}", f"profile={profile}"], ROOT / "params.yaml"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model=tau_norm", "profile=ldam", "methods.tau_norm.taus=[0.5, 1.0]"],
            "data.val_fraction: this method chooses on validation images",
        ),
        (
            ["model=crt", "methods.crt.start=ldam_drw"],
            "methods.crt.start: this second stage expected a network with a plain linear",
        ),
        (
            ["model=crt", "methods.crt.start=split"],
            "methods.crt.start: expected a method whose networks see the classes of its 1",
        ),
        (["model=distill", "methods.split.start=crt"], "methods.split.start: expected a method"),
        (["model=ldam_drw", "train.epochs=50"], "methods.ldam_drw.drw_epoch: expected less than"),
    ],
)
def test_a_rehearsal_refuses_what_training_would(overrides: list[str], message: str) -> None:
    options = params.load(overrides, ROOT / "params.yaml")
    with pytest.raises(ValueError, match=message):
        models.rehearse(options)
