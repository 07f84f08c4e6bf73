"""Residual networks without their classifiers: He et al.'s for CIFAR, and torchvision's."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional


def for_imagenet(name: str, width: float = 1.0, small_stem: bool = False) -> tuple[nn.Module, int]:
    """Make one of torchvision's; return it and its number of features.

    Args:
        name: its name there.
        width: the part of their channels that the last two stages have, in (0, 1].
        small_stem: a 3x3 convolution and no pooling in place of the stem for ImageNet.
    """
    from torchvision.models import get_model

    net: Any = get_model(name, weights=None)
    features: int = net.fc.in_features
    net.fc = nn.Identity()
    if small_stem:
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    if width == 1:
        return net, features
    block = type(net.layer4[0])
    least = 64 // net.base_width if net.groups > 1 else 1  # a channel in each group
    inputs = net.layer3[0].downsample[0].in_channels
    for stage, part in (("layer3", 2), ("layer4", 1)):
        channels = max(least, round(features // block.expansion // part * width))
        setattr(net, stage, _stage(net, len(getattr(net, stage)), inputs, channels))
        inputs = channels * block.expansion
    return net, inputs


def _stage(net: Any, blocks: int, inputs: int, channels: int) -> nn.Module:
    """Make a stage of `net` that halves its maps, with these channels."""
    block = type(net.layer4[0])
    outputs = channels * block.expansion
    conv = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
    shortcut = nn.Sequential(conv, nn.BatchNorm2d(outputs))
    form = {"groups": net.groups, "base_width": net.base_width}
    first = block(inputs, channels, 2, shortcut, **form)
    return nn.Sequential(first, *(block(outputs, channels, **form) for _ in range(blocks - 1)))


def for_cifar(name: str, width: float = 1.0) -> tuple[nn.Module, int]:
    """Make resnet20 or resnet32 (He et al. 2016, section 4.2); return it and its features.

    width: the part of their channels that the last two stages have, in (0, 1].
    """
    last = max(1, round(32 * width)), max(1, round(64 * width))
    depth = int(name.removeprefix("resnet"))  # of layers with weights, 6 for each block of a stage
    return _small_resnet((depth - 2) // 6, last), last[1]


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        more = outputs - inputs
        self.extra = more // 2, more - more // 2  # channels of zeros, before and after

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
            x = functional.pad(x, (0, 0, 0, 0, *self.extra))
        return functional.relu(y.add_(x), inplace=True)


def _small_resnet(blocks: int, last: tuple[int, int]) -> nn.Module:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
    ]
    inputs = 16
    for outputs, stride in ((16, 1), (last[0], 2), (last[1], 2)):
        for block in range(blocks):
            layers.append(_Block(inputs, outputs, stride if block == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
