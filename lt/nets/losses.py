"""Losses: (logits (B, width), targets (B,), epoch) -> scalar.

Targets are int64 in 0..width - 1. Their values are not looked at, since the device would have to
wait: where a loss is torch's cross entropy, images of target -100 are left out. With a mix, targets
are (B, width), the shares of the classes: those losses that take both say so. Logits that are not
(B, width) are a ValueError where the loss knows the width.
Constants are tensors on the CPU that `_on` keeps a copy of on the device: a recorded step must
not copy from the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import functional

from lt.data.views import ClassView

# (logits (B, width), targets (B,), epoch from 1) -> scalar. The epoch is a scalar tensor on the
# device, since a step is recorded in one epoch and replayed in others: choose with torch.where.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
# (targets (B,), the other images' targets (B,), share of the pixels ()) -> that of the targets (B,)
Share = Callable[[Tensor, Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001 (the contract)
    """Return the mean softmax cross entropy; targets may be shared."""
    return functional.cross_entropy(logits, targets)


def focal(gamma: float) -> Loss:
    """Make the focal loss (Lin et al. 2017, equation 4).

    It is the mean of (1 - p) ** gamma times the cross entropy -log p.
    """

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001
        each = functional.cross_entropy(logits, targets, reduction="none")
        # 1 - p from log p without loss of digits; kept off 0, where a power has no slope
        missed = (-torch.expm1(-each)).clamp(min=torch.finfo(each.dtype).tiny)
        return (missed**gamma * each).mean()

    return loss


def weighted(weights: Sequence[float]) -> Loss:
    """Make the weighted mean of the cross entropies, with weights by target."""
    weight = constant(weights)

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001
        logits = _at_least_fp32(_checked(logits, len(weights)))
        return functional.cross_entropy(logits, targets, weight(logits.device).to(logits.dtype))

    return loss


def adjusted(counts: Sequence[int], tau: float) -> Loss:
    """Make the cross entropy of logits + tau * log prior (Menon et al. 2021, equation 10).

    tau = 1 is balanced softmax (Ren et al. 2020). Targets may be shared.

    Raises:
        ValueError: if a class has no image, as `leaning`, `vs`, `ldam`, `effective_number_weights`.
    """
    return scaled((1.0,) * len(counts), (tau * log_prior(counts)).tolist())


def leaning(
    counts: Sequence[int], groups: Sequence[Sequence[int]], leans: Sequence[float]
) -> list[Loss]:
    """Make a balanced softmax for each group of classes that is to be preferred by its lean.

    Where the k-th is least, the logits of group k's classes are larger by the k-th lean, beside the
    others', than with a balanced prior. Where the leans are equal, the mean of the logits of all is
    that of a balanced prior.
    """
    prior = log_prior(counts)

    def loss(group: Sequence[int], lean: float) -> Loss:
        offsets = prior.clone()
        offsets[list(group)] -= lean
        return scaled((1.0,) * len(counts), offsets.tolist())

    return [loss(group, lean) for group, lean in zip(groups, leans, strict=True)]


def vs(counts: Sequence[int], gamma: float, tau: float) -> Loss:
    """Make the VS-loss, the cross entropy of logits * (n / n_max) ** gamma + tau * log prior.

    Kini et al. 2021, equation 2; orparask/VS-Loss at 7ade9c9, class_imbalance/losses.py. gamma = 0
    is logit adjustment, tau = 0 CDT (Ye et al. 2020). Targets may be shared.
    """
    offsets = (tau * log_prior(counts)).tolist()
    return scaled([(n / max(counts)) ** gamma for n in counts], offsets)


def scaled(scales: Sequence[float], offsets: Sequence[float]) -> Loss:
    """Make the cross entropy of scales * logits + offsets; targets may be shared."""
    scale_of, offset_of = constant(scales), constant(offsets)

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:
        scale, offset = scale_of(logits.device), offset_of(logits.device)
        return cross_entropy(scale * _checked(logits, len(scales)) + offset, targets, epoch)

    return loss


def binary(weights: Sequence[float]) -> Loss:
    """Make the mean binary cross entropy of the softmax, over images and classes, by target.

    Each class of an image says whether it is the target; `weights` are those of the targets
    (ShadeAlsha/LTR-weight-balancing at e89f292, utils/class_balanced_loss.py, "softmax").
    """
    weight_of = constant(weights)

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001
        logits = _checked(logits, len(weights))
        shares = functional.one_hot(targets, len(weights)).to(logits.dtype)
        weight = weight_of(logits.device)[targets][:, None]
        return functional.binary_cross_entropy(logits.softmax(1), shares, weight)

    return loss


def ldam(
    counts: Sequence[int], largest: float, scale: float, weights: Sequence[float], from_epoch: int
) -> Loss:
    """Make the LDAM loss (Cao et al. 2019, equation 13).

    It is the cross entropy of scale * (cosine - margin of the true class). The logits are those of
    a cosine classifier, times `scale`. Margins fall with counts ** -1/4, and the rarest class has
    the `largest`. After `from_epoch` epochs the mean is weighted, by target (deferred
    re-weighting).
    """
    each = _images(counts) ** -0.25
    margins = constant((scale * largest * each / each.max()).tolist())
    weight_of = constant(weights)

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:
        margin, weight = margins(logits.device), weight_of(logits.device)
        logits = _checked(logits, len(counts))
        logits = logits - functional.one_hot(targets, len(counts)) * margin
        late = torch.where(
            torch.as_tensor(epoch, device=logits.device) > from_epoch,  # an int, in others' loops
            weight,
            torch.ones_like(weight),
        )
        return functional.cross_entropy(logits, targets, late.to(logits.dtype))

    return loss


def effective_number_weights(counts: Sequence[int], beta: float) -> tuple[float, ...]:
    """Return (1 - beta) / (1 - beta ** n) for each class, scaled to sum to C (Cui et al. 2019).

    Raises:
        ValueError: if beta is not in [0, 1), or a class has no image.

    >>> [round(weight, 4) for weight in effective_number_weights((100, 1), 0.9)]
    [0.1818, 1.8182]
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta: expected a number in [0, 1), got {beta}")
    each = [(1 - beta) / (1 - beta**count) for count in _images(counts).tolist()]
    return tuple(len(each) * weight / sum(each) for weight in each)


