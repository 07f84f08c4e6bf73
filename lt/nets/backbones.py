"""Feature extractors: the networks without their classifiers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lt.nets.conv import Conv


def make(name: str, channels: int, image_size: int | None = None) -> tuple[nn.Module, int]:
    """Make a feature extractor for images of 8x8 and more; return it and its number of features.

    resnet18: torchvision's, with the stem made for ImageNet (7x7 stride 2, max-pool).
    resnet18_cifar: the same with a 3x3 stem and no pooling.
    resnet20, resnet32: He et al. 2015, section 4.2, for CIFAR, option A shortcuts.

    Args:
        name: one of these.
        channels: of the images.
        image_size: pixels along a side of them: convolutions are then made for the maps that they
            meet (lt/nets/conv.py), with the same results and without work that nothing sees.
    """
    if name in ("resnet20", "resnet32"):
        module, features = _small_resnet(channels, blocks={"resnet20": 3, "resnet32": 5}[name]), 64
    else:
        module, features = _resnet18(channels, imagenet_stem=name == "resnet18"), 512
    return _made_for(module, channels, image_size) if image_size else module, features


def split(module: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Cut a backbone before its last stage: images -> maps, and maps -> features."""
    layers = list(module.children())
    if not isinstance(module, nn.Sequential):  # torchvision's, whose order is that of its children
        layers = [*layers[:-1], nn.Flatten()]  # fc, the identity, is not used
    width = max(conv.out_channels for conv in module.modules() if isinstance(conv, nn.Conv2d))
    first = next(k for k, layer in enumerate(layers) if _ends_with(layer, width))
    return nn.Sequential(*layers[:first]), nn.Sequential(*layers[first:])


def _ends_with(layer: nn.Module, width: int) -> bool:
    return any(getattr(part, "out_channels", 0) == width for part in layer.modules())


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


def _resnet18(channels: int, imagenet_stem: bool) -> nn.Module:
    from torchvision.models import resnet18

    net: nn.Module = resnet18()
    net.fc = nn.Identity()
    net.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    if not imagenet_stem:
        net.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
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
        self.extra = (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.extra:
            x = x[:, :, :: self.stride, :: self.stride]
            x = functional.pad(x, (0, 0, 0, 0, self.extra, self.extra))
        return functional.relu(y.add_(x), inplace=True)


def _small_resnet(channels: int, blocks: int) -> nn.Module:
    layers: list[nn.Module] = [
        nn.Conv2d(channels, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
    ]
    inputs = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(blocks):
            layers.append(_Block(inputs, outputs, stride if block == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
