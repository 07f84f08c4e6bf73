from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lt.nets import backbones, heads, resnets
from lt.nets import net as nets

BACKBONES = ["resnet18", "resnet18_cifar", "resnet20", "resnet32"]


def make(name: str, channels: int = 3, width: int = 10, seed: int = 0) -> nets.Net:
    backbone, features = backbones.make(name, channels)
    net = nets.Net(backbone, heads.linear(features, width), features)
    return nets.initialise(net, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "parameters"),
    # torchvision's resnet18 has 11,689,512 with 1000 classes; He et al. give 0.27 M and 0.46 M
    [
        ("resnet18", 11_689_512 - 990 * 513),
        ("resnet18_cifar", 11_689_512 - 990 * 513 - 64 * 3 * (49 - 9)),
        ("resnet20", 269_722),
        ("resnet32", 464_154),
    ],
)
def test_parameters(name: str, parameters: int) -> None:
    assert sum(p.numel() for p in make(name).parameters()) == parameters


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 9, 32, 37])
def test_any_image_from_8x8_up(name: str, channels: int, size: int) -> None:
    net = make(name, channels, width=7).train()
    assert net(torch.randn(2, channels, size, size)).shape == (2, 7)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_seed_decides_every_weight(name: str) -> None:
    first, same, other = (make(name, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_convolutions_start_normal_with_he_fan_out() -> None:
    net = make("resnet18")
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            std = math.sqrt(2 / (module.kernel_size[0] ** 2 * module.out_channels))
            assert module.weight.std().item() == pytest.approx(std, rel=0.05)
            assert abs(module.weight.mean().item()) < std / 10


def test_weights_start_as_in_ldam_drw() -> None:
    """Deviations of kaidic/LDAM-DRW at 2536330, models/resnet_cifar.py: sqrt(2 / inputs)."""
    module, features = backbones.make("resnet32", 3)
    net = nets.Net(module, heads.linear(features, 100), features)
    nets.initialise(net, torch.Generator().manual_seed(0), "fan_in")
    kernels = [m.weight for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for weight, inputs in ((kernels[0], 27), (kernels[11], 16 * 9), (kernels[-1], 64)):
        assert weight.std().item() == pytest.approx(math.sqrt(2 / inputs), rel=0.1)
    assert net.classifier.bias.abs().max() <= 64**-0.5
    cosine = nets.Net(module, heads.cosine(30.0)(features, 10), features)
    norms = nets.initialise(cosine, torch.Generator(), "fan_in").classifier.linear.weight.norm(
        dim=1
    )
    torch.testing.assert_close(norms, torch.ones(10))


def test_option_a_shortcut_has_no_parameters_and_pads_channels() -> None:
    block = resnets._Block(4, 8, stride=2)
    nn.init.zeros_(block.bn2.weight)  # the residual branch is silent
    x = torch.rand(2, 4, 6, 6)
    y = block(x)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


def test_scaled_multiplies_bias_too() -> None:
    scaled = heads.Scaled(nn.Linear(3, 2))
    features = torch.randn(4, 3)
    assert torch.equal(scaled(features), scaled.classifier(features))
    scaled.scale.data = torch.tensor([2.0, -1.0])
    expected = scaled.classifier(features) * torch.tensor([2.0, -1.0])
    assert torch.equal(scaled(features), expected)


def test_weights_come_back(tmp_path: Path) -> None:
    net = make("resnet20")
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    other = nets.load_weights(make("resnet20", seed=1), tmp_path / "w.safetensors")
    assert torch.equal(other.classifier.weight, net.classifier.weight)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(make("resnet20").state_dict(), path)
    with pytest.raises(ValueError, match=r"classifier\.bias has shape \(10,\), expected \(7,\)"):
        nets.load_weights(make("resnet20", width=7), path)
    with pytest.raises(ValueError, match=r"the weights do not fit this network: backbone"):
        nets.load_weights(make("resnet32"), path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="missing or cut short"):
        nets.load_weights(make("resnet20"), path)
    with pytest.raises(ValueError, match="missing or cut short"):
        nets.load_weights(make("resnet20"), tmp_path / "none")


def test_cosines_are_computed_in_fp32() -> None:
    classifier, features = heads.Cosine(8, 3, scale=30.0), torch.randn(4, 8)
    expected = classifier(features)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(classifier(features), expected)


def test_a_stem_for_grey_images_is_that_for_colours_but_for_its_channels() -> None:
    stems = []
    for channels in (1, 3):
        module, _ = backbones.make("resnet18", channels)
        stem = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
        assert stem.in_channels == channels
        stems.append((stem.out_channels, stem.kernel_size, stem.stride, stem.padding, stem.bias))
    assert stems[0] == stems[1]
