"""finetune: the second stage of a method that starts from another; else nothing is added."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from lt import files, params
from stages import LONGTAIL, PARTITION, RAW, main, no_arguments

START = Path("models/trained")
OUT = Path("models/final")


def run(arguments: Sequence[str]) -> None:
    """Write models/final, of the same form as models/trained; the same files if nothing follows."""
    no_arguments(arguments)
    if params.is_null("finetune"):
        with files.whole(OUT) as folder:
            shutil.copytree(START, folder)
        return
    from lt.train import run as training  # imports torch, which a copy does not need

    inputs = training.Inputs.read(RAW, LONGTAIL, PARTITION)
    training.run(params.read_resolved(params.Training, "finetune"), inputs, OUT, START)


if __name__ == "__main__":
    main(run)
