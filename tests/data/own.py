"""Images of one's own, made for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lt import params
from lt.data import datasets, listing, photos

OPTIONS = params.Images("photos", None, None, None, 0.2, 8, False, None, None, None, True)


def draw(path: Path, seed: int, size: tuple[int, int] = (8, 8)) -> Path:
    """Write an image that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def classes(folder: Path, counts: Mapping[str, int]) -> Path:
    """Make class folders with so many images each, another one for each folder and number."""
    for k, (name, number) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(number):
            draw(folder / name / f"{i}.png", hash_of(folder.name) + 1000 * k + i)
    return folder


def hash_of(name: str) -> int:
    return sum(map(ord, name)) * 100_000


def given(train: Path, seed: int = 0, **others: Any) -> params.Listing:
    texts = {key: str(value) if isinstance(value, Path) else value for key, value in others.items()}
    values = {"test": None, "root": None, "classes": None, "test_fraction": 0.2, **texts}
    return params.Listing(train=str(train), seed=seed, **values)


def names(made: Mapping[str, Any], part: str) -> list[str]:
    """The last two parts of each path."""
    return ["/".join(Path(file[0]).parts[-2:]) for file in made["files"][part]]


def write_out(raw: datasets.Raw, folder: Path) -> Path:
    """Write a dataset as PNG folders: a file is named after its place in the array."""
    for part in ("train", "test"):
        pairs = zip(getattr(raw, f"{part}_images"), getattr(raw, f"{part}_labels"), strict=True)
        for k, (image, label) in enumerate(pairs):
            path = folder / part / raw.classes[label] / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder


def store(train: Path, out: Path, processes: int = 1, **options: Any) -> dict[str, Any]:
    """List and store; keys of both go by their names. Warnings are those of `photos.store`."""
    own = {key: options.pop(key) for key in list(options) if key in OPTIONS.__dict__}
    where = {k: own.pop(k) for k in ("test", "root", "classes", "test_fraction") if k in own}
    made = listing.make(given(train, **where, **options))
    chosen = params.Images(**{**OPTIONS.__dict__, **own})
    about, warnings = photos.store(made, chosen, out, processes)
    return {**about, "warnings": warnings}
