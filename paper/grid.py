"""The grid: which cells there are. Writes cells.json of it.

    python -m paper.grid          of the seed's eight datasets and of the study: paper/cells.json
    python -m paper.grid small    of the digits, the same in minutes: paper/small/cells.json

Which cells those are stands in grid.yaml and grid_small.yaml. Tables find a cell by its dataset,
model, variation and seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lt import files
from paper import CELLS, FOLDER, SMALL
from stages import main

HERE = Path(__file__).parent
GRIDS = {"full": (HERE / "grid.yaml", FOLDER), "small": (HERE / "grid_small.yaml", SMALL)}
# a network per group, or what starts from one: their gradients are clipped at the seed's protocol
SPLITS = ("split", "split_lws", "split_rest", "distill")
NETWORKS = {"ensemble": 2, "soft_split": 2}  # of these each sees every image

Cell = dict[str, Any]


@dataclass(frozen=True)
class Protocol:
    """How the cells of a block are trained, beside params.yaml; that of the seed has no name."""

    name: str
    epochs: int
    seeds: Sequence[int]
    params: Sequence[str] = ()


def build(path: Path) -> dict[str, Any]:
    """Return what cells.json holds, the most important cells first.

    Args:
        path: a file such as grid.yaml.
    """
    grid = yaml.safe_load(path.read_text())
    cells: dict[str, Cell] = {}
    for block in grid["blocks"]:
        found = grid["roles"].get(block["of"], block["of"])
        name = block.get("protocol", "")
        own = grid["protocols"][name] if name else {"epochs": grid["epochs"]}
        protocol = Protocol(name, **{"seeds": grid["seeds"], **own})
        for dataset in [found] if isinstance(found, str) else found:
            for one in block["cells"]:
                for seed in protocol.seeds:  # what is asked for again is there already
                    cells.setdefault(*_cell(grid, protocol, dataset, one, seed))
    numbers = {key: grid[key] for key in ("epochs", "long_epochs", "decay_epoch")}
    datasets = {name: _dataset(name) for role in ("main", "field") for name in grid["roles"][role]}
    return {"size": grid["roles"] | numbers, "datasets": datasets, "cells": cells}


def _cell(
    grid: Mapping[str, Any], protocol: Protocol, dataset: str, one: Mapping[str, Any], seed: int
) -> tuple[str, Cell]:
    """Return a cell's name, and what the file says of it."""
    model, start = one["model"], one.get("start")
    variation = " ".join(filter(None, [protocol.name, one.get("variation", "")]))
    clip = ["train.clip_norm=5.0"] if model in SPLITS and not protocol.name else []
    params = [*grid["params"], *clip, *protocol.params, *one.get("params", [])]

    def name(of: str, variation: str) -> str:
        return "_".join(filter(None, [dataset, of, variation.replace(" ", ""), f"s{seed}"]))

    return name(model, variation), {
        "dataset": dataset,
        "model": model,
        "variation": variation,
        "seed": seed,
        "passes": one.get("passes", protocol.epochs * NETWORKS.get(model, 1)),
        "start": name(start, protocol.name) if start else None,
        "params": " ".join([_dataset(dataset), f"model={model}", f"seed={seed}", *params]),
    }


def _dataset(name: str) -> str:
    """Return the params of a dataset; one that names its subset has no validation images."""
    raw, imb_type, factor, *subset = name.split("-")
    own = [f"data.name={raw}", f"data.imb_type={imb_type}", f"data.imb_factor={factor}"]
    own += [f"data.subset={one} data.val_fraction=0.0" for one in subset]
    return " ".join(own)


def _as_text(grid: Mapping[str, Any]) -> str:
    """Return JSON with a line for each cell."""

    def section(value: Mapping[str, Any]) -> str:
        lines = (f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in value.items())
        return "{\n" + ",\n".join(lines) + "\n}"

    sections = (f"{json.dumps(key)}: {section(value)}" for key, value in grid.items())
    return "{\n" + ",\n".join(sections) + "\n}\n"


def run(arguments: Sequence[str]) -> None:
    """Write cells.json of a grid into its folder."""
    name = arguments[0] if arguments else "full"
    if name not in GRIDS or len(arguments) > 1:
        raise ValueError(f"expected one of {', '.join(GRIDS)}, got {' '.join(arguments)}")
    path, folder = GRIDS[name]
    with files.whole(folder / CELLS) as temporary:
        temporary.write_text(_as_text(build(path)))


if __name__ == "__main__":
    main(run)
