"""train: the method that is trained from scratch, and its outputs for every image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import params
from lt.train import run as training
from stages import LONGTAIL, PARTITION, RAW, main, no_arguments

OUT = Path("models/trained")


def run(arguments: Sequence[str]) -> None:
    """Write models/trained: weights, outputs, history, views, timing, provenance."""
    no_arguments(arguments)
    inputs = training.Inputs.read(RAW, LONGTAIL, PARTITION)
    training.run(params.read_resolved(params.Training, "train"), inputs, OUT)


if __name__ == "__main__":
    main(run)