def log_prior(counts: Sequence[int]) -> Tensor:
    """Return (C,) float64: the log of C times each class's share of the images.

    It is 0 where all shares are equal.

    Raises:
        ValueError: if a class has no image.
    """
    values = _images(counts)
    return torch.log(len(counts) * values / values.sum())


def _images(counts: Sequence[int]) -> Tensor:
    """Return counts (C,) as float64; each is above 0."""
    values = torch.as_tensor(counts, dtype=torch.float64)
    if not len(values):
        raise ValueError("counts: expected an image of each class at least; got no class")
    if not (values > 0).all():
        raise ValueError(
            f"counts: expected an image of each class at least; got {values.min():g} of class "
            f"{values.argmin().item()}"
        )
    return values


def _checked(logits: Tensor, width: int) -> Tensor:
    """Return the logits if they are (B, width): others would be broadcast, or mixed up."""
    if logits.ndim != 2 or logits.shape[1] != width:
        raise ValueError(f"logits: expected (B, {width}), got {tuple(logits.shape)}")
    return logits


def _at_least_fp32(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def group_softmax(groups: Sequence[Sequence[int]], ratio: float) -> Loss:
    """Make the sum of a cross entropy per group of classes; a group's last output is "others".

    The logits are (B, classes + groups), group after group. Images of other classes count up to
    `ratio` times those of the group: the first of the batch, which is in random order (Li et al.
    2020, section 3.2).
    """
    num_classes = sum(map(len, groups))
    widths = [len(group) + 1 for group in groups]
    places = [
        constant([list(group).index(c) if c in group else len(group) for c in range(num_classes)])
        for group in groups
    ]

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001
        total = _checked(logits, sum(widths)).new_zeros(())
        up_to = torch.ones(len(targets), len(targets), device=logits.device).tril()
        for place, block in zip(places, torch.split(logits, widths, 1), strict=True):
            local = place(logits.device).long()[targets]
            own = local < block.shape[1] - 1
            kept = own | (up_to @ (~own).float() <= ratio * own.sum())
            each = functional.cross_entropy(block, local, reduction="none")
            total = total + (each * kept).sum() / kept.sum().clamp(min=1)
        return total

    return loss


def distilled(teachers: Sequence[ClassView], temperature: float, weight: float) -> Loss:
    """Make the cross entropy, plus `weight` times what each teacher says of the images.

    The logits are (B, C + the teachers' widths). A teacher is heard on all images, by the KL
    divergence of the own outputs for its classes, both at `temperature` (xiangly55/LFME at 0a18a06,
    run_network_LFME.py and loss/DistillationLoss.py).

    Args:
        teachers: the classes of each, and where its outputs for them are.
        temperature: above 0.
        weight: of what the teachers say; the cross entropy has 1.
    """
    widths = [teacher.width for teacher in teachers]
    places = [(constant(one.classes), constant(one.columns.tolist())) for one in teachers]

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:
        own, *blocks = torch.split(logits, [logits.shape[1] - sum(widths), *widths], 1)
        total = cross_entropy(own, targets, epoch)
        for (known, columns), block in zip(places, blocks, strict=True):
            classes = known(logits.device).long()
            heard_of = block[:, columns(logits.device).long()]  # in the order of `classes`
            log_q = functional.log_softmax(own[:, classes] / temperature, dim=1)
            log_p = functional.log_softmax(heard_of / temperature, dim=1)
            total = total + weight * (log_p.exp() * (log_p - log_q)).sum(1).mean()
        return total

    return loss


def constant(values: Sequence[float]) -> Callable[[torch.device], Tensor]:
    """Make a function that gives `values` as a float tensor, kept on each device asked for."""
    return partial(_on, tuple(map(float, values)))


@cache
def _on(values: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # kept: one made in that mode could not train afterwards
        return torch.tensor(values, dtype=torch.float32, device=device)
