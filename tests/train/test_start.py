from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lt import params
from lt.nets import net
from lt.score import predict, store
from lt.train import loop, run, step
from lt.train.plan import Task
from lt.train.start import Start, rehearse
from lt.train.together import ALONE
from lt.validate import check
from tests.conftest import ROOT
from tests.test_methods import plan, trained


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


def test_what_a_training_is_comes_back_from_json() -> None:
    options = params.load(["model=crt"], ROOT / "params.yaml")
    for one in params.trainings(options):
        adapter = params._adapter(params.Training)
        assert check(adapter, json.loads(json.dumps(asdict(one)))) == (one, [])


@pytest.mark.parametrize("method", params.method_names())
@pytest.mark.parametrize("profile", ["default", "seed", "ldam"])
def test_every_method_can_be_run_in_every_profile(method: str, profile: str) -> None:
    rehearse(params.load([f"model={method}", f"profile={profile}"], ROOT / "params.yaml"))


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
        (
            ["model=split_lws", "evaluate.combine=rest"],
            "evaluate.combine: 'rest' does not apply to these experts",
        ),
        (
            ["profile=ldam", "evaluate.combine=affine"],
            "evaluate.combine: .affine. does not apply to these experts .no validation",
        ),
        (["methods.baseline.start=cosine"], "methods.baseline.start: expected a method with its"),
        (
            ["model=ride", "train.backbone=mobilenet_v3_small"],
            "^train.backbone: ride cuts its network before the last two stages; expected one of re",
        ),
        (["train.backbone=timm:no_such"], "^train.backbone: timm has no 'no_such'"),
        (["model=ldam_drw", "train.epochs=50"], "methods.ldam_drw.drw_epoch: expected less than"),
    ],
)
def test_a_rehearsal_refuses_what_training_would(overrides: list[str], message: str) -> None:
    options = params.load(overrides, ROOT / "params.yaml")
    with pytest.raises(ValueError, match=message):
        rehearse(options)


def test_validation_images_that_may_be_given_are_left_to_the_second_look() -> None:
    overrides = ["model=tau_norm", "data.name=images", "data.val_fraction=0"]
    rehearse(params.load(overrides, ROOT / "params.yaml"))
