"""What augmentation changes in images besides a crop: colours, geometry, holes, learned policies.

A policy, AutoAugment's or TrivialAugment's, gives each image a row of strengths, one for each
column of NEUTRAL, of which one at most is not neutral. So all images of a batch go the same way,
and a GPU can replay it. The results are whole numbers: torchvision's, of uint8 images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchvision import transforms

GREY = 0.2989, 0.587, 0.114  # of red, green and blue

# what a policy may change, and the value that changes nothing
NEUTRAL = {
    "angle": 0.0,  # degrees, anticlockwise
    "shear_x": 0.0,  # columns per row
    "shear_y": 0.0,
    "right": 0.0,  # pixels
    "down": 0.0,
    "brightness": 1.0,  # a factor, as are the next three
    "contrast": 1.0,
    "saturation": 1.0,
    "sharpness": 1.0,
    "step": 1.0,  # whole multiples of it stay (posterize)
    "threshold": 256.0,  # pixels from here on are inverted (solarize, invert)
    "stretch": 0.0,  # 1: each channel fills 0..255 (autocontrast)
    "equalize": 0.0,  # 1: the histogram of each channel is evened out
}
COLUMNS = {name: number for number, name in enumerate(NEUTRAL)}
PLACES = 5  # columns of geometry


@dataclass(frozen=True)
class Space:
    """How strong the operations of a policy are.

    Attributes:
        levels: into how many steps each strength is divided, 0 among them.
        shear: the largest, in columns per row.
        moved: the largest shift.
        pixels: whether that is in pixels; else it is a part of the side.
        angle: the largest, in degrees.
        blend: by how much a factor of colour or sharpness differs from 1 at most.
        bits: how many posterize takes off at most.
    """

    levels: int
    shear: float
    moved: float
    pixels: bool
    angle: float
    blend: float
    bits: int


AUTO = Space(10, 0.3, 150 / 331, False, 30.0, 0.9, 4)  # Cubuk et al. 2019
TRIVIAL = Space(31, 0.99, 32.0, True, 135.0, 0.99, 6)  # Müller and Hutter 2021, "wide"
OPERATIONS = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness"]
OPERATIONS += ["Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast"]
OPERATIONS += ["Equalize"]  # of TrivialAugment

Policy = Literal["cifar10", "imagenet", "trivial"]


def draw(policy: Policy, number: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draw what a policy does to each image.

    Args:
        policy: AutoAugment's for CIFAR-10 or ImageNet, of two changes, or TrivialAugment's one.
        number: of images.
        shape: height and width of them.
        generator: on the device.

    Returns:
        float64 (number, 2 or 1 times len(NEUTRAL)) strengths, on the generator's device.
    """
    device = generator.device

    def integers(high: int, columns: int = 1) -> Tensor:
        return torch.randint(high, (number, columns), generator=generator, device=device)

    if policy == "trivial":
        table = torch.tensor(
            [
                [rows(name, level, TRIVIAL, shape) for level in range(TRIVIAL.levels)]
                for name in OPERATIONS
            ],
            dtype=torch.float64,
        ).to(device)  # (operations, levels, 2 signs, columns)
        chosen = integers(len(OPERATIONS)), integers(TRIVIAL.levels), integers(2)
        return table[chosen].flatten(1)
    pairs = transforms.AutoAugment(transforms.AutoAugmentPolicy(policy)).policies
    table = torch.tensor(
        [[rows(name, level or 0, AUTO, shape) for name, _, level in pair] for pair in pairs],
        dtype=torch.float64,
    ).to(device)  # (pairs, 2 operations, 2 signs, columns)
    chances = torch.tensor([[chance for _, chance, _ in pair] for pair in pairs]).to(device)
    pair, sign = integers(len(pairs)), integers(2, 2)
    drawn = torch.rand(number, 2, generator=generator, device=device) < chances[pair[:, 0]]
    strengths = table[pair, torch.arange(2, device=device), sign]  # (number, 2, columns)
    neutral = torch.tensor(list(NEUTRAL.values()), dtype=torch.float64).to(device)
    return torch.where(drawn[:, :, None], strengths, neutral).flatten(1)


