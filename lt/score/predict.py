"""What a net says of images, and how often it is right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lt.data import stored
from lt.data.datasets import Recipe
from lt.data.stored import Stored
from lt.data.views import Ints
from lt.nets.net import Net

# images per forward pass, of up to SIDE pixels along a side; of larger ones, as many as have the
# pixels of those
BATCH = {"cpu": 250, "cuda": 2500}
SIDE = {"cpu": 64, "cuda": 32}  # so that a ResNet-18 for small images takes some 3 GB


def predict(
    net: nn.Module,
    pixels: Tensor | Stored,
    recipe: Recipe,
    precision: str = "fp32",
    place: str = "outputs",
) -> NDArray[np.float32]:
    """Return the logits (N, width) of uint8 images (N, H, W, channels), in evaluation mode.

    The net stays in that mode.

    pixels: on the net's device, or on disk.

    Raises:
        ValueError: if these are no uint8 images of the recipe's channels.
        FloatingPointError: if a logit is not finite; `place` says where.
    """
    logits = outputs(net, pixels, recipe, precision)
    size = batch_size(pixels, device_of(net, pixels))
    check_finite(np.isfinite(logits).all(axis=1), size, place)
    return logits


def outputs(
    net: nn.Module, pixels: Tensor | Stored, recipe: Recipe, precision: str = "fp32"
) -> NDArray[np.float32]:
    """Return what `predict` does, finite or not."""
    channels = len(recipe.mean)
    if isinstance(pixels, Tensor) and (
        pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[3] != channels
    ):
        raise ValueError(
            f"images: expected uint8 (N, H, W, {channels}), got {pixels.dtype} "
            f"{tuple(pixels.shape)}"
        )
    net.eval()
    device = device_of(net, pixels)
    with torch.inference_mode(), autocast(precision, device):
        batches = _batches(pixels, device)
        blocks = [net(normalise(images, recipe)).float() for images in batches]
    logits: NDArray[np.float32] = torch.cat(blocks).cpu().numpy()
    return logits


def check_finite(finite: Any, size: int, place: str) -> None:
    """Raise a FloatingPointError unless all outputs are finite.

    Args:
        finite: bool (N,) whether those of an image are.
        size: of the batches.
        place: where that is.
    """
    bad = np.flatnonzero(~finite)
    if len(bad):
        raise FloatingPointError(
            f"{place}: outputs are not finite for {len(bad)} of {len(finite)} images, "
            f"first image {bad[0]} (batches of {size}); try a smaller train.lr or train.clip_norm"
        )


def features(net: Net, pixels: Tensor | Stored, recipe: Recipe) -> Tensor:
    """Return the backbone's (N, features) of uint8 images, on the device.

    The net is in evaluation mode, and computes in fp32.
    """
    net.eval()
    with torch.no_grad():
        batches = _batches(pixels, device_of(net, pixels))
        return torch.cat([net.backbone(normalise(batch, recipe)) for batch in batches])


def read_ahead(pixels: Stored, batches: Sequence[Ints], device: torch.device) -> Iterator[Tensor]:
    """Give batches of images on disk, on the device, read in a thread before they are asked for."""

    def read(batch: Ints) -> Tensor:
        images = torch.from_numpy(pixels.read(batch))
        return images.pin_memory() if device.type == "cuda" else images

    for images in stored.ahead(read, batches):
        yield images.to(device, non_blocking=True)


def device_of(net: nn.Module, pixels: Tensor | Stored) -> torch.device:
    """Return where images go through the net."""
    return pixels.device if isinstance(pixels, Tensor) else next(net.parameters()).device


def _batches(pixels: Tensor | Stored, device: torch.device) -> Iterator[Tensor]:
    """Give the images in batches for a forward pass; one without images if there are none."""
    size = batch_size(pixels, device)
    if isinstance(pixels, Tensor):
        return iter(torch.split(pixels, size))
    every = np.arange(len(pixels))
    parts = [every[k : k + size] for k in range(0, max(len(every), 1), size)]
    return read_ahead(pixels, parts, device)


def batch_size(pixels: Tensor | Stored, device: torch.device) -> int:
    """Return how many images go through a net at once."""
    _, height, width, _ = pixels.shape
    largest, side = BATCH[device.type], SIDE[device.type]
    return max(1, min(largest, largest * side**2 // (height * width)))


def accuracy(answers: Ints, targets: Ints) -> float:
    """Return the percentage of answers (N,) that are the target."""
    return 100 * float((answers == targets).mean())


def normalise(images: Tensor, recipe: Recipe) -> Tensor:
    """Normalise uint8 (B, H, W, channels) to float32 (B, channels, H, W).

    The result is channels_last in memory.
    """
    mean, std = constants(recipe, images.device)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


@cache
def constants(recipe: Recipe, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (channels,) of pixels in 0..255.

    They are kept, since copying them to a GPU waits for it.
    """
    scaled = [[255 * value for value in values] for values in (recipe.mean, recipe.std)]
    mean, std = torch.tensor(scaled, device=device)
    return mean, std


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which a net computes."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
