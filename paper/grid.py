"""The grid: which cells there are. Writes cells.json of it.

    python -m paper.grid                        of paper/grid.yaml: paper/cells.json
    python -m paper.grid small                  of the digits, the same in minutes: paper/small
    python -m paper.grid my.yaml --folder my    of your own: my/cells.json

Tables find a cell by its dataset, model, variation and seed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from lt import files, methods, params_file
from lt.params import CLASSES, STRICT, Count, Seed, method_names
from lt.validate import check
from paper import CELLS, FOLDER, PARAMS, SMALL
from paper.cells import problems
from stages import Parser, main

HERE = Path(__file__).parent
GRIDS = {"full": (HERE / "grid.yaml", FOLDER), "small": (HERE / "grid_small.yaml", SMALL)}
NETWORKS = {"ensemble": 2, "soft_split": 2}  # of these each sees every image

FILE_NAME = re.compile(r"[\w.-]+")

Cell = dict[str, Any]


@dataclass(frozen=True, config=STRICT)
class Protocol:
    """How the cells of a block are trained, beside params.yaml; that of the seed has no name."""

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
class Roles:
    """Of which datasets tables and figures are: several, or for the last ones each one."""

    main: tuple[str, ...] = ()
    study: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()
    nan: tuple[str, ...] = ()
    tau: tuple[str, ...] = ()
    falling: tuple[str, ...] = ()
    field: tuple[str, ...] = ()
    table2: str = ""
    long: str = ""
    clip: str = ""
    confirm: str = ""


@dataclass(frozen=True, config=STRICT)
class Grid:
    """A file such as grid.yaml."""

    seeds: tuple[Seed, ...]
    blocks: tuple[Block, ...]
    roles: Roles = Field(default_factory=Roles)
    epochs: Count = 1  # these three are for the titles of a table
    long_epochs: Count = 1
    decay_epoch: Count = 1
    params: tuple[str, ...] = ()
    models: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    protocols: dict[str, Protocol] = Field(default_factory=dict)


def read(path: Path) -> Grid:
    """Read a file such as grid.yaml.

    Raises:
        ValueError: with every problem found, a line each.
    """
    grid, found = check(TypeAdapter(Grid), params_file.read(path))
    found += [] if grid is None else _strays(grid)
    if found or grid is None:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in found))
    return grid


def _strays(grid: Grid) -> list[str]:
    """List names that stand for nothing."""
    roles, names = asdict(grid.roles), method_names()
    found = [f"models.{name}: no such method" for name in grid.models if name not in names]
    for role, given in roles.items():
        found += [f"roles.{role}: {_EXPECTED}, got {one}" for one in _strange(given)]
    for k, block in enumerate(grid.blocks):
        if block.protocol not in ("", *grid.protocols):
            allowed = ", ".join(grid.protocols)
            found.append(f"blocks.{k}.protocol: expected one of {allowed}, got {block.protocol}")
        if block.of not in roles:
            strange = _strange(block.of)
            found += [f"blocks.{k}.of: {_EXPECTED}, or a role, got {one}" for one in strange]
        elif not roles[block.of]:
            found.append(f"blocks.{k}.of: roles.{block.of} has no dataset")
    return found


_EXPECTED = f"expected a dataset such as cifar10-exp-0.1 (of {', '.join(CLASSES)})"


def _strange(given: str | Sequence[str]) -> list[str]:
    """List those names that are of no dataset."""
    return [
        name
        for name in _several(given)
        if (parts := name.split("-"))[0] not in CLASSES or not 3 <= len(parts) <= 4
    ]


def _several(given: str | Sequence[str]) -> Sequence[str]:
    return [one for one in [given] if one] if isinstance(given, str) else given


def build(path: Path) -> dict[str, Any]:
    """Return what cells.json holds, the most important cells first.

    Args:
        path: a file such as grid.yaml.

    Raises:
        ValueError: with every problem found, in the file or in the params of a cell, a line each.
    """
    grid = read(path)
    cells: dict[str, Cell] = {}
    found = []
    for name, cell in _each(grid):
        if not FILE_NAME.fullmatch(name):
            found.append(f"{name}: expected letters, digits, dots and spaces alone")
        elif cells.setdefault(name, cell) != cell:  # to be asked for again is fine
            found.append(f"{name}: two cells have this name; expected a `variation`")
    if not cells:
        found.append("expected at least one cell")
    if not found:
        made = _with_roles(grid, cells)
        # of each kind one seed: others would say the same
        kinds = {(c["dataset"], c["model"], c["variation"]): name for name, c in cells.items()}
        found = problems(made, kinds.values(), methods.problems)
    if found:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in dict.fromkeys(found)))
    for cell in cells.values():
        if cell["passes"] is None:
            epochs = params_file.load(cell["params"].split(), PARAMS).train.epochs
            cell["passes"] = epochs * NETWORKS.get(cell["model"], 1)
    return made


def _each(grid: Grid) -> Iterator[tuple[str, Cell]]:
    """Give all cells that the blocks ask for, with their names."""
    roles = asdict(grid.roles)
    for block in grid.blocks:
        protocol = grid.protocols.get(block.protocol) or Protocol()
        seeds = grid.seeds if protocol.seeds is None else protocol.seeds
        for dataset in _several(roles.get(block.of, block.of)):
            for kind in block.cells:
                for seed in seeds:
                    yield _cell(grid, block, protocol, dataset, kind, seed)


def _with_roles(grid: Grid, cells: dict[str, Cell]) -> dict[str, Any]:
    """Return what cells.json holds; a role that is not given is of all datasets, or the first.

    Of a grid without any role, `size` is empty: it has no part in the study's tables.
    """
    roles: dict[str, Any] = asdict(grid.roles)
    used = list(dict.fromkeys(cell["dataset"] for cell in cells.values()))
    if grid.roles == Roles():
        return {"size": {}, "datasets": {name: _dataset(name) for name in used}, "cells": cells}
    roles["main"] = roles["main"] or used
    for role in ("table2", "long", "clip", "confirm"):
        roles[role] = roles[role] or used[0]
    named = [name for given in (roles["main"], *roles.values()) for name in _several(given)]
    numbers = {key: asdict(grid)[key] for key in ("epochs", "long_epochs", "decay_epoch")}
    datasets = {name: _dataset(name) for name in (*named, *used)}
    return {"size": roles | numbers, "datasets": datasets, "cells": cells}


def _cell(
    grid: Grid, block: Block, protocol: Protocol, dataset: str, one: Kind, seed: int
) -> tuple[str, Cell]:
    """Return a cell's name, and what the file says of it."""
    variation = " ".join(filter(None, [block.protocol, one.variation]))
    of_model = () if block.protocol else grid.models.get(one.model, ())
    own = [*grid.params, *of_model, *protocol.params, *one.params]

    def name(of: str, variation: str) -> str:
        return "_".join(filter(None, [dataset, of, variation.replace(" ", ""), f"s{seed}"]))

    return name(one.model, variation), {
        "dataset": dataset,
        "model": one.model,
        "variation": variation,
        "seed": seed,
        "passes": one.passes,
        "start": name(one.start, block.protocol) if one.start else None,
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
    made = build(path)
    text = _as_text(made)
    with files.whole(folder / CELLS) as temporary:
        temporary.write_text(text)
    print(f"{folder / CELLS}: {len(made['cells'])} cells")


if __name__ == "__main__":
    main(run, own_help=True)
