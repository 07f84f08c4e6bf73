from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models import resnet18

from lt.nets import conv as conv_module
from lt.nets import heads
from lt.nets import net as nets
from lt.nets.conv import Conv

BACKBONES = ["resnet18", "resnet18_cifar", "resnet20", "resnet32"]


@pytest.mark.parametrize("largest", [0, conv_module.LARGEST, 8])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (1, 0), (7, 3)])
def test_outputs_and_gradients_are_those_of_a_convolution(
    size: int, stride: int, kernel: int, padding: int, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conv_module, "LARGEST", largest)
    torch.manual_seed(0)
    plain = nn.Conv2d(5, 6, kernel, stride, padding, bias=False).double()
    ours = Conv(plain, size).double().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(4, 5, size, size, dtype=torch.float64, requires_grad=True)
    results = []
    for conv in (plain, ours):
        y = conv(x)
        (y * torch.arange(y.numel()).view_as(y)).sum().backward()
        assert x.grad is not None
        assert conv.weight.grad is not None
        slope = conv.weight.grad
        results.append((y.detach(), x.grad.clone(), ours.whole(slope) if conv is ours else slope))
        x.grad = None
    for expected, got in zip(*results, strict=True):
        assert got.shape == expected.shape
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_maps_of_another_size_are_convolved_too() -> None:
    plain = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    ours = Conv(plain, 1)
    assert ours.weight.shape == (3, 2, 1, 1)
    x = torch.randn(2, 2, 5, 5)
    plain.weight.data.copy_(ours.whole())
    torch.testing.assert_close(ours(x), plain(x))


def make(name: str, size: int | None, channels: int = 3) -> nets.Net:
    net = nets.make(name, channels, heads.linear, 10, size)
    return nets.initialise(net, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, 8) for name in BACKBONES), ("resnet18", 32), ("resnet20", 32)],
)
def test_ten_steps_are_those_of_plain_convolutions(name: str, size: int) -> None:
    """With weight decay and clipping, in double precision."""
    images = torch.randn(16, 3, size, size, dtype=torch.float64)
    targets = torch.arange(16) % 10  # enough for batch norm on 1x1 maps to be no chaos
    states = []
    for made_for in (None, size):
        net = make(name, made_for).double().train()
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=2e-4)
        for _ in range(10):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images), targets).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
        states.append(net.eval()(images).detach())
    torch.testing.assert_close(states[1], states[0], rtol=1e-8, atol=1e-8)


def test_a_seed_draws_the_same_weights_for_any_size() -> None:
    whole, small = make("resnet18", None).state_dict(), make("resnet18", 32).state_dict()
    assert whole.keys() == small.keys()
    for name, value in small.items():
        assert value.shape == whole[name].shape
        used = value != 0 if value.ndim == 4 else torch.ones_like(value, dtype=torch.bool)
        assert torch.equal(value[used], whole[name][used]), name


def test_what_is_trimmed_is_told_and_counted() -> None:
    net = make("resnet18", 32)
    trimmed = nets.trimmed(net)
    assert trimmed["backbone.layer4.0.conv1"] == "3x3 -> 2x2"
    assert trimmed["backbone.layer4.1.conv2"] == "3x3 -> 1x1"
    assert len(trimmed) == 4
    assert nets.parameters(net) == sum(p.numel() for p in make("resnet18", None).parameters())
    held = sum(p.numel() for p in net.parameters())
    assert nets.parameters(net) - held == 5 * 256 * 512 + 3 * 8 * 512 * 512


def test_weights_go_to_torchvision_and_back(tmp_path: Path) -> None:
    net = make("resnet18", 32).eval()
    nets.save(net, tmp_path / "ours.safetensors")
    theirs = resnet18(num_classes=10)
    theirs.load_state_dict(
        {
            key.replace("backbone.", "").replace("classifier.", "fc."): value
            for key, value in load_file(tmp_path / "ours.safetensors").items()
        }
    )
    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(theirs.eval()(images), net(images), rtol=1e-4, atol=1e-5)
    other = resnet18(num_classes=10).eval()
    back = {
        f"classifier.{key[3:]}" if key.startswith("fc.") else f"backbone.{key}": value
        for key, value in other.state_dict().items()
    }
    net.load_state_dict(back)
    torch.testing.assert_close(net(images), other(images), rtol=1e-4, atol=1e-5)
