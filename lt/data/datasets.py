"""The image datasets: what each needs to know, how it is read, how it lies on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt import files, process

ARCHIVES = Path("data/archives")


@dataclass(frozen=True)
class Recipe:
    """Normalisation (of pixels in 0..1, a number per channel) and augmentation of a dataset."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: int  # pixels of black around the image before a random crop to its size
    flip: bool  # horizontal flips; a mirrored digit is no digit


_CIFAR = Recipe((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), pad=4, flip=True)
RECIPES = {
    "digits": Recipe((0.305,), (0.376,), pad=1, flip=False),
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
}


def recipe(summary: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a dataset; `summary`: what `prepare` and run.json say of it."""
    if summary["name"] in RECIPES:
        return RECIPES[summary["name"]]
    given = summary["recipe"]
    return Recipe(**given | {key: tuple(given[key]) for key in ("mean", "std")})


@dataclass(frozen=True)
class Raw:
    """A dataset as published.

    Images are uint8 (N, H, W, channels), labels int64 (N,) in 0..C-1, classes the C names.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: list[str]


def read(name: str, archives: Path = ARCHIVES) -> Raw:
    """Return the dataset `name`, downloaded where that is needed.

    Raises:
        ValueError: if it is neither in `archives` nor to be had from the network.
    """
    return _read_digits() if name == "digits" else _read_cifar(name, archives)


def save(raw: Raw, folder: Path) -> None:
    """Write the arrays as .npy, which `load` maps into memory, and the names as JSON."""
    folder.mkdir(parents=True)
    for field in ("train_images", "train_labels", "test_images", "test_labels"):
        np.save(folder / f"{field}.npy", getattr(raw, field))
    (folder / "classes.json").write_text(json.dumps(raw.classes) + "\n")


def load(folder: Path, field: str) -> NDArray[Any]:
    """Load one array of `Raw` out of `folder`, memory-mapped.

    Raises:
        ValueError: if the file is missing or is not whole.
    """
    try:
        return files.read_npy(path(folder, field), mmap=True)
    except (OSError, ValueError) as error:
        stage = f"download@{folder.name}" if folder.name in RECIPES else folder.name
        raise ValueError(
            f"{path(folder, field)}: missing or cut short ({str(error).split(';')[0]}); "
            f"make it anew with `dvc repro -f data/dvc.yaml:{stage}`"
        ) from None


def path(folder: Path, field: str) -> Path:
    """Return where one array of `Raw` lies."""
    return folder / f"{field}.npy"


def load_all(folder: Path) -> dict[str, NDArray[Any]]:
    """Load the four arrays of `Raw`, memory-mapped, by their names.

    Raises:
        ValueError: if a file is missing or is not whole.
    """
    names = [f"{part}_{kind}" for part in ("train", "test") for kind in ("images", "labels")]
    return {name: load(folder, name) for name in names}


def _read_digits() -> Raw:
    """Read the 8x8 handwritten digits that scikit-learn ships.

    20 % of them, stratified, are the test images. The split is fixed, as CIFAR's is: it belongs to
    the dataset, not to an experiment.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]  # (N, 8, 8, 1)
    labels = digits.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=0
    )
    train, test = np.sort(train), np.sort(test)
    names = [str(digit) for digit in range(10)]
    return Raw(images[train], labels[train], images[test], labels[test], names)


def _read_cifar(name: str, archives: Path) -> Raw:
    """Read CIFAR-10 or -100 through torchvision, which verifies every file by its md5."""
    from torchvision.datasets import CIFAR10, CIFAR100

    cls = CIFAR10 if name == "cifar10" else CIFAR100
    _fetch_cifar(cls, archives)
    train, test = (cls(str(archives), train=part) for part in (True, False))
    return Raw(
        train.data,
        np.array(train.targets, dtype=np.int64),
        test.data,
        np.array(test.targets, dtype=np.int64),
        list(train.classes),
    )


def _fetch_cifar(cls: Any, archives: Path) -> None:
    """Make sure that the files of `cls` are in `archives`, intact."""
    from torchvision.datasets.utils import check_integrity

    def bad() -> list[str]:
        files = [*cls.train_list, *cls.test_list, [cls.meta["filename"], cls.meta["md5"]]]
        return [
            str(archives / cls.base_folder / file)
            for file, md5 in files
            if not check_integrity(str(archives / cls.base_folder / file), md5)
        ]

    if not bad():
        return
    reason = "its files do not match their md5"
    # another experiment of a queue may be at it
    with process.patient_lock(archives / ".lock", f"another run fetches {cls.filename}: waiting"):
        if not bad():
            return
        try:
            cls(str(archives), download=True)
        except (OSError, RuntimeError, EOFError) as error:  # no network, or an archive cut short
            reason = " ".join(str(error).split())
    archive = archives / cls.filename
    if archive.exists() and not check_integrity(str(archive), cls.tgz_md5):
        reason += f"; {archive} has another md5"
    broken = bad()
    if broken:
        state = "corrupt or cut short" if Path(broken[0]).exists() else "missing"
        raise ValueError(
            f"{broken[0]}: {state}, and fetching {cls.url} failed ({reason}).\n"
            f"Put {cls.filename} (md5 {cls.tgz_md5}) into {archives}/, "
            f"or its unpacked folder {cls.base_folder}/, and run again."
        )
