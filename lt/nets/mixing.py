"""Which part of a mixed image's target is its own: (targets, others' targets, share) -> share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lt.nets.losses import Share, constant


def plain(targets: Tensor, others: Tensor, share: Tensor) -> Tensor:  # noqa: ARG001 (the form)
    """Return that of the pixels (mixup; Zhang et al. 2018).

    Pairs are drawn uniformly, so that the mixed targets keep the class frequencies of the images:
    a logit adjustment by these stays right.
    """
    return share


def remix(counts: Sequence[int], kappa: float, tau: float) -> Share:
    """Make Remix's (Chou et al. 2020, equation 6): the label is the rarer class's alone.

    It is so where one of the two has at least `kappa` times the images of the other, and the rarer
    one's share of the pixels is more than 1 - `tau`.
    """
    images = constant(counts)

    def share_of(targets: Tensor, others: Tensor, share: Tensor) -> Tensor:
        n = images(targets.device)
        ratio = n[targets] / n[others]
        own = torch.where((ratio >= kappa) & (share < tau), 0.0, share)
        return torch.where((ratio <= 1 / kappa) & (1 - share < tau), 1.0, own)

    return share_of
