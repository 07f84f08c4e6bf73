"""The grid as far as it has been run: what tables, figures and the study read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lt import params, params_file
from lt.params_file import Check
from lt.score.stats import MISSING, Stat
from paper import CELLS, FOLDER, PARAMS

TIMED = "timed"  # the variation of cells that are run for their times, with nothing beside them
# what each key of the train section was before there was a choice
BEFORE: dict[str, Any] = {"init": "fan_out", "weights": None, "optimizer": "sgd"}
BEFORE |= {"schedule": "step", "augment": "crop", "color_jitter": 0.0, "memory": 4.0}
BEFORE |= {"processes": 1, "spread": "images", "sync_batchnorm": False}
BEFORE |= {"nesterov": False, "rotation": 0.0, "auto_augment": "none", "cutout": 0}
BEFORE |= {"freeze": "none"}
# and each param of a method
BEFORE_IN_METHODS: dict[str, dict[str, Any]] = {
    "ensemble": {"mixup": 0.0},
    "soft_split": {"mixup": 0.0},
}
# what tables take for granted: of every score, of one of a training that ended well, and of facts
ABOUT = ("method", "start", "train", "seed", "subset_sha256", "provenance")
ENDED = ("metrics", "rules", "groups", "timing", "last_epochs", "by_rank", "confusion", "examples")
FACTS: tuple[str, ...] = ("sha256", "counts", "val_counts", "images", "train_images", "val_images")
FACTS += ("classes", "head", "tail", "many", "medium", "few", "examples")


@dataclass(frozen=True)
class Cell:
    """A cell that was run: its entry in cells.json, and its score file."""

    entry: Mapping[str, Any]
    score: Mapping[str, Any]

    @property
    def failed(self) -> str | None:
        """What stopped a training that diverged."""
        return self.score.get("failed")

    def get(self, path: str) -> float | None:
        """Return a number of the score file by its dotted path; None if it is not there."""
        value: Any = self.score
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return None if value is None else float(value)


@dataclass(frozen=True)
class Setting:
    """Cells of a dataset that differ in the seed alone."""

    model: str
    variation: str
    params: tuple[str, ...]  # beside those of the dataset

    @property
    def title(self) -> str:
        """Return the method's name, and what the grid calls its variation."""
        return f"{self.model} {self.variation}".strip()


