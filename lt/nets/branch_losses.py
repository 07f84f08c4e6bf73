"""Losses of networks with branches: (logits (B, branches, width), targets, epoch) -> scalar."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lt.nets import losses
from lt.nets.losses import Loss, constant


def each(own: Sequence[Loss], weight: float) -> Loss:
    """Make `weight` times the sum of the branches' losses, one for each; targets may be shared."""

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:
        blocks = zip(own, logits.unbind(1), strict=True)
        return weight * torch.stack([one(block, targets, epoch) for one, block in blocks]).sum()

    return loss


def opposed(counts: Sequence[int], strength: float) -> Loss:
    """Make the cross entropy of logits + log prior - `strength` * log opposite prior.

    The opposite prior gives the rarest class the share of the most frequent one, and so on (Zhang
    et al. 2022, equation 3; Vanint/SADE-AgnosticLT at cba11b8, model/loss.py). Targets may be
    shared.
    """
    prior = losses.log_prior(counts)
    opposite = prior.sort().values.flip(0)[prior.argsort(stable=True).argsort()]
    return losses.scaled((1.0,) * len(counts), (prior - strength * opposite).tolist())


def ride(
    own: Loss,
    counts: Sequence[int],
    diversity: float,
    temperature: float,
    spread: float,
    from_epoch: int,
) -> Loss:
    """Make RIDE's: the sum of the branches' own losses, less `diversity` times how they differ.

    Branches differ by the KL divergence from the distribution of the mean logits, which is taken as
    given, both at one temperature, times its square. After `from_epoch` epochs each class has a
    temperature of its own, of which the rarest has the lowest (Wang et al. 2021, equation 3, and
    frank-xwang/RIDE-LongTailRecognition at ab8be5c, model/loss.py).

    Args:
        own: the loss of a branch (B, width).
        counts: (C,) training images of each class.
        diversity: at least 0.
        temperature: that of all classes, and later that of the most frequent.
        spread: in [0, 1): how much of a class's temperature is in proportion to its images.
        from_epoch: the last epoch with one temperature.
    """
    share = torch.tensor(counts, dtype=torch.float64) * len(counts) / sum(counts)
    each_class = share * spread + 1 - spread
    later = constant((temperature * each_class / each_class.max()).tolist())

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:
        own_t = later(logits.device)
        late = torch.as_tensor(epoch, device=logits.device) > from_epoch  # an int, in others' loops
        t = torch.where(late, own_t, torch.full_like(own_t, temperature))  # (C,)
        log_p = functional.log_softmax(logits / t, dim=2)
        mean = functional.log_softmax(logits.detach().mean(1, keepdim=True) / t, dim=2)
        differ = (mean.exp() * (mean - log_p)).sum(2).mean(0).sum()
        total = torch.stack([own(block, targets, epoch) for block in logits.unbind(1)]).sum()
        return total - diversity * t.mean() ** 2 * differ

    return loss
