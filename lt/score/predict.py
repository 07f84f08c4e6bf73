"""What a net says of images, and how often it is right."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lt.data.datasets import Recipe
from lt.data.views import Ints
from lt.nets.net import Net

BATCH = {"cpu": 250, "cuda": 2500}  # images per forward pass


def predict(
    net: nn.Module, pixels: Tensor, recipe: Recipe, precision: str = "fp32", place: str = "outputs"
) -> NDArray[np.float32]:
    """Return the logits (N, width) of uint8 images (N, H, W, channels), in evaluation mode.

    Raises:
        FloatingPointError: if a logit is not finite; `place` says where.
    """
    net.eval()
    size = BATCH[pixels.device.type]
    with torch.inference_mode(), autocast(precision, pixels.device):
        batches = torch.split(pixels, size)
        blocks = [net(normalise(images, recipe)).float() for images in batches]
    logits = torch.cat(blocks).cpu().numpy()
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        raise FloatingPointError(
            f"{place}: outputs are not finite for {len(bad)} of {len(logits)} images, "
            f"first image {bad[0]} (batches of {size}); try a smaller train.lr or train.clip_norm"
        )
    return logits


def features(net: Net, pixels: Tensor, recipe: Recipe) -> Tensor:
    """Return the backbone's (N, features) of uint8 images, on the device.

    The net is in evaluation mode, and computes in fp32.
    """
    net.eval()
    with torch.no_grad():
        batches = torch.split(pixels, BATCH[pixels.device.type])
        return torch.cat([net.backbone(normalise(batch, recipe)) for batch in batches])


def accuracy(logits: NDArray[np.float32], targets: Ints) -> float:
    """Return the percentage of (N, width) logits whose argmax is the target."""
    return 100 * float((logits.argmax(axis=1) == targets).mean())


def normalise(images: Tensor, recipe: Recipe) -> Tensor:
    """Normalise uint8 (B, H, W, channels) to float32 (B, channels, H, W).

    The result is channels_last in memory.
    """
    mean, std = _constants(recipe, images.device)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


@cache
def _constants(recipe: Recipe, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the mean and deviation of pixels in 0..255.

    They are kept, since copying them to a GPU waits for it.
    """
    scaled = [[255 * value for value in values] for values in (recipe.mean, recipe.std)]
    mean, std = torch.tensor(scaled, device=device)
    return mean, std


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which a net computes."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
