"""Classifiers: they turn a net's features into logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

# (features, width) -> classifier
Head = Callable[[int, int], nn.Module]
Distance = Literal["cosine", "euclidean"]


class Scaled(nn.Module):
    """A linear classifier whose outputs, bias included, are each multiplied by a learned scale."""

    def __init__(self, classifier: nn.Linear) -> None:
        super().__init__()
        self.classifier = classifier
        self.scale = nn.Parameter(classifier.weight.new_ones(classifier.out_features))

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(features)
        return logits * self.scale


class Cosine(nn.Module):
    """A classifier: `scale` times the cosines between features and a vector per class."""

    def __init__(self, features: int, width: int, scale: float) -> None:
        super().__init__()
        self.linear = nn.Linear(features, width, bias=False)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):  # of 30, bf16 has steps of 1/8
            weight = functional.normalize(self.linear.weight.float(), dim=1)
            features = functional.normalize(features.float(), dim=1)
            return self.scale * functional.linear(features, weight)


class NearestMean(nn.Module):
    """A classifier: cosines to the class means (B, classes), or negative squared distances to them.

    The distances are without the square of the features themselves, which is the same for every
    class.
    """

    def __init__(self, means: Tensor, distance: Distance) -> None:
        super().__init__()
        self.means: Tensor
        self.register_buffer("means", means)
        self.distance = distance

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            features, means = features.float(), self.means.float()
            if self.distance == "cosine":
                means = functional.normalize(means, dim=1)
                return functional.linear(functional.normalize(features, dim=1), means)
            return 2 * functional.linear(features, means) - means.square().sum(1)


class MaxNorm(nn.Module):
    """A linear classifier whose rows are brought back to norm `limit` before they are used."""

    def __init__(self, classifier: nn.Linear, limit: float) -> None:
        super().__init__()
        self.classifier = classifier
        self.register_buffer("limit", torch.tensor(limit, device=classifier.weight.device))

    def forward(self, features: Tensor) -> Tensor:
        with torch.no_grad():  # a projection after each step, made at the start of the next
            weight = self.classifier.weight
            norms = weight.norm(dim=1, keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
            weight *= (self.limit / norms).clamp(max=1.0)
        logits: Tensor = self.classifier(features)
        return logits


class Groups(nn.Module):
    """Balanced Group Softmax: an output per class of a group and one for the others, per group.

    In training, outputs are (B, classes + groups): group after group, its others last. Else they
    are (B, classes): the log of each class's probability in its group, in the order of the classes'
    ids.
    """

    def __init__(self, features: int, groups: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.groups = [list(group) for group in groups]
        self.linear = nn.Linear(features, sum(map(len, groups)) + len(groups))

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(features)
        if self.training:
            return logits
        blocks = torch.split(logits.float(), [len(group) + 1 for group in self.groups], 1)
        own = torch.cat([functional.log_softmax(block, dim=1)[:, :-1] for block in blocks], dim=1)
        order = [label for group in self.groups for label in group]
        return own[:, torch.tensor(order, device=own.device).argsort()]


def linear(features: int, width: int) -> nn.Module:
    """Make the plain classifier."""
    return nn.Linear(features, width)


def scaled_linear(features: int, width: int) -> nn.Module:
    """Make the plain classifier with a scale per output, trained together (the seed's LWS)."""
    return Scaled(nn.Linear(features, width))


def cosine(scale: float) -> Head:
    """Make the cosine classifier."""
    return lambda features, width: Cosine(features, width, scale)


def grouped(groups: Sequence[Sequence[int]]) -> Head:
    """Make Balanced Group Softmax's classifier, for a view of all classes."""
    return lambda features, _width: Groups(features, groups)


def describe(classifier: nn.Module) -> dict[str, Any]:
    """Describe the form of a classifier as JSON can hold it, for `build` to make it again.

    Raises:
        TypeError: if it is of none of the kinds of this file.
    """
    kind: dict[str, Any] = {"kind": type(classifier).__name__}
    match classifier:
        case nn.Linear():
            return kind | {"width": classifier.out_features, "bias": classifier.bias is not None}
        case Scaled() | MaxNorm():
            return kind | {"width": classifier.classifier.out_features}
        case Cosine():
            return kind | {"width": classifier.linear.out_features, "scale": classifier.scale}
        case NearestMean():
            return kind | {"width": len(classifier.means), "distance": classifier.distance}
        case Groups():
            return kind | {"groups": classifier.groups}
    raise TypeError(f"lt/nets/heads.py knows no {kind['kind']}: add it to describe and build")


def build(form: Mapping[str, Any], features: int) -> nn.Module:
    """Make a classifier of a form from `describe`; its weights are still to be read."""
    match form["kind"]:
        case "Linear":
            return nn.Linear(features, form["width"], bias=form["bias"])
        case "Scaled":
            return Scaled(nn.Linear(features, form["width"]))
        case "MaxNorm":
            return MaxNorm(nn.Linear(features, form["width"]), limit=0.0)
        case "Cosine":
            return Cosine(features, form["width"], form["scale"])
        case "NearestMean":
            return NearestMean(torch.zeros(form["width"], features), form["distance"])
        case "Groups":
            return Groups(features, form["groups"])
    raise ValueError(f"experts.json: no classifier {form['kind']!r} in lt/nets/heads.py")
