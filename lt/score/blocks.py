"""Outputs of several experts in the order of all classes, a block of images at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt.data.views import ClassView

Floats = NDArray[np.floating[Any]]
Logits = Sequence[Floats]  # per expert (N, width)
Views = Sequence[ClassView]
# () -> blocks (K, N, C), outputs times their share, each with the rows that it holds
Stacks = Callable[[], Iterator[tuple[slice, Floats]]]

CELLS = 2**22  # images times classes of a block: 32 MiB in float64


def row_blocks(number: int, width: int) -> Iterator[slice]:
    """Cut rows of that width into blocks of about CELLS cells; one at least."""
    size = max(1, CELLS // width)
    return (slice(start, start + size) for start in range(0, max(number, 1), size))


def shares(views: Views) -> Floats:
    """Return each expert's share (K, C) in each class, in equal parts among those that know it."""
    known = np.zeros((len(views), views[0].num_classes))
    for k, view in enumerate(views):
        known[k, list(view.classes)] = 1
    _check_known(known.sum(0))
    share: Floats = known / known.sum(0)
    return share


def stacked(logits: Logits, views: Views) -> Floats:
    """Stack the own outputs (K, N, C), times the shares: their sum over K is `concat`."""
    blocks = np.zeros((len(views), len(logits[0]), views[0].num_classes))
    for k, (block, view) in enumerate(zip(own(logits, views), views, strict=True)):
        blocks[k][:, view.classes] = block
    return blocks * shares(views)[:, None]


def stacks(logits: Logits, views: Views) -> Stacks:
    """Return what goes through `stacked` outputs in float64, with their rows, in blocks.

    A single block is kept; several are made again each time.
    """
    return _in_blocks(logits, len(views) * views[0].num_classes, lambda part: stacked(part, views))


def stacks_of_one(logits: Logits, views: Views) -> Stacks:
    """Return the same of `concat`, blocks of (1, N, C)."""
    return _in_blocks(logits, views[0].num_classes, lambda part: concat(part, views)[None])


def _in_blocks(logits: Logits, width: int, make: Callable[[Logits], Floats]) -> Stacks:
    rows = list(row_blocks(len(logits[0]), width))

    def made(part: slice) -> tuple[slice, Floats]:
        return part, make(doubles([block[part] for block in logits]))

    kept = [made(rows[0])] if len(rows) == 1 else None
    return lambda: iter(kept) if kept else map(made, rows)


def doubles(logits: Logits) -> list[Floats]:
    """Return the outputs in float64."""
    return [block.astype(np.float64) for block in logits]


def own(logits: Logits, views: Views) -> list[Floats]:
    """Return each expert's outputs (N, own classes) for its own classes.

    Raises:
        ValueError: if these are the outputs of other experts.
    """
    check(logits, views)
    return [block[:, view.columns] for block, view in zip(logits, views, strict=True)]


def concat(logits: Logits, views: Views) -> Floats:
    """Put each expert's outputs for its own classes side by side (the seed)."""
    return place(own(logits, views), views)


def place(parts: Logits, views: Views) -> Floats:
    """Put (N, own classes) parts into (N, C), as means where several experts know a class."""
    shape = (len(parts[0]), views[0].num_classes)
    total, known = np.zeros(shape), np.zeros(shape[1])
    for block, view in zip(parts, views, strict=True):
        total[:, view.classes] += block
        known[list(view.classes)] += 1
    _check_known(known)
    return total / known


def check(logits: Logits, views: Views) -> None:
    """Raise a ValueError unless the outputs (N, width) are of such experts, of the same images."""
    expected = [(len(logits[0]), view.width) for view in views]
    if [block.shape for block in logits] != expected:
        got = ", ".join(str(tuple(block.shape)) for block in logits)
        raise ValueError(f"outputs: expected {', '.join(map(str, expected))}, got {got}")


def _check_known(known: Floats) -> None:
    """Raise a ValueError if a class has no expert; `known` (C,) is how many have it."""
    if not known.all():
        raise ValueError(f"views: no expert knows class {int(known.argmin())}")


def log_softmax(block: Floats) -> Floats:
    """Return the logarithms of the softmax over the last axis, in float64."""
    shifted = block.astype(np.float64) - block.max(-1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result
