"""The grid as far as it has been run: what tables, figures and the study read."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lt import files, params
from lt.score.tables import MISSING
from paper import CELLS, FOLDER, PARAMS


@dataclass(frozen=True)
class Stat:
    """One quantity by seed, in percent points, seconds or another unit."""

    by_seed: Mapping[int, float] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.by_seed)

    @property
    def mean(self) -> float:
        """The mean; NaN for no seed."""
        return float(np.mean(list(self.by_seed.values()))) if self.by_seed else math.nan

    @property
    def sd(self) -> float:
        """Standard deviation of a sample; NaN for fewer than two seeds."""
        return float(np.std(list(self.by_seed.values()), ddof=1)) if self.n > 1 else math.nan

    def __sub__(self, other: Stat) -> Stat:
        """Return the differences, paired by seed; seeds that one lacks are left out."""
        both = self.by_seed.keys() & other.by_seed.keys()
        return Stat({seed: self.by_seed[seed] - other.by_seed[seed] for seed in sorted(both)})

    def __truediv__(self, other: Stat) -> Stat:
        """Return the ratios, paired by seed."""
        both = self.by_seed.keys() & other.by_seed.keys()
        return Stat({seed: self.by_seed[seed] / other.by_seed[seed] for seed in sorted(both)})

    def over(self, seeds: Collection[int]) -> Stat:
        """Return the quantity for these seeds alone."""
        return Stat({seed: value for seed, value in self.by_seed.items() if seed in seeds})

    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % confidence interval of the mean (Student's t).

        It is None for fewer than two seeds.
        """
        if self.n < 2:
            return None
        from scipy.stats import t

        half = float(t.ppf(0.975, self.n - 1)) * self.sd / math.sqrt(self.n)
        return self.mean - half, self.mean + half

    def __str__(self) -> str:
        if not self.by_seed:
            return MISSING
        return f"{self.mean:.2f} ± {self.sd:.2f}" if self.n > 1 else f"{self.mean:.2f}"


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


class Cells:
    """All cells of cells.json whose score file is there, and the facts of the datasets.

    A score file counts if it was trained with the params and on the images of its cell; others
    are named in `strangers`.

    Args:
        folder: the folder of the grid.
        path: the file of the params that all cells share.
    """

    def __init__(self, folder: Path = FOLDER, path: Path = PARAMS) -> None:
        grid = files.read_json(folder / CELLS)
        self.folder, self.path = folder, path
        self.size: dict[str, Any] = grid["size"]
        self.entries: dict[str, dict[str, Any]] = grid["cells"]
        self.dataset_params: dict[str, str] = grid["datasets"]
        self.datasets: dict[str, dict[str, Any] | None] = {
            name: _read(self.folder / "datasets" / f"{name}.json") for name in grid["datasets"]
        }
        self.scored: dict[str, Cell] = {}
        self.strangers: list[str] = []
        for name, entry in self.entries.items():
            score = _read(self.folder / "scores" / f"{name}.json")
            facts = self.datasets[entry["dataset"]]
            if score and belongs(score, self.options(name), facts):
                self.scored[name] = Cell(entry, score)
            elif score:
                self.strangers.append(name)

    def options(self, name: str) -> params.Params:
        """Read the params of a cell.

        Raises:
            ValueError: with every problem in them.
        """
        return params.load(self.entries[name]["params"].split(), self.path)

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

    def stat(self, dataset: str, model: str, path: str, variation: str = "") -> Stat:
        """Return a number of the cells' score files, by seed.

        Cells that diverged or do not have it are left out.
        """
        values = {cell.entry["seed"]: cell.get(path) for cell in self.of(dataset, model, variation)}
        return Stat({seed: value for seed, value in values.items() if value is not None})

    def seeds(self, dataset: str, model: str, variation: str = "") -> str:
        """Say how many seeds ended well, and how many diverged besides; a dash for none."""
        run = self.of(dataset, model, variation)
        diverged = sum(cell.failed is not None for cell in run)
        if not run:
            return MISSING
        return f"{len(run) - diverged}" + (f" and {diverged} diverged" if diverged else "")


def belongs(score: Mapping[str, Any], own: params.Params, facts: Mapping[str, Any] | None) -> bool:
    """Check whether a score file was made with the params and images of a cell.

    An older file may lack what has been added since: then that is not compared.
    """
    wanted = {
        "train": asdict(own.train),
        "method": own.methods[own.model],
        "partition": asdict(own.partition),
        "seed": own.seed,
        "subset_sha256": facts and facts["sha256"],
    }
    ours = json.loads(json.dumps(wanted))
    return all(ours[key] == score[key] for key in ours.keys() & score.keys())


def _key(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["dataset"], entry["model"], entry["variation"]


def _read(path: Path) -> dict[str, Any] | None:
    return files.read_json(path) if path.exists() else None
