"""Networks that share their first stages: the last two, and the classifier, once for each branch.

The form of RIDE (frank-xwang/RIDE-LongTailRecognition at ab8be5c), SADE and BalPoE. Such a network
is trained as one, and saved as a network of the ordinary form for each branch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lt.nets import backbones
from lt.nets.heads import Head
from lt.nets.net import Net


@dataclass(frozen=True)
class Fork:
    """Where a network parts: into `num` branches, whose stages have `width` of their channels."""

    num: int
    width: float


class Branches(nn.Module):
    """Several ends of a network: (B, branches, width) in training, else their mean (B, width)."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.apart = False  # in evaluation: (B, branches * width), one after the other

    def forward(self, maps: Tensor) -> Tensor:
        logits = torch.stack([branch(maps) for branch in self.branches], dim=1)
        if self.training:
            return logits
        return logits.flatten(1) if self.apart else logits.mean(1)


def make(
    backbone: str, channels: int, head: Head, width: int, image_size: int | None, fork: Fork
) -> Net:
    """Build a net of branches; its weights are still to be drawn."""
    ends, stem, features = [], nn.Module(), 0
    for _ in range(fork.num):
        module, features = backbones.make(backbone, channels, image_size, fork.width)
        stem, last = backbones.split(module)
        ends.append(nn.Sequential(last, head(features, width)))
    return Net(stem, Branches(ends), features, fork.width)


def networks(
    net: Net, backbone: str, channels: int, image_size: int
) -> tuple[tuple[Net, nn.Module], ...]:
    """Return a network of the ordinary form, on the CPU, for each branch; of any other net, itself.

    Beside each stands what it does not share with one before it, for counting.

    Args:
        net: the net after its last phase.
        backbone: the name of its backbone, as `make` was given, like the next two.
        channels: of the images.
        image_size: pixels along a side of them.
    """
    if not isinstance(net.classifier, Branches):
        return ((net, net),)
    result: list[tuple[Net, nn.Module]] = []
    for end in net.classifier.branches:
        last, classifier = end.children()
        module, features = backbones.make(backbone, channels, image_size, net.last_width)
        for own, other in zip(backbones.split(module), (net.backbone, last), strict=True):
            own.load_state_dict(other.state_dict())
        single = Net(module, copy.deepcopy(classifier).cpu(), features, net.last_width)
        result.append((single, end if result else single))
    return tuple(result)


def fill(
    net: Net, weights: Mapping[str, Tensor], backbone: str, channels: int, image_size: int
) -> None:
    """Let a net begin with the weights of a backbone, each branch with those of its stages.

    Args:
        net: as it was made for its first phase.
        weights: the state of a backbone of the form that `backbones.make` gives.
        backbone: its name, as `make` was given, like the next two.
        channels: of the images.
        image_size: pixels along a side of them.
    """
    if not isinstance(net.classifier, Branches):
        net.backbone.load_state_dict(weights)
        return
    module, _ = backbones.make(backbone, channels, image_size, net.last_width)
    module.load_state_dict(weights)
    stem, last = backbones.split(module)
    net.backbone.load_state_dict(stem.state_dict())
    for end in net.classifier.branches:
        first, _ = end.children()
        first.load_state_dict(last.state_dict())


@contextmanager
def apart(net: nn.Module) -> Iterator[int]:
    """Let a net of branches give, in evaluation, the outputs of each; yield how many there are."""
    ends = getattr(net, "classifier", None)
    if not isinstance(ends, Branches):
        yield 1
        return
    ends.apart = True
    try:
        yield len(ends.branches)
    finally:
        ends.apart = False
