"""The grid: which cells there are. Writes cells.json of it.

    python -m paper.grid                        of paper/grid.yaml: paper/cells.json
    python -m paper.grid small                  of the digits, the same in minutes: paper/small
    python -m paper.grid my.yaml --folder my    of your own: my/cells.json

Tables find a cell by its dataset, model, variation and seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from lt import files, methods
from lt.params import CLASSES, STRICT, Count, Seed
from lt.validate import check
from paper import CELLS, FOLDER, SMALL
from paper.cells import problems
from stages import Parser, main

HERE = Path(__file__).parent
GRIDS = {"full": (HERE / "grid.yaml", FOLDER), "small": (HERE / "grid_small.yaml", SMALL)}
# a network per group, or what starts from one: their gradients are clipped at the seed's protocol
SPLITS = ("split", "split_lws", "split_rest", "distill")
NETWORKS = {"ensemble": 2, "soft_split": 2}  # of these each sees every image
ROLES = ("main", "study", "cuts", "nan", "tau", "falling", "field")  # of any number of datasets
ROLES_OF_ONE = ("table2", "long", "clip", "confirm")

Cell = dict[str, Any]


@dataclass(frozen=True, config=STRICT)
class Protocol:
    """How the cells of a block are trained, beside params.yaml; that of the seed has no name."""

    epochs: Count
    params: tuple[str, ...] = ()
    seeds: tuple[Seed, ...] | None = None


@dataclass(frozen=True, config=STRICT)
class Kind:
    """What of a cell is the same for each dataset and seed."""

    model: str
    variation: str = ""
    params: tuple[str, ...] = ()
    start: str | None = None
    passes: Count | None = None


@dataclass(frozen=True, config=STRICT)
class Block:
    """Cells of the datasets of a role, or of one dataset."""

    of: str
    cells: tuple[Kind, ...]
    protocol: str = ""


@dataclass(frozen=True, config=STRICT)
class Grid:
    """A file such as grid.yaml."""

    seeds: tuple[Seed, ...]
    epochs: Count
    blocks: tuple[Block, ...]
    roles: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    long_epochs: Count = 1
    decay_epoch: Count = 1
    params: tuple[str, ...] = ()
    protocols: dict[str, Protocol] = Field(default_factory=dict)


def read(path: Path) -> Grid:
    """Read a file such as grid.yaml.

    Raises:
        ValueError: with every problem found, a line each.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    grid, found = check(TypeAdapter(Grid), raw)
    if grid:
        found = _strays(grid)
    if found or grid is None:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in found))
    return grid


def _strays(grid: Grid) -> list[str]:
    """List names that stand for nothing, and blocks that ask for none."""
    known = (*ROLES, *ROLES_OF_ONE)
    found = [
        f"roles.{role}: unknown key; allowed: {', '.join(known)}"
        for role in grid.roles
        if role not in known
    ]
    for k, block in enumerate(grid.blocks):
        if block.protocol not in ("", *grid.protocols):
            allowed = ", ".join(grid.protocols)
            found.append(f"blocks.{k}.protocol: expected one of {allowed}, got {block.protocol}")
        for dataset in _several(grid.roles.get(block.of, block.of)):
            raw, *rest = dataset.split("-")
            if raw not in CLASSES or not 2 <= len(rest) <= 3:
                found.append(
                    f"blocks.{k}.of: expected one of the roles, or a dataset such as "
                    f"cifar10-exp-0.1 (of {', '.join(CLASSES)}), got {dataset}"
                )
    if not any(block.cells for block in grid.blocks):
        found.append("blocks: expected at least one with a cell")
    return found


def build(path: Path) -> dict[str, Any]:
    """Return what cells.json holds, the most important cells first.

    Args:
        path: a file such as grid.yaml.

    Raises:
        ValueError: with every problem found, in the file or in the params of a cell, a line each.
    """
    grid = read(path)
    cells: dict[str, Cell] = {}
    for block in grid.blocks:
        protocol = grid.protocols.get(block.protocol) or Protocol(grid.epochs)
        for dataset in _several(grid.roles.get(block.of, block.of)):
            for kind in block.cells:
                for seed in grid.seeds if protocol.seeds is None else protocol.seeds:
                    # what is asked for again is there already
                    cells.setdefault(*_cell(grid, block.protocol, protocol, dataset, kind, seed))
    if found := problems(cells, methods.problems):
        raise ValueError("\n".join(f"{path}: {problem}" for problem in found))
    used = list(dict.fromkeys(cell["dataset"] for cell in cells.values()))
    roles = {"main": used, **grid.roles}  # without roles, the tables are of all datasets
    size: dict[str, Any] = {role: list(_several(roles.get(role, ()))) for role in ROLES}
    size |= {role: roles.get(role, used[0]) for role in ROLES_OF_ONE}
    numbers = {key: asdict(grid)[key] for key in ("epochs", "long_epochs", "decay_epoch")}
    datasets = {name: _dataset(name) for name in (*size["main"], *size["field"], *used)}
    return {"size": size | numbers, "datasets": datasets, "cells": cells}


def _several(found: str | Sequence[str]) -> Sequence[str]:
    return [found] if isinstance(found, str) else found


def _cell(
    grid: Grid, protocol_name: str, protocol: Protocol, dataset: str, one: Kind, seed: int
) -> tuple[str, Cell]:
    """Return a cell's name, and what the file says of it."""
    variation = " ".join(filter(None, [protocol_name, one.variation]))
    clip = ["train.clip_norm=5.0"] if one.model in SPLITS and not protocol_name else []
    own = [*grid.params, *clip, *protocol.params, *one.params]

    def name(of: str, variation: str) -> str:
        return "_".join(filter(None, [dataset, of, variation.replace(" ", ""), f"s{seed}"]))

    return name(one.model, variation), {
        "dataset": dataset,
        "model": one.model,
        "variation": variation,
        "seed": seed,
        "passes": one.passes or protocol.epochs * NETWORKS.get(one.model, 1),
        "start": name(one.start, protocol_name) if one.start else None,
        "params": " ".join([_dataset(dataset), f"model={one.model}", f"seed={seed}", *own]),
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
    parser = Parser(prog="python -m paper.grid", description=__doc__.split("\n")[0])
    parser.add_argument("grid", nargs="?", default="full", help="full, small, or a YAML file")
    parser.add_argument("--folder", type=Path, help="where cells.json is to be, for a file")
    given = parser.parse_args(arguments)
    path, folder = GRIDS.get(given.grid, (Path(given.grid), given.folder))
    if (given.folder is None) == (given.grid not in GRIDS):
        raise ValueError(
            f"expected one of {', '.join(GRIDS)}, or a file with --folder, got "
            f"{' '.join(arguments)}"
        )
    with files.whole(folder / CELLS) as temporary:
        temporary.write_text(_as_text(build(path)))


if __name__ == "__main__":
    main(run, own_help=True)
