"""download: a dataset as published, as arrays in data/raw/<name>."""

from __future__ import annotations

from collections.abc import Sequence

from lt import files
from lt.data import datasets
from stages import RAW, main


def run(arguments: Sequence[str]) -> None:
    """Write data/raw/<name>: `python -m stages.download digits`.

    Archives are the project's: the copy that a queued experiment runs in has none.
    """
    if len(arguments) != 1 or arguments[0] not in datasets.RECIPES:
        names = ", ".join(datasets.RECIPES)
        raise ValueError(f"expected one dataset of {names}, got {' '.join(arguments) or 'none'}")
    (name,) = arguments
    raw = datasets.read(name, files.project() / datasets.ARCHIVES)
    with files.whole(RAW / name) as folder:
        datasets.save(raw, folder)


if __name__ == "__main__":
    main(run)
