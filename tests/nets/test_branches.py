from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from lt.nets import backbones, branch_losses, branches, heads, losses
from lt.nets import net as nets

BACKBONES = ["resnet18", "resnet18_cifar", "resnet20", "resnet32"]
GENERATOR = torch.Generator().manual_seed(0)
TARGETS = torch.randint(4, (16,), generator=GENERATOR)
EPOCH = torch.tensor(1)


def make(name: str, width: float, size: int | None = None) -> nets.Net:
    net = branches.make(name, 3, heads.cosine(30.0), 5, size, branches.Fork(3, width))
    return nets.initialise(net, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_cut_before_its_last_two_stages_is_the_backbone(name: str) -> None:
    module, features = backbones.make(name, 3)
    stem, last = backbones.split(module.eval())
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(last(stem(images)), module(images))
    assert stem(images).shape[1] == features / 4


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("width", [1.0, 0.75, 0.5, 0.3])
def test_any_width(name: str, width: float) -> None:
    module, features = backbones.make(name, 1, last_width=width)
    assert features == round(width * {"resnet18": 512, "resnet18_cifar": 512}.get(name, 64))
    assert module(torch.randn(2, 1, 8, 8)).shape == (2, features)


@pytest.mark.parametrize(("width", "parameters"), [(0.75, 770_896), (1.0, 1_344_784)])
def test_as_large_as_rides(width: float, parameters: int) -> None:
    """ride_resnet_cifar.py of frank-xwang/RIDE-LongTailRecognition at ab8be5c, counted."""
    fork = branches.Fork(3, width)
    net = branches.make("resnet32", 3, heads.cosine(30.0), 10, None, fork)
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_branches_are_averaged_outside_of_training() -> None:
    net, images = make("resnet20", 0.75), torch.randn(4, 3, 8, 8)
    assert net.train()(images).shape == (4, 3, 5)
    net.eval()
    each = torch.stack([end(net.backbone(images)) for end in net.classifier.branches], dim=1)
    torch.testing.assert_close(net(images), each.mean(1))
    with branches.apart(net) as num:
        assert num == 3
        torch.testing.assert_close(net(images), each.flatten(1))
    torch.testing.assert_close(net(images), each.mean(1))
    assert not torch.equal(each[:, 0], each[:, 1])


@pytest.mark.parametrize("name", ["resnet18", "resnet20"])
def test_each_branch_is_a_network_that_comes_back(name: str, tmp_path: Path) -> None:
    net, images = make(name, 0.75, 16).eval(), torch.randn(4, 3, 16, 16)
    singles, own = zip(*branches.networks(net, name, 3, 16), strict=True)
    assert sum(map(nets.parameters, own)) == nets.parameters(net)
    forms = [nets.form(single, name, 3, 16) for single in singles]
    for k, single in enumerate(singles):
        nets.save(single, tmp_path / f"expert_{k}.safetensors")
    nets.files.write_json(tmp_path / "experts.json", forms)
    with branches.apart(net):
        expected = net(images).chunk(3, dim=1)
    for one, logits in zip(nets.load(tmp_path), expected, strict=True):
        torch.testing.assert_close(one.eval()(images), logits)


def test_any_other_net_is_itself() -> None:
    net = nets.make("resnet20", 3, heads.linear, 5)
    assert branches.networks(net, "resnet20", 3, 8) == ((net, net),)
    with branches.apart(net) as num:
        assert num == 1


def test_ride_without_diversity_is_a_loss_per_branch() -> None:
    logits = torch.randn(16, 3, 4, generator=GENERATOR)
    values = {}
    for diversity in (0.0, 0.5):
        loss = branch_losses.ride(losses.cross_entropy, (8, 4, 2, 1), diversity, 1.0, 0.05, 5)
        values[diversity] = loss(logits, TARGETS, EPOCH)
        same = logits[:, :1].expand(-1, 3, -1)
        alone = functional.cross_entropy(logits[:, 0], TARGETS)
        torch.testing.assert_close(loss(same, TARGETS, EPOCH), 3 * alone)
    each = [functional.cross_entropy(logits[:, k], TARGETS) for k in range(3)]
    torch.testing.assert_close(values[0.0], torch.stack(each).sum())
    assert values[0.5] < values[0.0], "differing is rewarded"


def test_rides_temperatures_begin_after_their_epoch() -> None:
    logits = torch.randn(16, 3, 4, generator=GENERATOR)
    loss = branch_losses.ride(losses.cross_entropy, (8, 4, 2, 1), 0.5, 1.0, 0.05, 5)
    flat = branch_losses.ride(losses.cross_entropy, (8, 4, 2, 1), 0.5, 1.0, 0.0, 0)
    for epoch, same in ((1, True), (5, True), (6, False)):
        at = torch.tensor(epoch)
        values = loss(logits, TARGETS, at), flat(logits, TARGETS, at)
        assert torch.isclose(*values, rtol=1e-7, atol=0.0) == same, epoch
        assert loss(logits, TARGETS, epoch) == values[0], "an int, as in others' loops"


def test_a_weighted_sum_of_the_branches_losses() -> None:
    logits = torch.randn(16, 2, 4, generator=GENERATOR)
    own = [losses.adjusted((8, 4, 2, 1), tau) for tau in (0.0, 2.0)]
    expected = sum(one(logits[:, k], TARGETS, EPOCH) for k, one in enumerate(own))
    torch.testing.assert_close(branch_losses.each(own, 0.5)(logits, TARGETS, EPOCH), expected / 2)
