"""The grid of the paper: every table and figure of the 2022 report, and the study beside them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lt import params

PARAMS = Path("paper/params.yaml")
CELLS = Path("paper/cells.json")
EXAMPLES = (0, 1, 99)  # test images that tables and figures show: those of the seed's section 5.5
FAILED = "failed.json"  # in the folder of a training that diverged: why


def load(overrides: list[str], section: str, given: str) -> params.Params:
    """The params of a dataset, partition or cell of the grid.

    Args:
        overrides: its own, over paper/params.yaml.
        section: of which it is: "data", "partition" or "train".
        given: the id that cells.json has for it.

    Raises:
        ValueError: if a param is bad, or others had the id.
    """
    options = params.load(overrides, PARAMS)
    if identify(options, section) != given:
        raise ValueError(
            f"{CELLS} was written with another {PARAMS}: expected id {identify(options, section)}, "
            f"got {given}; run `python -m paper.grid`"
        )
    return options


def identify(options: params.Params, section: str) -> str:
    """A hash of the values that count for a dataset, a partition or, with "train", a cell."""
    values: list[Any] = [asdict(getattr(options, section))]
    if section == "train":
        values += [options.seed, options.profile, options.model, options.methods[options.model]]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]