def rows(name: str, level: int, space: Space, shape: Sequence[int]) -> list[list[float]]:
    """Return the strengths of an operation: with the sign + and with the sign -.

    Args:
        name: torchvision's.
        level: from 0.
        space: of the policy.
        shape: height and width of the images.
    """
    column, strengths = _strengths(name, level, space, shape)
    return [list((NEUTRAL | {column: strength}).values()) for strength in strengths]


def _strengths(
    name: str, level: int, space: Space, shape: Sequence[int]
) -> tuple[str, tuple[float, float]]:
    down, right = (space.moved * (1 if space.pixels else side) for side in shape)
    signed = {
        "ShearX": ("shear_x", space.shear),
        "ShearY": ("shear_y", space.shear),
        "TranslateX": ("right", right),
        "TranslateY": ("down", down),
        "Rotate": ("angle", space.angle),
        "Brightness": ("brightness", space.blend),
        "Color": ("saturation", space.blend),
        "Contrast": ("contrast", space.blend),
        "Sharpness": ("sharpness", space.blend),
    }
    if name in signed:
        column, largest = signed[name]
        size = float(torch.linspace(0, largest, space.levels)[level])
        size = int(size) if column in ("right", "down") else size
        return column, (NEUTRAL[column] + size, NEUTRAL[column] - size)
    threshold = 255 * float(torch.linspace(1, 0, space.levels)[level])
    column, strength = {
        "Identity": ("equalize", NEUTRAL["equalize"]),
        "Posterize": ("step", 2.0 ** round(level * space.bits / (space.levels - 1))),
        "Solarize": ("threshold", threshold),
        "Invert": ("threshold", 0.0),
        "AutoContrast": ("stretch", 1.0),
        "Equalize": ("equalize", 1.0),
    }[name]
    return column, (strength, strength)


def change(images: Tensor, strengths: Tensor) -> Tensor:
    """Change each image as its strengths say.

    Args:
        images: (B, H, W, channels), whole numbers in 0..255.
        strengths: (B, len(NEUTRAL)), of each row one at most not neutral.

    Returns:
        float32, the same shape and range.
    """
    images = place(images, strengths[:, :PLACES]).float()
    first, last = COLUMNS["brightness"], COLUMNS["saturation"]
    images = colour(images, strengths[:, first : last + 1]).floor()
    for name, operation in AFTER_COLOURS.items():
        images = _where_asked(operation, images, strengths[:, COLUMNS[name]], NEUTRAL[name])
    return images


def _where_asked(
    operation: Callable[[Tensor, Tensor], Tensor], images: Tensor, strength: Tensor, neutral: float
) -> Tensor:
    """Change the images whose strength (B,) is not neutral.

    A CPU computes those alone. A GPU computes all, since a recorded step has a fixed size.
    """
    asked, strength = strength != neutral, strength[:, None, None, None].float()
    if images.is_cuda:
        return torch.where(asked[:, None, None, None], operation(images, strength), images)
    some = asked.nonzero().flatten()
    return images.index_copy(0, some, operation(images[some], strength[some]))


def turn(images: Tensor, angles: Tensor) -> Tensor:
    """Turn each image about its centre by its own angle (B, 1), degrees anticlockwise."""
    return place(images, functional.pad(angles, (0, PLACES - 1)))


def place(images: Tensor, places: Tensor) -> Tensor:
    """Turn, shear and move each image; a pixel is the nearest of those before, or black.

    Args:
        images: (B, H, W, channels).
        places: (B, 5) the first columns of NEUTRAL: an image is turned about its centre, sheared
            from its upper left corner.

    Returns:
        the same shape and type.
    """
    height, width = images.shape[1:3]
    angle, shear_x, shear_y, right, down = places.float()[:, :, None, None].unbind(1)
    angle = angle.deg2rad()
    rows = torch.arange(height, device=images.device)[:, None] + 0.5
    columns = torch.arange(width, device=images.device) + 0.5
    y, x = rows - height / 2, columns - width / 2
    row = angle.sin() * x + angle.cos() * y + shear_y * columns - down  # (B, H, W), where it was
    column = angle.cos() * x - angle.sin() * y + shear_x * rows - right
    row = (row + (height - 1) / 2).round().long()
    column = (column + (width - 1) / 2).round().long()
    within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    first = torch.arange(len(images), device=images.device)[:, None, None]
    found = images[first, row.clamp(0, height - 1), column.clamp(0, width - 1)]
    return found * within[..., None]


