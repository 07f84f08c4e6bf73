"""Feature extractors: the networks without their classifiers."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from lt.nets import depthwise, resnets
from lt.nets.conv import Conv, fits
from lt.nets.depthwise import Depthwise

CIFAR = ("resnet20", "resnet32")
CUT = ("resnet18", "resnet18_cifar", *CIFAR, "resnet50", "resnext50_32x4d")  # by `split`
TIMM = "timm:"  # and a name of timm's, where that is installed


def make(
    name: str, channels: int, image_size: int | None = None, last_width: float = 1.0
) -> tuple[nn.Module, int]:
    """Make a feature extractor; return it and its number of features.

    resnet18, resnet50, resnext50_32x4d: torchvision's, with the stem made for ImageNet (7x7 stride
    2, max-pool), for images of 8x8 and more.
    resnet18_cifar: resnet18 with a 3x3 stem and no pooling.
    resnet20, resnet32: He et al. 2016, section 4.2, for CIFAR, option A shortcuts.
    mobilenet_v3_small, convnext_tiny: torchvision's up to the last linear layer; the latter for
    images of 32x32 and more.
    timm:<name>: timm's, as its create_model makes it.

    None of them has dropout or drops paths: all that is drawn comes from generators that are given.

    Args:
        name: one of these.
        channels: of the images.
        image_size: pixels along a side of them: convolutions are then made for the maps that they
            meet (lt/nets/conv.py), with the same results and without work that nothing sees.
        last_width: the part of their channels that the last two stages have, in (0, 1].

    Raises:
        ValueError: if there is no such backbone, or it does not take such images.
    """
    if last_width != 1 and name not in CUT:
        raise ValueError(f"train.backbone: narrowed are {', '.join(CUT)}; got {name}")
    if name in CIFAR:
        module, features = resnets.for_cifar(name, last_width)
    elif name in CUT:
        small_stem = name == "resnet18_cifar"
        module, features = resnets.for_imagenet(name.removesuffix("_cifar"), last_width, small_stem)
    elif name.startswith(TIMM):
        module, features = _timm(name)
    else:
        module, features = _torchvision(name)
    _take_channels(module, channels)
    _leave_nothing_to_chance(module)
    return (_made_for(module, name, channels, image_size) if image_size else module), features


def packages(name: str) -> tuple[str, ...]:
    """Return the packages, beside torch and torchvision, that make a backbone."""
    return ("timm",) if name.startswith(TIMM) else ()


def split(module: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Cut a backbone of CUT before its last two stages: images -> maps, and maps -> features."""
    layers = list(module.children())
    if isinstance(module, nn.Sequential):
        first = [getattr(layer, "stride", None) for layer in layers].index(2)  # of a _Block
    else:  # torchvision's, whose order is that of its children
        first = list(dict(module.named_children())).index("layer3")
        layers = [*layers[:-1], nn.Flatten()]  # fc, the identity, is not used
    return nn.Sequential(*layers[:first]), nn.Sequential(*layers[first:])


def _torchvision(name: str) -> tuple[nn.Module, int]:
    from torchvision.models import get_model

    module: nn.Module = get_model(name, weights=None)
    *_, (path, last) = ((n, m) for n, m in module.named_modules() if isinstance(m, nn.Linear))
    module.set_submodule(path, nn.Identity())
    return module, last.in_features


def _timm(name: str) -> tuple[nn.Module, int]:
    try:
        import timm
    except ImportError:
        raise ValueError(
            f"train.backbone: {name} needs timm, which is not installed: pip install timm"
        ) from None
    own = name.removeprefix(TIMM)
    if not timm.is_model(own):
        near = ", ".join(get_close_matches(own, timm.list_models(), 5))
        told = f"near are {near}" if near else "timm.list_models() lists what it has"
        raise ValueError(f"train.backbone: timm has no {own!r}; {told}")
    try:
        module: Any = timm.create_model(own, pretrained=False, num_classes=0)
    except RuntimeError as error:  # of what follows a dot in the name
        raise ValueError(f"train.backbone: timm has no {own!r} ({error})") from None
    return module, int(getattr(module, "head_hidden_size", None) or module.num_features)


def _take_channels(module: nn.Module, channels: int) -> None:
    """Let the first convolution take images of so many channels."""
    name, conv = next((n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d))
    if conv.in_channels == channels:
        return
    form: dict[str, Any] = {key: getattr(conv, key) for key in ("kernel_size", "stride", "padding")}
    fresh = nn.Conv2d(channels, conv.out_channels, **form, bias=conv.bias is not None)
    module.set_submodule(name, fresh)


def _leave_nothing_to_chance(module: nn.Module) -> None:
    """Switch off dropout and the dropping of paths, which draw from a global generator."""
    part: Any
    for part in module.modules():
        kind = type(part).__name__
        if isinstance(part, nn.modules.dropout._DropoutNd) or kind == "StochasticDepth":
            part.p = 0.0
        elif kind == "DropPath":  # timm's
            part.drop_prob = 0.0
        if isinstance(getattr(part, "drop_rate", None), float):  # timm's, as a function in forward
            part.drop_rate = 0.0


def _made_for(module: nn.Module, name: str, channels: int, image_size: int) -> nn.Module:
    """Replace each plain convolution by one that is made for the maps which it meets."""
    for conv, size in _sizes(module, name, channels, image_size).items():
        if depthwise.fits(conv):
            _replace(module, conv, Depthwise(conv))
        elif size is not None and fits(conv, size):
            _replace(module, conv, Conv(conv, size))
    return module.train()


def _replace(module: nn.Module, conv: nn.Conv2d, other: nn.Conv2d) -> None:
    for parent in module.modules():
        for own, child in list(parent.named_children()):
            if child is conv:
                setattr(parent, own, other)


def _sizes(
    module: nn.Module, name: str, channels: int, image_size: int
) -> dict[nn.Conv2d, int | None]:
    """Return the size of the square maps that each convolution meets; None if it varies."""
    sizes: dict[nn.Conv2d, int | None] = {}

    def note(conv: nn.Module, given: tuple[Tensor]) -> None:
        assert isinstance(conv, nn.Conv2d)
        height, width = given[0].shape[-2:]
        sizes[conv] = width if height == width and sizes.get(conv, width) == width else None

    convs = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    hooks = [conv.register_forward_pre_hook(note) for conv in convs]
    try:
        with torch.no_grad():
            out = module.eval()(torch.zeros(1, channels, image_size, image_size))
    except (RuntimeError, ValueError, AssertionError) as error:
        why = str(error).strip().split("\n")[0]
        shape = f"{image_size}x{image_size} pixels with {channels} channels"
        raise ValueError(
            f"train.backbone: {name} does not take images of {shape} ({why})"
        ) from None
    for hook in hooks:
        hook.remove()
    if out.ndim != 2:
        raise ValueError(
            f"train.backbone: expected a network with a vector of features for each image, "
            f"{name} gives {tuple(out.shape)} for one"
        )
    return sizes
