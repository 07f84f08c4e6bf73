from __future__ import annotations

import errno
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lt import images


@pytest.fixture
def ramp() -> np.ndarray:
    """A grey 4x4 image, 0 to 240 in steps of 16: upside down, and mirrored, it is another."""
    return np.arange(0, 256, 16, dtype=np.uint8).reshape(4, 4)


def pixels(path: Path, mode: Any = "L") -> list[Any]:
    return np.asarray(images.read(path, mode)).tolist()


def test_sixteen_bits_give_what_eight_give(tmp_path: Path, ramp: np.ndarray) -> None:
    Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "16.png")
    Image.fromarray(ramp.astype(np.int32) * 257).save(tmp_path / "32.tiff")
    Image.fromarray((ramp / 255).astype(np.float32)).save(tmp_path / "float.tiff")
    for name in ("16.png", "32.tiff", "float.tiff"):
        assert pixels(tmp_path / name) == ramp.tolist()
        assert pixels(tmp_path / name, "RGB") == [[[v, v, v] for v in row] for row in ramp.tolist()]


@pytest.mark.parametrize("value", [-0.5, 1.5, float("nan")])
def test_floats_that_are_no_grey_values_are_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "float.tiff"
    Image.fromarray(np.full((2, 2), value, dtype=np.float32)).save(path)
    with pytest.raises(ValueError, match=f"{path}.*expected values from 0 to 1, got"):
        images.read(path, "L")


PIXELS = (258, 772, 1286), (200, 100, 50), (51400, 25700, 12850)  # these are 200, 100, 50 of 8 bits


def deep_png(path: Path, key: tuple[int, int, int]) -> None:
    """Write an RGB PNG of 16 bits with a transparent colour (PNG, 11.3.2.1)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    rows = b"\0" + b"".join(struct.pack(">3H", *pixel) for pixel in PIXELS)
    parts = [chunk(b"IHDR", struct.pack(">2I5B", len(PIXELS), 1, 16, 2, 0, 0, 0))]
    parts += [chunk(b"tRNS", struct.pack(">3H", *key)), chunk(b"IDAT", zlib.compress(rows))]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IEND", b"")]))


@pytest.mark.parametrize("transparent", [0, 1])
def test_a_transparent_colour_of_16_bits_shows_white(tmp_path: Path, transparent: int) -> None:
    deep_png(tmp_path / "a.png", PIXELS[transparent])
    expected = [[value >> 8 for value in pixel] for pixel in PIXELS]
    expected[transparent] = [255, 255, 255]
    assert np.asarray(images.read(tmp_path / "a.png", "RGB")).tolist() == [expected]


def test_what_a_damaged_file_asks_of_the_system_is_its_own_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")

    def fails(number: int) -> Any:
        def opened(_path: Any) -> Any:
            raise OSError(number, os.strerror(number))

        return opened

    monkeypatch.setattr(Image, "open", fails(errno.EINVAL))
    with pytest.raises(ValueError, match="not a whole image file") as caught:
        images.read(tmp_path / "a.png", "RGB")
    assert not isinstance(caught.value, images.NotReadable)
    monkeypatch.setattr(Image, "open", fails(errno.EIO))
    with pytest.raises(images.NotReadable, match="Input/output error"):
        images.read(tmp_path / "a.png", "RGB")


def test_transparency_shows_white(tmp_path: Path) -> None:
    array = np.zeros((1, 3, 4), dtype=np.uint8)
    array[0, :, 3] = 255, 51, 0  # black: opaque, a fifth of it, and not at all
    Image.fromarray(array).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png") == [[0, 204, 255]]
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
    palette.putpalette([10, 10, 10, 20, 20, 20])
    palette.save(tmp_path / "p.png", transparency=1)
    assert pixels(tmp_path / "p.png", "RGB") == [[[10, 10, 10], [255, 255, 255]]]
    grey = Image.fromarray(np.array([[[7, 255], [7, 0]]], dtype=np.uint8), "LA")
    grey.save(tmp_path / "la.png")
    assert pixels(tmp_path / "la.png") == [[7, 255]]


# What the orientations 1 to 8 do to an image, so that it is seen as `ramp` (EXIF 2.32, 4.6.4).
STORED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: np.transpose,
    6: np.rot90,
    7: lambda a: np.rot90(a, 2).T,
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_images_are_turned_as_their_exif_data_say(
    tmp_path: Path, ramp: np.ndarray, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(STORED[orientation](ramp))).save(
        tmp_path / "turned.png", exif=exif
    )
    assert pixels(tmp_path / "turned.png") == ramp.tolist()


def test_cmyk_and_animations(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "red.jpg", quality=95)
    red = np.asarray(images.read(tmp_path / "red.jpg", "RGB"))[4, 4]
    assert red[0] > 240
    assert red[1:].max() < 15
    first, second = (Image.new("L", (2, 2), value) for value in (0, 255))
    first.save(tmp_path / "two.gif", save_all=True, append_images=[second])
    assert pixels(tmp_path / "two.gif") == [[0, 0], [0, 0]]


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.png").touch()
    Image.fromarray(np.zeros((64, 64), dtype=np.uint8)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-40])
    bomb = bytearray(b"BM" + struct.pack("<IHHI", 54, 0, 0, 54))
    bomb += struct.pack("<IiiHHIIiiII", 40, 100_000, 100_000, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "bomb.bmp").write_bytes(bomb)
    os.mkfifo(tmp_path / "pipe.png")
    for name, message in {
        "text.jpg": "not an image file",
        "empty.png": "not an image file",
        "cut.jpg": "not a whole image file",
        "bomb.bmp": "has too many pixels: expected 179 million at most",
        "absent.png": "no such image file",
        ".": "expected an image file, got a folder",
        "pipe.png": "expected an image file, got a pipe or a device",
    }.items():
        with pytest.raises(ValueError, match=message) as caught:
            images.read(tmp_path / name, "L")
        assert str(tmp_path / name) in str(caught.value)
