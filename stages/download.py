"""download: a dataset as published, as arrays in data/raw/<name>."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import data, files
from stages import main


def run(arguments: Sequence[str]) -> None:
    """Writes data/raw/<name>: `python -m stages.download digits`."""
    if len(arguments) != 1 or arguments[0] not in data.RECIPES:
        names = ", ".join(data.RECIPES)
        raise ValueError(f"expected one dataset of {names}, got {' '.join(arguments) or 'none'}")
    (name,) = arguments
    raw = data.read(name)
    with files.whole(Path("data/raw") / name) as folder:
        data.save(raw, folder)


if __name__ == "__main__":
    main(run)
