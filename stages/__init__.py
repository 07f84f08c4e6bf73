"""The stages of the pipeline: each reads, makes one call into lt, and writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def main(stage: Callable[[Sequence[str]], None]) -> None:
    """Runs a stage on the command line's arguments; what a user got wrong ends in one message."""
    name = Path(sys.argv[0]).stem
    try:
        stage(sys.argv[1:])
    except (ValueError, FloatingPointError) as error:
        sys.exit(f"{name}: {error}")
    except FileNotFoundError as error:
        sys.exit(f"{name}: {error.filename}: no such file; run `dvc repro`, which makes it")
