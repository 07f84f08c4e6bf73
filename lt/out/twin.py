"""The rules of lt/score/combine.py in torch: fitted there, applied here, inside of one module.

A rule turns the outputs of each network, and puts them in the places of their classes: (N, width)
per network -> (N, C) scores. It computes in float64, as its twin does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lt.data.views import ClassView
from lt.score import combine

TINY = float(np.finfo(np.float32).tiny)


class Combine(nn.Module):
    """A rule.

    Args:
        name: one of combine.RULES.
        rule: what `combine.settle` gives for it.
        views: the classes of each expert.
    """

    def __init__(self, name: str, rule: combine.Rule, views: Sequence[ClassView]) -> None:
        super().__init__()
        self.name, self.views = name, tuple(views)
        for key, value in numbers(rule).items():  # not as floats: ONNX would have them in float32
            self.register_buffer(key, torch.tensor(value, dtype=torch.float64))
        every = [name == "sum" and view.others == "silent" for view in views]
        classes = [
            range(view.num_classes) if whole else view.classes
            for view, whole in zip(views, every, strict=True)
        ]
        weights = np.ones(len(views))
        if name == "unlabelled":
            weights = np.asarray(numbers(rule)["weights"])
        self.place = Place(classes, views[0].num_classes, weights, mean=name != "sum")
        for k, (view, whole) in enumerate(zip(views, every, strict=True)):
            columns = np.arange(view.width) if whole else view.columns
            self.register_buffer(f"columns_{k}", torch.from_numpy(columns))

    def forward(self, logits: Sequence[Tensor]) -> Tensor:
        blocks = [block.double() for block in logits]
        if self.name == "concat_abssum":
            blocks = [b / b.abs().sum(1, keepdim=True).clamp(min=TINY) for b in blocks]
        if self.name in ("rest", "rest_pair", "max_confidence"):  # among all of its outputs
            blocks = [functional.log_softmax(block, dim=1) for block in blocks]
        if self.name == "rest_pair" and len(blocks) > 1:
            gates = [block[:, -1:] for block in blocks]
            total = torch.cat(gates, 1).sum(1, keepdim=True)
            blocks = [block + total - gate for block, gate in zip(blocks, gates, strict=True)]
        own = [b.index_select(1, self.get_buffer(f"columns_{k}")) for k, b in enumerate(blocks)]
        placed: Tensor = self.place([self._turned(block, k) for k, block in enumerate(own)])
        if self.name in combine.OFFSETS:
            return placed * self.get_buffer("scales") + self.get_buffer("offsets")
        return placed

    def _turned(self, block: Tensor, k: int) -> Tensor:
        """Return what becomes of the outputs of network k for its own classes."""
        match self.name:
            case "concat_softmax":
                return functional.log_softmax(block, dim=1)
            case "concat_zscore":
                centred = block - block.mean(1, keepdim=True)
                deviation = centred.square().mean(1, keepdim=True).sqrt()
                equal = deviation <= combine.ROUNDING * block.abs().amax(1, keepdim=True)
                return torch.where(equal, 0.0, centred / deviation.clamp(min=TINY))
            case "temperature":
                return functional.log_softmax(block / self.get_buffer("temperatures")[k], dim=1)
            case "affine":
                return block * self.get_buffer("scales")[k] + self.get_buffer("offsets")[k]
        return block


class Place(nn.Module):
    """Put (N, own classes) blocks into (N, C): where several know a class, as their mean.

    Args:
        classes: of the columns of each block.
        num_classes: C.
        weights: of each block.
        mean: False for sums.
    """

    def __init__(
        self,
        classes: Sequence[Sequence[int]],
        num_classes: int,
        weights: np.ndarray[Any, Any],
        mean: bool,
    ) -> None:
        super().__init__()
        side = [label for block in classes for label in block]
        sources = [[i for i, other in enumerate(side) if other == c] for c in range(num_classes)]
        most, blank = max(map(len, sources)), len(side)  # the blank column holds zeros
        assert all(sources), "every class needs an expert"
        index = [found + [blank] * (most - len(found)) for found in sources]
        of_side = np.repeat(weights, [len(block) for block in classes])
        known = [of_side[found].sum() if mean else 1.0 for found in sources]
        self.index: Tensor
        self.weights: Tensor
        self.known: Tensor
        self.most = most
        self.register_buffer("index", torch.tensor(index).flatten())
        self.register_buffer("weights", torch.from_numpy(np.append(of_side, 0.0)))
        self.register_buffer("known", torch.tensor(known, dtype=torch.float64))

    def forward(self, blocks: Sequence[Tensor]) -> Tensor:
        side = functional.pad(torch.cat(list(blocks), 1), (0, 1)) * self.weights
        placed = side.index_select(1, self.index).view(-1, len(self.known), self.most)
        return placed.sum(2) / self.known


def numbers(rule: combine.Rule) -> dict[str, list[float]]:
    """Return what was fitted for a rule, by name."""
    fitted = rule.keywords if isinstance(rule, partial) else {}
    return {name: np.asarray(value, np.float64).tolist() for name, value in fitted.items()}
