"""train: the experts of a method, and their outputs for every validation and test image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import params, registry, training
from stages import main

RAW = Path("data/raw")
LONGTAIL = Path("data/longtail")
PARTITION = Path("data/partition.json")
MODELS = Path("models")


def run(overrides: Sequence[str]) -> None:
    """Trains and writes models/<model>: weights, outputs, history, views, timing, provenance."""
    options = params.load(overrides)
    start = registry.checked(options.model, options.methods[options.model])["start"]
    places = training.Places(
        raw=RAW,
        longtail=LONGTAIL,
        partition=PARTITION,
        start=None if start == params.FRESH else MODELS / start,
        out=MODELS / options.model,
    )
    training.run(options, places)


if __name__ == "__main__":
    main(run)
