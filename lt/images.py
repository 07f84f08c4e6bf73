"""Image files of any kind as uint8 pixels: the one place where they are read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError


class NotGiven(ValueError):  # noqa: N818
    """What is raised where the system does not give a file: nothing is known of what is in it."""


def read(path: str | Path, mode: Literal["L", "RGB"]) -> Image.Image:
    """Read an image file as it is meant to be seen.

    It is turned as its EXIF data say. What is transparent shows white. 16 bits a channel are scaled
    to 8, and so are floats from 0 to 1. CMYK and palettes become RGB. Of several frames, the first
    is read. More pixels than Pillow takes for sound are refused.

    Args:
        path: of the file.
        mode: "L" for grey, "RGB" for colours.

    Raises:
        NotGiven: if there is no such file, or it cannot be read.
        ValueError: if there is no whole image in it. Each names the file.
    """
    if Path(path).is_dir():
        raise ValueError(f"{path}: expected an image file, got a folder")
    if Path(path).exists() and not Path(path).is_file():  # a read of these might never end
        raise ValueError(f"{path}: expected an image file, got a pipe or a device")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, and of damaged EXIF data
            with Image.open(path) as image:
                image.seek(0)
                ImageOps.exif_transpose(image, in_place=True)
                return _as_seen(image, mode)
    except FileNotFoundError:
        raise NotGiven(f"{path}: no such image file") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path}: not an image file") from None
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise ValueError(
            f"{path}: has too many pixels: expected {most:.0f} million at most"
        ) from None
    except OSError as error:
        if error.errno:
            raise NotGiven(f"{path}: {error.strerror}") from None
        raise ValueError(f"{path}: not a whole image file ({error})") from None
    except Exception as error:  # each decoder raises what it likes
        raise ValueError(f"{path}: not a whole image file ({error})") from None


def square(image: Image.Image, size: int) -> Image.Image:
    """Scale the shorter side to `size` pixels and cut out the centre; of that size, leave it."""
    return image if image.size == (size, size) else ImageOps.fit(image, (size, size))


def _as_seen(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values, key = np.asarray(image), image.info.get("transparency")
        # of such an image, one value may stand for what is transparent
        image = Image.fromarray(np.where(values == key, 255, _scaled(values)).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:  # of 16 bits, as Pillow's pixels are no more
        image.info["transparency"] = tuple(value >> 8 for value in key)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    if image.mode == "LAB":  # which becomes grey by way of colours
        image = image.convert("RGB")
    if image.mode != mode:
        return image.convert(mode)
    image.load()  # and no copy: a large photo takes hundreds of MB
    return image


def _scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale grey values to 0 .. 255: floats from 0 .. 1, integers from 0 .. 65535."""
    top = 1.0 if values.dtype.kind == "f" else 65535.0
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= top):
        raise ValueError(f"expected values from 0 to {top:g}, got {low:g} to {high:g}")
    return np.round(values * (255 / top)).astype(np.uint8)
