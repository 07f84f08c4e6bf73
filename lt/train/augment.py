"""Random crop, flip and normalisation of a whole batch, on the device where it lies."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lt.data.datasets import Recipe
from lt.nets.losses import Share


def draw(number: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Draw what an augmentation leaves to chance, for every image of an epoch at once.

    Returns:
        int64 (number, 3) on the generator's device: whether the image is mirrored, and the row and
        the column of the padded image at which its crop starts.
    """

    def integers(high: int, columns: int) -> Tensor:
        return torch.randint(high, (number, columns), generator=generator, device=generator.device)

    return torch.cat([integers(1 + recipe.flip, 1), integers(2 * recipe.pad + 1, 2)], dim=1)


def crop_and_flip(images: Tensor, draws: Tensor, pad: int) -> Tensor:
    """Pad each image with black, crop it to its size, and perhaps mirror it.

    Args:
        images: uint8 (B, H, W, channels).
        draws: (B, 3) as from `draw`, on the same device.
        pad: pixels added on each side.

    Returns:
        uint8, the shape of `images`.
    """
    batch, height, width, _ = images.shape
    mirrored, top, left = draws[:, :, None].unbind(1)  # (B, 1) each
    columns = torch.arange(width, device=images.device)
    columns = torch.where(mirrored == 1, width - 1 - columns, columns) + left
    rows = torch.arange(height, device=images.device) + top
    if pad:
        images = functional.pad(images, (0, 0, pad, pad, pad, pad))
    first = torch.arange(batch, device=images.device)[:, None, None]
    return images[first, rows[:, :, None], columns[:, None, :]]


def blend_images(images: Tensor, share: Tensor) -> Tensor:
    """Blend each image (B, ...) of a batch with the one before; share: () what it keeps."""
    return share * images + (1 - share) * images.roll(1, 0)


def blend(targets: Tensor, share: Tensor, kept: Share, width: int) -> Tensor:
    """Blend each target (B,) of a batch with the one before, as its images are: (B, width).

    share: () the part of the pixels that is the image's own; kept: which part of its target that
    leaves.
    """
    others = targets.roll(1, 0)
    own = kept(targets, others, share).expand(len(targets))[:, None]
    first, second = (functional.one_hot(ids, width) for ids in (targets, others))
    return own * first + (1 - own) * second
