"""The augmentation of a whole batch, on the device where it lies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lt.data.datasets import Recipe
from lt.nets.losses import Share
from lt.params import Train
from lt.score.predict import constants
from lt.train import changes

AREA = 0.08, 1.0  # of an image, that a resized crop has
RATIO = 3 / 4, 4 / 3  # of its sides, width / height
ATTEMPTS = 10  # to draw one that lies within the image; else it is the whole image


def draws(
    number: int, shape: Sequence[int], recipe: Recipe, options: Train, generator: torch.Generator
) -> Tensor:
    """Draw what the augmentation of params.yaml leaves to chance, for all images of an epoch.

    Args:
        number: of images.
        shape: height and width of them.
        recipe: of the dataset.
        options: the section train.
        generator: on the device.

    Returns:
        (number, columns) on the generator's device, for `augment`.
    """

    def uniform(columns: int, largest: float) -> Tensor:
        size, device = (number, columns), generator.device
        share = torch.rand(size, generator=generator, device=device, dtype=torch.float64)
        return largest * (share * 2 - 1)

    if options.augment == "crop":
        found = [draw(number, recipe, generator)]
    else:
        found = [draw_boxes(number, shape, recipe.flip, generator)]
    if options.color_jitter:
        found.append(1 + uniform(3, options.color_jitter))
    if options.rotation:
        found.append(uniform(1, options.rotation))
    if options.auto_augment != "none":
        found.append(changes.draw(options.auto_augment, number, shape, generator))
    if options.cutout:
        centres = [_integers(side, number, 1, generator) for side in shape]
        found.append(torch.cat(centres, dim=1))
    assert [one.shape[1] for one in found] == [number for number in _columns(options) if number]
    return torch.cat(found, dim=1)


def augment(images: Tensor, drawn: Tensor, recipe: Recipe, options: Train) -> Tensor:
    """Change uint8 images (B, H, W, channels) as `drawn` (B, columns), from `draws`, says.

    They are cropped and mirrored, turned, changed by a policy, coloured, and covered in part.

    Returns:
        the same shape, pixels in 0..255: uint8, float32 where they are more than moved.
    """
    boxes, factors, angles, strengths, centres = torch.split(drawn, _columns(options), dim=1)
    if options.augment == "crop":
        images = crop_and_flip(images, boxes.long(), recipe.pad)
    else:
        images = resized_crop(images, boxes)
    if options.rotation:
        images = changes.turn(images, angles)
    if options.auto_augment != "none":
        images = images.float().round()
        for change in torch.split(strengths, len(changes.NEUTRAL), dim=1):
            images = changes.change(images, change)
    if options.color_jitter:
        images = changes.colour(images.float(), factors)
    if options.cutout:
        mean, _ = constants(recipe, images.device)
        images = changes.cut_out(images, centres.long(), options.cutout, mean)
    return images


def _columns(options: Train) -> list[int]:
    """Return how many columns of `draws` each part of the augmentation has."""
    policy = {"none": 0, "trivial": 1}.get(options.auto_augment, 2) * len(changes.NEUTRAL)
    first = 3 if options.augment == "crop" else 5
    return [
        first,
        3 * bool(options.color_jitter),
        bool(options.rotation),
        policy,
        2 * bool(options.cutout),
    ]


def _integers(high: int, number: int, columns: int, generator: torch.Generator) -> Tensor:
    """Draw integers (number, columns) from 0 to high - 1."""
    return torch.randint(high, (number, columns), generator=generator, device=generator.device)


def draw(number: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Draw what an augmentation leaves to chance, for every image of an epoch at once.

    Returns:
        int64 (number, 3) on the generator's device: whether the image is mirrored, and the row and
        the column of the padded image at which its crop starts.
    """
    mirrored = _integers(1 + recipe.flip, number, 1, generator)
    return torch.cat([mirrored, _integers(2 * recipe.pad + 1, number, 2, generator)], dim=1)


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


def draw_boxes(number: int, shape: Sequence[int], flip: bool, generator: torch.Generator) -> Tensor:
    """Draw a part of each image, as torchvision's RandomResizedCrop does.

    Its area is uniform in AREA, the logarithm of its sides' ratio in RATIO; of ATTEMPTS the first
    one counts that lies within the image.

    Args:
        number: of images.
        shape: height and width of them.
        flip: whether images may be mirrored.
        generator: on the device.

    Returns:
        float64 (number, 5), whole numbers: mirrored or not, top, left, height, width.
    """
    height, width = shape
    columns = 2 * ATTEMPTS + 3
    chance = torch.rand(
        number, columns, generator=generator, device=generator.device, dtype=torch.float64
    )
    of_area, of_ratio, place = torch.split(chance, [ATTEMPTS, ATTEMPTS, 3], dim=1)
    area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * of_area)
    low, high = map(math.log, RATIO)
    ratio = (low + (high - low) * of_ratio).exp()
    rows, across = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
    inside = (rows >= 1) & (rows <= height) & (across >= 1) & (across <= width)
    first = inside.int().argmax(1, keepdim=True)
    found = inside.any(1, keepdim=True)
    rows = torch.where(found, rows.gather(1, first), height)  # (number, 1)
    across = torch.where(found, across.gather(1, first), width)
    top = (place[:, :1] * (height - rows + 1)).floor()
    left = (place[:, 1:2] * (width - across + 1)).floor()
    mirrored = (place[:, 2:] < 0.5) & flip
    return torch.cat([mirrored, top, left, rows, across], dim=1)


def resized_crop(images: Tensor, boxes: Tensor) -> Tensor:
    """Cut a part out of each image, bring it to the image's size, and perhaps mirror it.

    Pixels between pixels are interpolated linearly, within the part.

    Args:
        images: (B, H, W, channels).
        boxes: (B, 5) as from `draw_boxes`, on the same device.

    Returns:
        float32, the shape of `images`.
    """
    batch, height, width, _ = images.shape
    mirrored, top, left, rows, across = boxes[:, :, None].unbind(1)  # (B, 1) each
    each = torch.arange(batch, device=images.device)[:, None]
    low, high, share = _between(height, top, rows)
    images = torch.lerp(images[each, low].float(), images[each, high].float(), share[..., None])
    low, high, share = _between(width, left, across, mirrored == 1)
    every = torch.arange(height, device=images.device)[None, :, None]
    each, low, high = each[:, None], low[:, None], high[:, None]
    return torch.lerp(images[each, every, low], images[each, every, high], share[:, None])


def _between(
    size: int, start: Tensor, length: Tensor, mirrored: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each place of a side the two pixels that it lies between, and the second's share.

    Args:
        size: pixels that come out.
        start: (B, 1) the first pixel of the part.
        length: (B, 1) the pixels of the part.
        mirrored: (B, 1) whether the order is that from the last to the first.

    Returns:
        int64 (B, size), the same, and float32 (B, size, 1).
    """
    places = torch.arange(size, device=start.device, dtype=start.dtype)
    if mirrored is not None:
        places = torch.where(mirrored, size - 1 - places, places)
    at = ((places + 0.5) * length / size - 0.5).clamp(min=0)  # (B, size)
    low = torch.minimum(at.floor(), length - 1)
    high = torch.minimum(low + 1, length - 1)
    share = (at - low).clamp(max=1).float()
    return (start + low).long(), (start + high).long(), share[..., None]


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
