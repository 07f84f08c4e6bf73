"""Net: a backbone and a classifier; how its weights begin, and how it is saved and read back."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lt import files
from lt.nets import backbones, heads
from lt.nets.conv import Conv

T = TypeVar("T", bound=nn.Module)
Init = Literal["fan_out", "fan_in"]


class Net(nn.Module):
    """A feature extractor (B, channels, H, W) -> (B, features) and a classifier -> (B, width).

    last_width: the part of their channels that the last two stages of the backbone have.
    """

    def __init__(
        self, backbone: nn.Module, classifier: nn.Module, features: int, last_width: float = 1.0
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.features = features
        self.last_width = last_width

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.backbone(images))
        return logits


class Taught(nn.Module):
    """A net beside teachers, which see the same images.

    In training, outputs are (B, width + the teachers' widths), the own outputs first. Else they are
    the own (B, width).
    """

    def __init__(
        self, backbone: nn.Module, classifier: nn.Module, teachers: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.backbone, self.classifier = backbone, classifier
        self.teachers = nn.ModuleList(copy.deepcopy(teacher) for teacher in teachers)
        self.teachers.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.backbone(images))
        if not self.training:
            return logits
        return torch.cat([logits, *(teacher(images) for teacher in self.teachers)], dim=1)


def make(
    backbone: str, channels: int, head: heads.Head, width: int, image_size: int | None = None
) -> Net:
    """Build a net; its weights are still to be drawn (`initialise`) or read (`load`)."""
    module, features = backbones.make(backbone, channels, image_size)
    return Net(module, head(features, width), features)


def initialise(net: T, generator: torch.Generator, init: Init = "fan_out") -> T:
    """Draw fresh weights, all of them from `generator`, in the order of `net.modules()`.

    Norms and scales start as the identity, biases of convolutions at 0; the rows of a cosine
    classifier have norm 1. Whatever else a backbone draws (a transformer's positions) is normal
    with std 0.02, cut at two of them.

    Args:
        net: the module.
        generator: on the CPU.
        init: "fan_out": convolutions are normal with std sqrt(2 / (k * k * out_channels)) (He et
            al. 2015), with those out_channels that an input reaches; linear layers have torch's
            default. "fan_in": convolutions and the weights of
            linear layers are normal with std sqrt(2 / inputs), k * k * in_channels of them for a
            convolution (kaidic/LDAM-DRW at 2536330, models/resnet_cifar.py).
    """
    inside = {m.linear for m in net.modules() if isinstance(m, heads.Cosine)}  # directions alone
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            inputs = module.in_channels // module.groups
            kernel = torch.empty(module.out_channels, inputs, *module.kernel_size)
            nn.init.kaiming_normal_(kernel, mode=init, nonlinearity="relu", generator=generator)
            if init == "fan_out":
                kernel *= math.sqrt(module.groups)
            weight = module.cut(kernel) if isinstance(module, Conv) else kernel
            module.weight.data.copy_(weight)
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            for parameter in module.parameters():  # drawn on the CPU, wherever the net is
                drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
                parameter.data.copy_(drawn)
            if init == "fan_in" and module not in inside:
                weight = torch.empty(module.weight.shape)
                nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
                module.weight.data.copy_(weight)
        else:
            _draw_others(module, generator)
    for module in net.modules():
        if isinstance(module, heads.Cosine):
            weight = module.linear.weight
            weight.data.copy_(functional.normalize(weight.data, dim=1))
    return net


def _draw_others(module: nn.Module, generator: torch.Generator) -> None:
    """Draw a module's own parameters, but for those that are made with one value."""
    for parameter in module.parameters(recurse=False):
        if (parameter != parameter.flatten()[0]).any():
            drawn = torch.empty(parameter.shape)
            nn.init.trunc_normal_(drawn, std=0.02, a=-0.04, b=0.04, generator=generator)
            parameter.data.copy_(drawn)


def form(net: Net, backbone: str, channels: int, image_size: int) -> dict[str, Any]:
    """Describe all that `load` needs beside the weights, as JSON can hold it.

    Args:
        net: the net after its last phase.
        backbone: the name of its backbone.
        channels: the channels of its images.
        image_size: the pixels along a side of them.
    """
    return {
        "backbone": backbone,
        "channels": channels,
        "image_size": image_size,
        "last_width": net.last_width,
        "head": heads.describe(net.classifier),
    }


def trimmed(net: nn.Module) -> dict[str, str]:
    """Tell which kernels hold fewer taps than they have: name of the convolution -> sizes."""
    return {
        name: f"{conv.kernel_size[0]}x{conv.kernel_size[1]} -> {len(conv.taps)}x{len(conv.taps)}"
        for name, conv in net.named_modules()
        if isinstance(conv, Conv) and len(conv.taps) < conv.kernel_size[0]
    }


def parameters(net: nn.Module) -> int:
    """Count a network's parameters, with the taps that are not held."""
    convs = [module for module in net.modules() if isinstance(module, Conv)]
    held = sum(parameter.numel() for parameter in net.parameters())
    return held + sum(conv.whole().numel() - conv.weight.numel() for conv in convs)


def save(net: Net, path: Path) -> None:
    """Write the weights as .safetensors."""
    from safetensors.torch import save  # not save_file, whose errors are not OSErrors

    weights = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    path.write_bytes(save(weights))


def load(folder: Path) -> tuple[Net, ...]:
    """Read back the networks of a training, of whatever method, in evaluation mode.

    Args:
        folder: what a training has written: experts.json and expert_<k>.safetensors.

    Raises:
        ValueError: if a file of weights is missing, cut short or does not fit.
    """
    forms = files.read_json(folder / "experts.json")
    return tuple(
        load_weights(_build(one), folder / f"expert_{k}.safetensors").eval()
        for k, one in enumerate(forms)
    )


def _build(form: Mapping[str, Any]) -> Net:
    """Make a net of this form, with its weights undefined."""
    shape = form["channels"], form["image_size"], form["last_width"]
    module, features = backbones.make(form["backbone"], *shape)
    return Net(module, heads.build(form["head"], features), features, form["last_width"])


def load_weights(net: Net, path: Path) -> Net:
    """Fill `net` from a .safetensors file.

    Raises:
        ValueError: if the file cannot be read, or a tensor is missing, left over or misshaped.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: missing or cut short ({error})") from None
    own = net.state_dict()
    shapes = {key: tuple(value.shape) for key, value in own.items()}
    given = {key: tuple(value.shape) for key, value in weights.items()}
    for key in sorted(shapes.keys() | given.keys()):
        if shapes.get(key) != given.get(key):
            raise ValueError(
                f"{path}: the weights do not fit this network: {key} has shape "
                f"{given.get(key, 'none (missing)')}, expected {shapes.get(key, 'no such tensor')}"
            )
    net.load_state_dict(weights)
    return net
