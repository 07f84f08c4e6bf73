"""Image files of any kind as uint8 pixels: the one place where they are read."""

from __future__ import annotations

import errno
import os
import stat
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

# of a read that goes where a damaged file says; any other error is the system's
OF_THE_FILE = {errno.EINVAL, errno.EOVERFLOW, errno.EFBIG, errno.ESPIPE}


class NotReadable(ValueError):  # noqa: N818
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
        NotReadable: if there is no such file, or it cannot be read.
        ValueError: if there is no whole image in it. Each names the file.
    """
    try:
        mode_of = os.stat(path).st_mode
    except FileNotFoundError:
        raise NotReadable(f"{path}: no such image file") from None
    except OSError as error:
        raise NotReadable(f"{path}: {error.strerror}") from None
    if stat.S_ISDIR(mode_of):
        raise ValueError(f"{path}: expected an image file, got a folder")
    if not stat.S_ISREG(mode_of):  # a read of these might never end
        raise ValueError(f"{path}: expected an image file, got a pipe or a device")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, and of damaged EXIF data
            with Image.open(path) as image:
                _cut_key(image)
                image.seek(0)
                ImageOps.exif_transpose(image, in_place=True)
                return _as_seen(image, mode)
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
        if error.errno and error.errno not in OF_THE_FILE:
            raise NotReadable(f"{path}: {error.strerror}") from None
        raise ValueError(f"{path}: not a whole image file ({error})") from None
    except Exception as error:  # each decoder raises what it likes
        raise ValueError(f"{path}: not a whole image file ({error})") from None


def square(image: Image.Image, size: int) -> Image.Image:
    """Scale the shorter side to `size` pixels and cut out the centre; of that size, leave it."""
    return image if image.size == (size, size) else ImageOps.fit(image, (size, size))


def _cut_key(image: Any) -> None:
    """Bring the transparent colour of an image of 16 bits to the 8 that Pillow reads of its pixels.

    image: of which nothing was read yet.
    """
    key = image.info.get("transparency")
    if isinstance(key, tuple) and any(tile[3] == "RGB;16B" for tile in image.tile):
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _as_seen(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values, key = np.asarray(image), image.info.get("transparency")
        # of such an image, one value may stand for what is transparent
        image = Image.fromarray(np.where(values == key, 255, _scaled(values)).astype(np.uint8))
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