class Cells:
    """All cells of cells.json whose score file is there, and the facts of the datasets.

    A score file counts if it was trained with the params and on the images of its cell; others
    are named in `strangers`.

    Args:
        folder: the folder of the grid.
        path: the file of the params that all cells share.
    """

    def __init__(self, folder: Path = FOLDER, path: Path = PARAMS) -> None:
        self.grid = grid = _read_grid(folder / CELLS)
        self.folder, self.path = folder, path
        self.size: dict[str, Any] = grid["size"]  # empty: a grid without roles (own.py)
        self.entries: dict[str, dict[str, Any]] = grid["cells"]
        self.dataset_params: dict[str, str] = grid["datasets"]
        self.datasets: dict[str, dict[str, Any] | None] = {
            name: _read_facts(self.folder / "datasets" / f"{name}.json")
            for name in grid["datasets"]
        }
        self.scored: dict[str, Cell] = {}
        self.strangers: list[str] = []
        for name, entry in self.entries.items():
            score = _read_score(self.folder / "scores" / f"{name}.json")
            facts = self.datasets[entry["dataset"]]
            if score and belongs(score, self.options(name), facts):
                self.scored[name] = Cell(entry, score)
            elif score:
                self.strangers.append(name)

    def options(self, name: str) -> params.Params:
        """Read the params of a cell.

        Raises:
            ValueError: with every problem in them, and the cell's name.
        """
        return _options(name, self.entries[name], self.path)

    def lr_falls(self, name: str) -> bool:
        """Check whether the learning rate of a cell falls before its last epoch."""
        train = self.options(name).train
        falls = [train.step_size, *train.milestones]
        return train.schedule == "cosine" or any(at and at < train.epochs for at in falls)

    def of(self, dataset: str, model: str, variation: str = "") -> list[Cell]:
        """List the cells that were run, of every seed."""
        wanted = (dataset, model, variation)
        return [cell for cell in self.scored.values() if _key(cell.entry) == wanted]

    def finished(self, dataset: str, model: str, variation: str = "") -> list[Cell]:
        """List the cells that were run and did not diverge."""
        return [cell for cell in self.of(dataset, model, variation) if not cell.failed]

    def variations(self, model: str, prefix: str = "") -> list[str]:
        """List the variations of a model in the grid, run or not, in its order."""
        every = [e["variation"] for e in self.entries.values() if e["model"] == model]
        return [name for name in dict.fromkeys(every) if name.startswith(prefix)]

    def settings(self) -> dict[str, list[Setting]]:
        """List what the grid trains on each dataset, run or not, in its order."""
        found: dict[str, list[Setting]] = {name: [] for name in self.dataset_params}
        for entry in self.entries.values():
            known = self.dataset_params[entry["dataset"]].split()
            known += [f"model={entry['model']}", f"seed={entry['seed']}"]
            own = tuple(one for one in entry["params"].split() if one not in known)
            setting = Setting(entry["model"], entry["variation"], own)
            if setting not in found[entry["dataset"]]:
                found[entry["dataset"]].append(setting)
        return found

    def stat(self, dataset: str, model: str, path: str, variation: str = "") -> Stat:
        """Return a number of the cells' score files, by seed.

        Cells that diverged or do not have it are left out.
        """
        values = {cell.entry["seed"]: cell.get(path) for cell in self.of(dataset, model, variation)}
        return Stat({seed: value for seed, value in values.items() if value is not None})

    def row(
        self, dataset: str, model: str, variation: str, paths: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return n and some numbers of a table's row; `paths`: by the columns' titles."""
        numbers = {
            title: self.stat(dataset, model, path, variation) for title, path in paths.items()
        }
        return {"n": self.seeds(dataset, model, variation), **numbers}

    def seeds(
        self, dataset: str, model: str, variation: str = "", number: int | None = None
    ) -> str:
        """Say how many seeds ended well, and how many diverged besides; a dash for none.

        number: of those that ended well, how many have the figure at hand; None: all.
        """
        run, well = (of(dataset, model, variation) for of in (self.of, self.finished))
        number, diverged = len(well) if number is None else number, len(run) - len(well)
        if not run or (well and not number):
            return MISSING
        return f"{number}" + (f" and {diverged} diverged" if diverged else "")


def problems(
    grid: Mapping[str, Any],
    names: Iterable[str],
    check_method: Check | None = None,
    path: Path = PARAMS,
) -> list[str]:
    """List what is wrong with cells: their params, or what they start from.

    Args:
        grid: what cells.json holds.
        names: of the cells that are looked at.
        check_method: as in `params_file.load`.
        path: the file of the params that all cells share.
    """
    found = []
    for name in names:
        entry = grid["cells"][name]
        try:
            own = _options(name, entry, path, check_method)
        except ValueError as error:
            found.append(str(error))
            continue
        data = params_file.load(grid["datasets"][entry["dataset"]].split(), path).data
        for key, given, wanted in (
            ("model", own.model, entry["model"]),
            ("seed", own.seed, entry["seed"]),
            ("data", own.data, data),
        ):
            if given != wanted:
                found.append(f"{name}: params: expected none of {key}, which its name tells")
        found += [f"{name}: start: {problem}" for problem in _of_start(grid, name, own, path)]
    return found


def _of_start(grid: Mapping[str, Any], name: str, own: params.Params, path: Path) -> Iterator[str]:
    """Say whether a cell starts from another one that was trained as it says."""
    wanted, first = own.methods[own.model]["start"], grid["cells"][name]["start"]
    if first is None:
        if wanted != params.FRESH:
            yield f"expected {wanted}, as methods.{own.model}.start says, got none"
        return
    if first not in grid["cells"]:
        yield f"expected a cell of the grid, got {first}"
        return
    theirs = _options(first, grid["cells"][first], path)
    if theirs.model != wanted:
        yield f"expected {wanted}, as methods.{own.model}.start says, got {first}"
        return
    for key in ("train", "data", "partition", "seed"):
        if getattr(theirs, key) != getattr(own, key):
            yield f"expected a cell with the same {key}, got {first}"
    if theirs.methods[wanted] != own.methods[wanted]:
        yield f"expected a cell with the same methods.{wanted}, got {first}"


def _options(
    name: str, entry: Mapping[str, Any], path: Path, check_method: Check | None = None
) -> params.Params:
    try:
        return params_file.load(entry["params"].split(), path, check_method)
    except ValueError as error:
        lines = (f"{name}: {line}" for line in str(error).splitlines())
        raise ValueError("\n".join(lines)) from None


def belongs(score: Mapping[str, Any], own: params.Params, facts: Mapping[str, Any] | None) -> bool:
    """Check whether a score file was made with the params and images of a cell.

    An older file may lack what has been added since: then that is not compared. Nor are the images,
    as long as nothing is known of the dataset.
    """
    method = own.methods[own.model]
    start = None if method["start"] == params.FRESH else own.methods[method["start"]]
    wanted = {
        "model": own.model,
        "train": asdict(own.train),
        "method": method,
        "start": start,
        "partition": asdict(own.partition),
        "seed": own.seed,
    }
    if facts:
        wanted["subset_sha256"] = facts["sha256"]
    ours = json.loads(json.dumps(wanted))
    theirs = dict(score)
    if "train" in score:
        theirs["train"] = {**BEFORE, **score["train"]}
    if "method" in score:
        theirs["method"] = {**BEFORE_IN_METHODS.get(own.model, {}), **score["method"]}
    return all(ours[key] == theirs[key] for key in ours.keys() & theirs.keys())


def _key(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["dataset"], entry["model"], entry["variation"]


def _read_grid(path: Path) -> dict[str, Any]:
    how = "`python -m paper.grid` makes it anew, of the file that it was made of (docs/grid.md)"
    return _read(path, ("size", "datasets", "cells"), how)


def _read_facts(path: Path) -> dict[str, Any] | None:
    how = "delete it, and `python -m paper.run` writes it anew"
    return _read(path, FACTS, how) if path.exists() else None


def _read_score(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    how = (
        "delete it, and `python -m paper.run` makes it anew, or take that of the last commit: "
        f"`git checkout HEAD -- {path}`"
    )
    score = _read(path, ABOUT, how)
    return score if score.get("failed") else _read(path, ENDED, how)


def _read(path: Path, keys: Sequence[str], how: str) -> dict[str, Any]:
    """Read a file of the grid, an object with `keys`.

    Raises:
        ValueError: if it is not one; the message says `how` to get another.
    """
    try:
        found = json.loads(path.read_text())
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: cut short, or not JSON; {how}") from None
    missing = [key for key in keys if not isinstance(found, dict) or key not in found]
    if missing:
        raise ValueError(f"{path}: has no {missing[0]!r}; {how}")
    return dict(found)
