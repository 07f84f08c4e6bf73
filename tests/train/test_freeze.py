"""A backbone that stays as the file of weights has it, and what is trained then."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from lt import params, params_file
from lt.nets import backbones
from lt.train import loop, step
from lt.train.plan import Task
from lt.train.start import rehearse
from tests.conftest import ROOT, quiet, train
from tests.test_methods import METHODS, plan
from tests.test_trained import started

TAUGHT = "distill"  # its student begins with drawn weights


def pretrained(width: float) -> dict[str, torch.Tensor]:
    """Weights that no seed draws, with running means and variances of their own."""
    module, _ = backbones.make("resnet20", 1, last_width=width)
    generator = torch.Generator().manual_seed(7)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = torch.rand(part.num_features, generator=generator)
            part.running_var = 1 + torch.rand(part.num_features, generator=generator)
    return copy.deepcopy(module.state_dict())


@pytest.mark.parametrize("method", [name for name in METHODS if name != TAUGHT])
def test_of_every_method_the_backbone_stays_bit_for_bit(
    method: str, task: Task, options: params.Params, setting: step.Setting
) -> None:
    start = started(method, task, options, setting)
    for k, expert in enumerate(plan(method, task, options)):
        frozen = dataclasses.replace(
            setting,
            options=dataclasses.replace(setting.options, freeze="backbone"),
            weights=pretrained(expert.fork.width if expert.fork else 1.0),
        )
        before = loop._begin(loop.Job(expert, k, frozen, quiet, start=start))
        after = train(expert, k, frozen, start=start).net
        kept, now = before.backbone.state_dict(), after.backbone.state_dict()
        assert kept.keys() == now.keys()
        assert all(torch.equal(kept[name], now[name]) for name in kept)
        old, new = before.classifier.state_dict(), after.classifier.state_dict()
        assert old.keys() != new.keys() or any(
            not torch.equal(old[name], new[name]) for name in new
        )


def test_what_is_drawn_cannot_stay(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"")

    def check(*overrides: str) -> None:
        given = ["train.freeze=backbone", *overrides]
        rehearse(params_file.load(given, ROOT / "params.yaml"))

    check(f"train.weights={path}")
    with pytest.raises(ValueError, match=r"train\.freeze: expected none without train\.weights"):
        check()
    with pytest.raises(ValueError, match=r"train\.freeze: expected none with distill, whose stu"):
        check(f"train.weights={path}", "model=distill")
