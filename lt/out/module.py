"""Several networks as one module: pixels in, a probability per class out."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lt.nets import heads
from lt.nets.conv import Conv
from lt.out import twin
from lt.out.networks import Networks


class Model(nn.Module):
    """uint8 images (N, H, W, channels) -> float32 (N, C).

    It normalises, runs each network and combines their outputs. Results are probabilities; where
    the rule has no distribution, they are its scores.
    """

    def __init__(self, trained: Networks) -> None:
        super().__init__()
        self.nets = nn.ModuleList(plain(one) for one in trained.nets)
        self.combine = twin.Combine(trained.rule_name, trained.rule, trained.words.views)
        self.are_probabilities = trained.words.are_probabilities
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor([255 * value for value in trained.recipe.mean]))
        self.register_buffer("std", torch.tensor([255 * value for value in trained.recipe.std]))
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        pixels = ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        scores: Tensor = self.combine([one(pixels).float() for one in self.nets])
        return (torch.softmax(scores, 1) if self.are_probabilities else scores).float()


class Directions(nn.Module):
    """A classifier: `scale` times the cosines between features and each row of `weight`."""

    def __init__(self, weight: Tensor, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("weight", functional.normalize(weight.detach(), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        directions = functional.normalize(features, dim=1)
        return self.scale * functional.linear(directions, self.get_buffer("weight"))


class Grouped(nn.Module):
    """`heads.Groups` in evaluation, with the order of its outputs ready."""

    def __init__(self, classifier: heads.Groups) -> None:
        super().__init__()
        self.linear = classifier.linear
        self.sizes = [len(group) + 1 for group in classifier.groups]
        order = [label for group in classifier.groups for label in group]
        self.register_buffer("places", torch.tensor(order).argsort())

    def forward(self, features: Tensor) -> Tensor:
        blocks = torch.split(self.linear(features), self.sizes, 1)
        own = torch.cat([functional.log_softmax(block, dim=1)[:, :-1] for block in blocks], dim=1)
        return own.index_select(1, self.get_buffer("places"))


def plain(net: nn.Module) -> nn.Module:
    """Return a copy whose parts are torch's own: what its parts compute at each call is done."""
    net = copy.deepcopy(net).cpu().eval()
    with torch.no_grad():
        for parent in list(net.modules()):
            for name, child in list(parent.named_children()):
                setattr(parent, name, _plain(child))
    return net


def _plain(module: nn.Module) -> nn.Module:
    match module:
        case Conv():
            place: Any = {"stride": module.stride, "padding": module.padding, "bias": False}
            kernel: Any = module.kernel_size
            conv = nn.Conv2d(module.in_channels, module.out_channels, kernel, **place)
            conv.weight.copy_(module.whole())
            return conv
        case heads.MaxNorm():
            module(torch.zeros(1, module.classifier.in_features))  # which cuts the rows' norms
            return module.classifier
        case heads.Cosine():
            return Directions(module.linear.weight, module.scale)
        case heads.NearestMean() if module.distance == "cosine":
            return Directions(module.means, 1.0)
        case heads.Groups():
            return Grouped(module)
        case heads.NearestMean():
            linear = nn.Linear(module.means.shape[1], len(module.means))
            linear.weight.copy_(2 * module.means)
            linear.bias.copy_(-module.means.square().sum(1))
            return linear
    return module
