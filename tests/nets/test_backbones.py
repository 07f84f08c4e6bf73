"""The backbones for real sizes: against torchvision, drawn from a seed, cut, narrowed, refused."""

from __future__ import annotations

import copy
import math
import sys

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from lt import params
from lt.nets import backbones, branches, heads, resnets
from lt.nets import net as nets
from lt.nets.conv import Conv

NEW = ["resnet50", "resnext50_32x4d", "mobilenet_v3_small", "convnext_tiny"]
TIMM = "timm:mobilenetv3_small_050"


def make(name: str, size: int | None = None, channels: int = 3, init: nets.Init = "fan_out"):
    net = nets.make(name, channels, heads.linear, 5, size)
    return nets.initialise(net, torch.Generator().manual_seed(0), init)


@pytest.mark.parametrize("name", params.BACKBONES)
def test_all_that_params_allow_are_there(name: str) -> None:
    with torch.device("meta"):
        module, features = backbones.make(name, 1)
        assert module.eval()(torch.empty(2, 1, 32, 32)).shape == (2, features)


@pytest.mark.parametrize("name", NEW)
def test_they_are_torchvisions(name: str) -> None:
    """In values and gradients, on images of a size that convolutions are made for."""
    torch.manual_seed(0)
    theirs = get_model(name, num_classes=5, **drop(name)).double()
    ours = make(name, 32).double()
    state = theirs.state_dict()
    last = state.keys() - ours.backbone.state_dict().keys()
    ours.classifier.load_state_dict({key.split(".")[-1]: state.pop(key) for key in last})
    ours.backbone.load_state_dict(state)
    theirs, found = theirs.eval(), []  # of maps of 1x1, batch norm in training is chaos
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    for net in (theirs, ours.eval()):
        logits = net(images)
        logits.square().sum().backward()
        stem = next(part for part in net.modules() if isinstance(part, nn.Conv2d))
        found.append((logits.detach(), stem.weight.grad))
    torch.testing.assert_close(*found, rtol=1e-8, atol=1e-10)


def drop(name: str) -> dict[str, float]:
    return {"stochastic_depth_prob": 0.0} if name == "convnext_tiny" else {}


@pytest.mark.parametrize("name", [*NEW, TIMM])
@pytest.mark.parametrize("init", ["fan_out", "fan_in"])
def test_the_seed_decides_every_weight(name: str, init: nets.Init) -> None:
    """And no global generator: biases, too."""
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(make(name, init=init).state_dict())
    first, second = states
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_positions_of_a_transformer_are_drawn() -> None:
    net = make("timm:vit_tiny_patch16_224")
    positions = net.backbone.pos_embed
    assert 0.015 < positions.std() < 0.02  # cut at two deviations: 0.88 of 0.02
    assert positions.abs().max() <= 0.04


@pytest.mark.parametrize(("init", "fan"), [("fan_out", 2 * 9), ("fan_in", 4 * 9)])
def test_a_grouped_convolution_starts_as_the_maps_that_it_sees_ask(
    init: nets.Init, fan: int
) -> None:
    """128 channels to 64 in 32 groups: 4 to 2 in each."""
    conv = nn.Sequential(nn.Conv2d(128, 64, 3, groups=32))
    nets.initialise(conv, torch.Generator().manual_seed(0), init)
    assert conv[0].weight.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.05)
    assert not conv[0].bias.any()


@pytest.mark.parametrize("name", [*NEW, TIMM, "timm:ghostnet_050"])  # the last drops in forward
@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_is_left_to_chance_in_training(name: str, channels: int) -> None:
    net = make(name, 32, channels).train()
    images = torch.randn(4, channels, 32, 32)
    before = torch.get_rng_state()
    net(images).sum().backward()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnext50_32x4d", TIMM])
def test_plain_convolutions_are_made_for_their_maps_and_grouped_ones_left_alone(name: str) -> None:
    """Two steps in double precision are those of the network as it comes."""
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    states = []
    for size in (None, 32):
        net = make(name, size).double().train()
        own = [part for part in net.modules() if isinstance(part, Conv)]
        assert bool(own) == bool(size)
        assert all(conv.groups == 1 and conv.bias is None for conv in own)
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=2e-4)
        for _ in range(2):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images), torch.arange(4)).backward()
            optimizer.step()
        states.append(net.eval()(images).detach())
    torch.testing.assert_close(states[1], states[0], rtol=1e-8, atol=1e-10)


def test_a_convolution_that_meets_maps_of_several_sizes_is_left_alone() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps: torch.Tensor = self.conv(self.conv(images)[..., :1, :1])
            return maps.flatten(1)

    module = backbones._made_for(Twice(), "twice", 3, 4)
    assert type(module.conv) is nn.Conv2d


@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d"])
@pytest.mark.parametrize("width", [1.0, 0.75])
def test_what_is_cut_is_the_whole(name: str, width: float) -> None:
    module, features = backbones.make(name, 3, 32, width)
    assert features == 2048 * width
    first, last = backbones.split(module.eval())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(last(first(images)), module(images))
    assert module(images).shape == (2, features)


def test_a_stage_of_full_width_is_torchvisions() -> None:
    """What narrows stages makes them as torchvision does."""
    net = get_model("resnext50_32x4d")
    made = resnets._stage(net, 6, 512, 256)
    assert {key: value.shape for key, value in made.state_dict().items()} == {
        key: value.shape for key, value in net.layer3.state_dict().items()
    }


def test_branches_of_a_large_backbone_are_networks_of_the_ordinary_form() -> None:
    fork = branches.Fork(2, 0.5)
    net = branches.make("resnext50_32x4d", 3, heads.linear, 5, 32, fork).eval()
    images = torch.randn(2, 3, 32, 32)
    with branches.apart(net):
        both = net(images).split(5, dim=1)
    singles = branches.networks(net, "resnext50_32x4d", 3, 32)
    for (single, _), logits in zip(singles, both, strict=True):
        torch.testing.assert_close(copy.deepcopy(single).eval()(images), logits)


def test_what_does_not_go_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"train\.backbone: convnext_tiny does not take .* 8x8"):
        backbones.make("convnext_tiny", 3, 8)
    with pytest.raises(ValueError, match=r"train\.backbone: narrowed are resnet18, .*; got conv"):
        backbones.make("convnext_tiny", 3, last_width=0.5)
    with pytest.raises(ValueError, match=r"timm has no 'resnet19'; near are resnet18, "):
        backbones.make("timm:resnet19", 3)
    with pytest.raises(ValueError, match=r"timm has no 'none'; timm\.list_models\(\) lists what"):
        backbones.make("timm:none", 3)
    with pytest.raises(ValueError, match=r"train\.backbone: timm has no 'resnet18\.no' \(Invalid"):
        backbones.make("timm:resnet18.no", 3)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match="timm:resnet18 needs timm, which is not installed"):
        backbones.make("timm:resnet18", 3)
