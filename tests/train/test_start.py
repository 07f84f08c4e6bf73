from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pydantic import TypeAdapter
from torch import nn

from lt import methods, params, params_file
from lt.nets.net import Net
from lt.nets.surgery import Given
from lt.train import second_look
from lt.train.inputs import Inputs
from lt.train.plan import Expert
from lt.train.start import Start, rehearse
from lt.validate import check
from tests.conftest import ROOT

PROFILES = yaml.safe_load((ROOT / "params.yaml").read_text())["profiles"]


def test_what_a_training_is_comes_back_from_json() -> None:
    options = params_file.load(["model=crt"], ROOT / "params.yaml")
    for one in params.trainings(options):
        adapter: TypeAdapter[Any] = TypeAdapter(params.Training)
        assert check(adapter, json.loads(json.dumps(asdict(one)))) == (one, [])


@pytest.mark.parametrize("method", params.method_names())
@pytest.mark.parametrize("profile", PROFILES)
def test_every_method_can_be_run_in_every_profile(method: str, profile: str) -> None:
    rehearse(params_file.load([f"model={method}", f"profile={profile}"], ROOT / "params.yaml"))


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
            ["model=soft_split", "methods.soft_split.start=sade", "partition.num_groups=3"],
            "methods.soft_split.start: expected a method whose networks share no layers; got sade",
        ),
        (
            ["model=ensemble", "methods.ensemble.start=ride", "methods.ensemble.num=3"],
            "methods.ensemble.start: expected a method whose networks share no layers; got ride",
        ),
        (
            ["model=ride", "train.backbone=mobilenet_v3_small"],
            "^train.backbone: ride cuts its network before the last two stages; expected one of re",
        ),
        (["train.backbone=timm:no_such"], "^train.backbone: timm has no 'no_such'"),
        (["model=ldam_drw", "train.epochs=50"], "methods.ldam_drw.drw_epoch: expected less than"),
    ],
)
def test_a_rehearsal_refuses_what_training_would(overrides: list[str], message: str) -> None:
    options = params_file.load(overrides, ROOT / "params.yaml")
    with pytest.raises(ValueError, match=message):
        rehearse(options)


def test_validation_images_that_may_be_given_are_left_to_the_second_look() -> None:
    overrides = ["model=tau_norm", "data.name=images", "data.val_fraction=0"]
    rehearse(params_file.load(overrides, ROOT / "params.yaml"))


@pytest.mark.parametrize(
    ("cut", "lean", "fits"),
    [
        ("partition.num_groups=3", "[0,1,2.5]", True),
        ("partition.num_groups=3", "[0,2.5]", False),
        ("partition.criterion=shots", "[0,1,2.5]", True),
        ("partition.criterion=shots", "[0,2.5]", True),  # one of many, medium, few may be empty
        ("partition.criterion=shots", "[0,1,2,2.5]", False),
        ("partition.criterion=thresholds", "[0,1,2.5]", True),
        ("partition.num_groups=2", "[0,1,2.5]", False),
    ],
)
def test_a_number_per_group_is_one_for_each_of_them(cut: str, lean: str, fits: bool) -> None:
    given = ["model=soft_split", cut, f"methods.soft_split.lean={lean}"]
    options = params_file.load(given, ROOT / "params.yaml")
    if fits:
        rehearse(options)
    else:
        with pytest.raises(ValueError, match=r"^methods\.soft_split\.lean: expected a number, or"):
            rehearse(options)


@pytest.mark.parametrize(
    ("model", "start", "expected"),
    [
        ("distill", "baseline", "a method with a network per group and no class for the rest"),
        ("split", "baseline", "a method whose networks see the classes of its 1"),
    ],
)
def test_a_start_that_the_real_groups_rule_out_is_refused_before_it_is_trained(
    model: str, start: str, expected: str
) -> None:
    """Classes come in groups by frequency, and in a rehearsal by label."""
    given = [f"model={model}", f"methods.{model}.start={start}", "partition.num_groups=1"]
    given += ["methods.split.others=drop"]
    options = params_file.load(given, ROOT / "params.yaml")
    rehearse(options)
    labels = np.repeat(np.arange(3), (6, 40, 10))
    cut = {"counts": [6, 40, 10], "groups": [[1, 2, 0]]}
    inputs = Inputs({"train_labels": labels}, np.arange(50), np.arange(50, 56), {}, cut)
    chain = params.trainings(options)
    with pytest.raises(ValueError, match=rf"^methods\.{model}\.start: expected {expected}"):
        second_look.check(chain, "concat", inputs)


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        shown: torch.Tensor = self.inner(features)
        return shown


def wrap(net: Net, _: Given) -> list[nn.Parameter]:
    net.classifier = Wrapped(net.classifier)
    return list(net.parameters())


def unwrap(net: Net, _: Given) -> list[nn.Parameter]:
    net.classifier = net.classifier.inner
    return []


def test_a_classifier_that_cannot_be_saved_is_refused_before_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = params_file.load([], ROOT / "params.yaml")
    made = methods.experts

    def left(*given: Any, off: bool) -> tuple[Expert, ...]:
        (expert,) = made(*given)
        (phase,) = expert.phases
        phases = [replace(phase, setups=(wrap,))]
        if off:
            phases.append(replace(phase, epochs=0, setups=(unwrap,)))
        return (replace(expert, phases=tuple(phases)),)

    monkeypatch.setattr(methods, "experts", partial(left, off=False))
    message = (
        "methods.baseline: lt/nets/heads.py knows no Wrapped: add it to describe and build, or"
    )
    with pytest.raises(ValueError, match=message):
        rehearse(options)
    monkeypatch.setattr(methods, "experts", partial(left, off=True))
    rehearse(options)


@pytest.mark.parametrize("key", ["seed", "train", "data", "partition"])
def test_a_start_is_of_the_same_images_params_and_seed(key: str) -> None:
    run = {"seed": 0, "train": {"milestones": []}, "data": {"name": "a"}, "partition": {"x": 1}}
    start = Start(run=run)
    start.check_same({**run, "train": {"milestones": ()}})
    with pytest.raises(ValueError, match=f"was trained with another {key} than this run"):
        start.check_same({**run, key: "another"})


def test_a_teacher_with_a_class_for_the_rest_is_refused() -> None:
    given = ["model=distill", "methods.distill.start=split_rest"]
    options = params_file.load(given, ROOT / "params.yaml")
    with pytest.raises(ValueError, match="a network per group and no class for the rest; got spl"):
        rehearse(options)
