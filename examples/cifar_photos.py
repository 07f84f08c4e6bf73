"""Write a part of CIFAR-10 as folders of pictures, long-tailed: something to try own images with.

`python -m examples.cifar_photos photos` makes photos/train/<class>/<number>.png, with 1,000
airplanes down to 10 trucks, and photos/test with 100 of each. It needs data/raw/cifar10, which
`dvc repro data/dvc.yaml:download@cifar10` makes.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lt.data import longtail

RAW = Path("data/raw/cifar10")


def main(out: Path) -> None:
    """Write the pictures into `out`, which must not exist."""
    if out.exists():
        sys.exit(f"{out}: expected a folder that is not there yet")
    if not RAW.exists():
        sys.exit(f"{RAW}: not there; `dvc repro data/dvc.yaml:download@cifar10` makes it")
    classes = json.loads((RAW / "classes.json").read_text())
    counts = {
        "train": longtail.class_counts(1000, len(classes), "exp", 0.01),
        "test": np.full(len(classes), 100),
    }
    for part, wanted in counts.items():
        images = np.load(RAW / f"{part}_images.npy", mmap_mode="r")
        labels = np.load(RAW / f"{part}_labels.npy")
        for label, name in enumerate(classes):
            folder = out / part / name
            folder.mkdir(parents=True)
            for index in np.flatnonzero(labels == label)[: wanted[label]]:
                Image.fromarray(images[index]).save(folder / f"{index}.png")
    print(f"{out}: {sum(int(one.sum()) for one in counts.values())} pictures")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("expected the folder to make: python -m examples.cifar_photos photos")
    main(Path(sys.argv[1]))
