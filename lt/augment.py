"""Random crop, flip and normalisation of a whole batch, on the device where it lies."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from lt.data import Recipe


def crop_and_flip(images: Tensor, pad: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Each image padded with black, cropped at random to its size, mirrored half of the time.

    Args:
        images: uint8 (B, H, W, channels).
        pad: pixels added on each side; 0 switches the crop off.
        flip: whether to mirror left and right.
        generator: on the device of `images`.

    Returns:
        uint8, the shape of `images`.
    """
    batch, height, width, _ = images.shape
    device = images.device
    rows = torch.arange(height, device=device).expand(batch, -1)
    columns = torch.arange(width, device=device).expand(batch, -1)
    if flip:
        mirrored = torch.randint(2, (batch, 1), generator=generator, device=device) == 1
        columns = torch.where(mirrored, width - 1 - columns, columns)
    if pad:
        shift = torch.randint(2 * pad + 1, (batch, 2), generator=generator, device=device)
        images = functional.pad(images, (0, 0, pad, pad, pad, pad))
        rows, columns = rows + shift[:, :1], columns + shift[:, 1:]
    first = torch.arange(batch, device=device)[:, None, None]
    return images[first, rows[:, :, None], columns[:, None, :]]


def normalise(images: Tensor, recipe: Recipe) -> Tensor:
    """uint8 (B, H, W, channels) -> float32 (B, channels, H, W), channels_last in memory."""
    mean, std = _constants(recipe, images.device)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


@cache
def _constants(recipe: Recipe, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of pixels in 0..255; kept, since a copy to a GPU waits for it."""
    scaled = [[255 * value for value in values] for values in (recipe.mean, recipe.std)]
    mean, std = torch.tensor(scaled, device=device)
    return mean, std
