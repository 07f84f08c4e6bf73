"""Which images an epoch is made of, and in which batches.

Each function here makes a Sampler, (targets (N,), rng) -> index arrays. An image whose target is
-1 is one that the expert does not see. A batch of a single image becomes that image twice: batch
norm needs two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from lt.data.views import Ints

Rng = np.random.Generator
# (targets (N,), -1 where unseen; rng) -> index arrays, one per step of this epoch. All experts
# get the same rng in the same epoch, so that "shared" batches are the same batches.
Sampler = Callable[[Ints, Rng], list[Ints]]
EpochLength = Literal["full", "match"]
Thin = Literal["mean", "min", "max", "ratio"]


def shuffled(batch_size: int) -> Sampler:
    """Make a sampler that takes every visible image once, in random order."""

    def sample(targets: Ints, rng: Rng) -> list[Ints]:
        return _batches(rng.permutation(_visible(targets)), batch_size)

    return sample


def shared(batch_size: int) -> Sampler:
    """Make a sampler of batches drawn from all images, out of which the expert takes its own.

    This is the seed's loop. A batch without an image that the expert sees is skipped, so the number
    of steps varies from epoch to epoch.
    """

    def sample(targets: Ints, rng: Rng) -> list[Ints]:
        targets = np.asarray(targets)
        batches = _batches(rng.permutation(len(targets)), batch_size)
        own = (batch[targets[batch] >= 0] for batch in batches)
        return [_at_least_two(batch) for batch in own if len(batch)]

    return sample


def class_balanced(batch_size: int, epoch_length: EpochLength) -> Sampler:
    """Make a sampler that draws a class, each as likely as the other, then one of its images.

    Draws are with replacement. epoch_length: "full" draws classes x images of the largest class,
    "match" as many as there are images.

    Raises:
        ValueError: if epoch_length is another word.
    """
    if epoch_length not in get_args(EpochLength):
        raise ValueError(f"epoch_length: expected full or match; got {epoch_length!r}")

    def sample(targets: Ints, rng: Rng) -> list[Ints]:
        order, counts, starts = _by_class(targets)
        num = len(counts) * counts.max() if epoch_length == "full" else len(order)
        drawn = rng.integers(len(counts), size=num)
        return _batches(order[starts[drawn] + rng.integers(counts[drawn])], batch_size)

    return sample


def under(batch_size: int, redraw: bool) -> Sampler:
    """Make a sampler that takes as many images of each class as the smallest has.

    redraw: True takes others every epoch, False always the first of each class, in stored order.
    """

    def sample(targets: Ints, rng: Rng) -> list[Ints]:
        order, counts, starts = _by_class(targets)
        least = counts.min()
        kept = [
            rng.permutation(order[start : start + count])[:least]
            if redraw
            else order[start : start + least]
            for start, count in zip(starts, counts, strict=True)
        ]
        return _batches(rng.permutation(np.concatenate(kept)), batch_size)

    return sample


def thinned_rest(batch_size: int, thin: Thin, ratio: float) -> Sampler:
    """Make a sampler that takes every image of the own classes, and a part of the rest.

    The rest is the last target. Other images of it are drawn every epoch.

    thin: how many images of the rest, at most: the "mean", "min" or "max" of the own classes'
        counts, or `ratio` times all of their images ("ratio"; 8 in Balanced Group Softmax, CVPR
        2020).

    Raises:
        ValueError: if thin is another word.
    """
    if thin not in get_args(Thin):
        raise ValueError(f"thin: expected mean, min, max or ratio; got {thin!r}")

    def sample(targets: Ints, rng: Rng) -> list[Ints]:
        targets = np.asarray(targets)
        rest = targets.max()  # the last output; the caller's view has others="rest"
        _, counts, _ = _by_class(np.where(targets == rest, -1, targets))
        limit = ratio * counts.sum() if thin == "ratio" else getattr(counts, thin)()
        drawn = rng.permutation(np.flatnonzero(targets == rest))[: round(limit)]
        own = np.flatnonzero((targets >= 0) & (targets != rest))
        return _batches(rng.permutation(np.concatenate([own, drawn])), batch_size)

    return sample


def _visible(targets: Ints) -> Ints:
    return np.flatnonzero(np.asarray(targets) >= 0)


def _by_class(targets: Ints) -> tuple[Ints, Ints, Ints]:
    """Sort the visible indices by target.

    Returns:
        the sorted indices, the number of images of each target that occurs, and where each starts.
    """
    targets = np.asarray(targets)
    visible = _visible(targets)
    order = visible[np.argsort(targets[visible], kind="stable")]
    _, starts, counts = np.unique(targets[order], return_index=True, return_counts=True)
    return order, counts.astype(np.int64), starts.astype(np.int64)


def _batches(order: Ints, batch_size: int) -> list[Ints]:
    return [
        _at_least_two(order[start : start + batch_size])
        for start in range(0, len(order), batch_size)
    ]


def _at_least_two(batch: Ints) -> Ints:
    return np.repeat(batch, 2) if len(batch) == 1 else batch