def colour(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply brightness, then contrast, then saturation of each image by its own factors.

    Args:
        images: float (B, H, W, channels), pixels in 0..255.
        factors: (B, 3); the last one is without effect on grey images.

    Returns:
        the same shape and range.
    """
    brightness, contrast, saturation = factors.float()[:, :, None, None, None].unbind(1)
    images = (images * brightness).clamp(0, 255)
    mean = _grey(images).mean((1, 2, 3), keepdim=True)
    images = torch.lerp(mean, images, contrast).clamp(0, 255)
    return torch.lerp(_grey(images), images, saturation).clamp(0, 255)


def _grey(images: Tensor) -> Tensor:
    """Return how light each pixel is, (B, H, W, 1)."""
    if images.shape[-1] == 1:
        return images
    red, green, blue = torch.split(images, 1, dim=-1)
    return GREY[0] * red + GREY[1] * green + GREY[2] * blue


def _sharpen(images: Tensor, factor: Tensor) -> Tensor:
    """Blend each image with itself blurred; pixels at the edge stay."""
    inner = images[:, 1:-1, 1:-1]
    around = functional.avg_pool2d(images.permute(0, 3, 1, 2), 3, 1).permute(0, 2, 3, 1) * 9
    blurred = ((around.round() + 4 * inner) / 13).round()
    sharp = images.clone()
    sharp[:, 1:-1, 1:-1] = torch.lerp(blurred, inner, factor).clamp(0, 255).floor()
    return sharp


def _posterize(images: Tensor, step: Tensor) -> Tensor:
    """Leave the whole multiples of a step."""
    return (images / step).floor() * step


def _solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert pixels from a threshold on."""
    return torch.where(images >= threshold, 255 - images, images)


def _stretch(images: Tensor, _: Tensor) -> Tensor:
    """Let each channel fill 0..255; one of a single value stays."""
    low, high = images.amin((1, 2), keepdim=True), images.amax((1, 2), keepdim=True)
    scale = torch.where(high > low, (high - low) * (1 / 255), 1)
    low = torch.where(high > low, low, 0)
    return ((images - low) / scale).clamp(0, 255).floor()


def _equalize(images: Tensor, _: Tensor) -> Tensor:
    """Give each pixel the part of its channel that is darker, of 0..255, as Pillow does."""
    channels = images.permute(0, 3, 1, 2)  # (B, channels, H, W)
    pixels = channels.flatten(2).contiguous()
    darker = torch.searchsorted(pixels.sort(-1).values, pixels)
    step = darker.amax(-1, keepdim=True) // 255
    even = ((darker + step // 2) // step.clamp(min=1)).clamp(0, 255).float()
    even = torch.where(step > 0, even, pixels)
    return even.view(channels.shape).permute(0, 2, 3, 1)


AFTER_COLOURS = {
    "sharpness": _sharpen,
    "step": _posterize,
    "threshold": _solarize,
    "stretch": _stretch,
    "equalize": _equalize,
}


def cut_out(images: Tensor, centres: Tensor, side: int, mean: Tensor) -> Tensor:
    """Cover a square of each image with the dataset's mean (DeVries and Taylor 2017).

    Args:
        images: (B, H, W, channels).
        centres: (B, 2) row and column of its centre; what lies outside of the image is lost.
        side: pixels.
        mean: (channels,) in 0..255: 0 once pixels are normalised.

    Returns:
        float32, the shape of `images`.
    """
    top, left = (centres - side // 2)[:, :, None].unbind(1)  # (B, 1) each
    rows = torch.arange(images.shape[1], device=images.device)
    columns = torch.arange(images.shape[2], device=images.device)
    covered = ((rows >= top) & (rows < top + side))[:, :, None]
    covered = covered & ((columns >= left) & (columns < left + side))[:, None]
    return torch.where(covered[..., None], mean, images.float())
