"""Feature extractors: the networks without their classifiers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lt.nets.conv import Conv


def make(
    name: str, channels: int, image_size: int | None = None, last_width: float = 1.0
) -> tuple[nn.Module, int]:
    """Make a feature extractor for images of 8x8 and more; return it and its number of features.

    resnet18: torchvision's, with the stem made for ImageNet (7x7 stride 2, max-pool).
    resnet18_cifar: the same with a 3x3 stem and no pooling.
    resnet20, resnet32: He et al. 2015, section 4.2, for CIFAR, option A shortcuts.

    Args:
        name: one of these.
        channels: of the images.
        image_size: pixels along a side of them: convolutions are then made for the maps that they
            meet (lt/nets/conv.py), with the same results and without work that nothing sees.
        last_width: the part of their channels that the last two stages have, in (0, 1].
    """
    full = (32, 64) if name in ("resnet20", "resnet32") else (256, 512)
    widths = max(1, round(full[0] * last_width)), max(1, round(full[1] * last_width))
    if name in ("resnet20", "resnet32"):
        module = _small_resnet(channels, {"resnet20": 3, "resnet32": 5}[name], widths)
    else:
        module = _resnet18(channels, name == "resnet18", None if last_width == 1 else widths)
    features = widths[1]
    return _made_for(module, channels, image_size) if image_size else module, features


def split(module: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Cut a backbone before its last two stages: images -> maps, and maps -> features."""
    layers = list(module.children())
    if isinstance(module, nn.Sequential):
        first = [getattr(layer, "stride", None) for layer in layers].index(2)  # of a _Block
    else:  # torchvision's, whose order is that of its children
        first = list(dict(module.named_children())).index("layer3")
        layers = [*layers[:-1], nn.Flatten()]  # fc, the identity, is not used
    return nn.Sequential(*layers[:first]), nn.Sequential(*layers[first:])


def _made_for(module: nn.Module, channels: int, image_size: int) -> nn.Module:
    """Replace each convolution by one that is made for the maps which it meets."""
    sizes: dict[nn.Module, int] = {}

    def note(conv: nn.Module, given: tuple[Tensor]) -> None:
        sizes[conv] = given[0].shape[-1]

    convs = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    hooks = [conv.register_forward_pre_hook(note) for conv in convs]
    with torch.no_grad():
        module.eval()(torch.zeros(1, channels, image_size, image_size))
    for hook in hooks:
        hook.remove()
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, Conv(child, sizes[child]))
    return module.train()


def _resnet18(channels: int, imagenet_stem: bool, last: tuple[int, int] | None) -> nn.Module:
    """Make torchvision's, perhaps with other widths of the last two stages."""
    from torchvision.models import resnet18
    from torchvision.models.resnet import BasicBlock

    net: nn.Module = resnet18()
    net.fc = nn.Identity()
    net.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    if not imagenet_stem:
        net.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    inputs = 128
    for name, outputs in zip(("layer3", "layer4"), last or (), strict=False):
        conv = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        shortcut = nn.Sequential(conv, nn.BatchNorm2d(outputs))
        blocks = BasicBlock(inputs, outputs, 2, shortcut), BasicBlock(outputs, outputs)
        setattr(net, name, nn.Sequential(*blocks))
        inputs = outputs
    return net


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


def _small_resnet(channels: int, blocks: int, last: tuple[int, int]) -> nn.Module:
    layers: list[nn.Module] = [
        nn.Conv2d(channels, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
    ]
    inputs = 16
    for outputs, stride in ((16, 1), (last[0], 2), (last[1], 2)):
        for block in range(blocks):
            layers.append(_Block(inputs, outputs, stride if block == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
