"""The grid: which datasets, partitions and cells there are. Writes paper/cells.json.

    python -m paper.grid          the grid of the seed's eight datasets and of the study
    python -m paper.grid small    the same shape on the digits, in minutes: paper/small/cells.json

A cell is one training, most important first. `variation` says what it has beside the seed's
protocol, "" if nothing; tables find a cell by its dataset, model, variation and seed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lt import files
from paper import CELLS, FOLDER, SMALL
from stages import main

HALF = ("partition.criterion=half", "partition.num_groups=2")
# a network per group, or what starts from one: their gradients are clipped
SPLITS = ("split", "split_lws", "split_rest", "distill")
NETWORKS = {"ensemble": 2, "sade": 2}  # of these each sees every image
CIFAR = [
    f"{name}-{imb_type}-{factor}"
    for name in ("cifar10", "cifar100")
    for imb_type in ("exp", "step")
    for factor in ("0.1", "0.01")
]


@dataclass(frozen=True)
class Size:
    """How large a grid is.

    params: those of every cell. datasets: those of the main table. table2, long (epochs), clip: the
    datasets that the seed used for these. study, cuts, nan, tau: those of its open questions.
    thresholds: for each dataset of `cuts`, those of the criterion "thresholds".
    """

    seeds: tuple[int, ...]
    params: tuple[str, ...]
    datasets: Sequence[str]
    table2: str
    long: str
    clip: str
    study: Sequence[str]
    cuts: Sequence[str]
    nan: Sequence[str]
    tau: Sequence[str]
    epochs: int
    long_epochs: int
    decay_epoch: int
    num_groups: tuple[int, ...]
    thresholds: dict[str, str]
    clips: tuple[str, ...] = ("0.5", "1.0", "20.0", "null")
    taus: tuple[str, ...] = ("0.0", "0.25", "0.5", "0.75", "1.0")


FULL_SIZE = Size(
    seeds=(0, 1, 2),
    params=(),
    datasets=CIFAR,
    table2="cifar10-exp-0.1",
    long="cifar100-exp-0.1",
    clip="cifar10-step-0.01",
    study=[name for name in CIFAR if "exp" in name],
    cuts=["cifar10-exp-0.01", "cifar100-exp-0.01"],
    nan=[name for name in CIFAR if "step-0.01" in name],
    tau=["cifar10-exp-0.1", "cifar10-exp-0.01"],
    epochs=100,
    long_epochs=200,
    decay_epoch=50,
    num_groups=(3, 4, 5),
    thresholds={"cifar10-exp-0.01": "[1000,200]", "cifar100-exp-0.01": "[200,50]"},
)
_DIGITS = "digits-exp-0.1"
SMALL_SIZE = Size(
    seeds=(0, 1),
    params=("train.backbone=resnet20", "train.epochs=4"),
    datasets=[_DIGITS, "digits-step-0.1"],
    table2=_DIGITS,
    long=_DIGITS,
    clip=_DIGITS,
    study=[_DIGITS],
    cuts=[_DIGITS],
    nan=[_DIGITS],
    tau=[_DIGITS],
    epochs=4,
    long_epochs=8,
    decay_epoch=2,
    num_groups=(3,),
    thresholds={_DIGITS: "[50]"},
    clips=("1.0", "null"),
    taus=("0.0", "1.0"),
)
SIZES = {"full": (FULL_SIZE, FOLDER), "small": (SMALL_SIZE, SMALL)}


class Grid:
    """The cells of a size, one of each name; a cell that is added again is there already."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.cells: dict[str, dict[str, Any]] = {}

    def add(
        self,
        dataset: str,
        model: str,
        variation: str = "",
        params: Sequence[str] = (),
        cut: Sequence[str] = HALF,
        start: str | None = None,
        passes: int | None = None,
    ) -> None:
        """Add a cell per seed.

        Args:
            dataset: its name.
            model: the method.
            variation: what it has of its own, in words.
            params: the same, as overrides.
            cut: the params of its partition.
            start: the model that it starts from, on the same dataset and seed.
            passes: about how many it makes over the training images, which tells how long it takes;
                the size's epochs if not given.
        """
        clip = ("train.clip_norm=5.0",) if model in SPLITS else ()
        for seed in self.size.seeds:
            parts = [dataset, model, *([variation.replace(" ", "")] if variation else [])]
            own = [f"model={model}", f"seed={seed}", *self.size.params, *clip, *params]
            entry = {
                "dataset": dataset,
                "model": model,
                "variation": variation,
                "seed": seed,
                "passes": passes or self.size.epochs * NETWORKS.get(model, 1),
                "start": "_".join([dataset, start, f"s{seed}"]) if start else None,
                "params": " ".join([_dataset(dataset), *cut, *own]),
            }
            self.cells.setdefault("_".join([*parts, f"s{seed}"]), entry)

    def as_dict(self) -> dict[str, Any]:
        """Return what cells.json holds."""
        size = self.size
        roles = ("table2", "long", "clip", "study", "cuts", "nan", "tau")
        return {
            "size": {
                "main": list(size.datasets),
                **{name: getattr(size, name) for name in roles},
                **{name: getattr(size, name) for name in ("epochs", "long_epochs", "decay_epoch")},
            },
            "datasets": {name: _dataset(name) for name in size.datasets},
            "cells": self.cells,
        }


def build(size: Size) -> dict[str, Any]:
    """Build the whole grid, the most important cells first."""
    grid = Grid(size)
    for dataset in size.study:
        for model in ("baseline", "split_lws", "ensemble", "split"):
            grid.add(dataset, model)
        grid.add(dataset, "split_rest", "ratio", ["methods.split_rest.thin=ratio"])
    for dataset in size.datasets:
        for model in ("baseline", "lws_joint", "split_lws"):
            grid.add(dataset, model)
    grid.add(size.table2, "ros")
    _add_study(grid)
    _add_open_questions(grid)
    return grid.as_dict()


def _add_study(grid: Grid) -> None:
    """Add questions 1, 2 and 4: rules, the rest class, and single networks of the same cost."""
    for dataset in grid.size.study:
        for thin in ("mean", "min", "max"):
            grid.add(dataset, "split_rest", thin, [f"methods.split_rest.thin={thin}"])
        # the split's control in all but the split
        grid.add(dataset, "baseline", "clip 5.0", ["train.clip_norm=5.0"])
        for model in ("balanced_softmax", "ros", "group_softmax"):
            grid.add(dataset, model)
        # two networks, as the ensemble and the split have, both with balanced softmax
        grid.add(dataset, "sade", "tau 1 1", ["methods.sade.taus=[1.0,1.0]"])
        grid.add(dataset, "crt", start="baseline", passes=10)
        grid.add(dataset, "tau_norm", "validation", start="baseline", passes=1)
        grid.add(dataset, "distill", start="split")


def _add_open_questions(grid: Grid) -> None:
    """Add question 3."""
    size = grid.size
    for dataset in size.cuts:
        for k in size.num_groups:
            cut = ["partition.criterion=half", f"partition.num_groups={k}"]
            grid.add(dataset, "split_lws", f"K {k}", cut=cut)
        # not "ratio": exponential counts are cut in half by it
        for criterion in ("mass", "shots", "thresholds"):
            thresholds = f"partition.thresholds={size.thresholds[dataset]}"
            cut = [f"partition.criterion={criterion}", thresholds]
            grid.add(dataset, "split_lws", criterion, cut=cut)
    for clip in size.clips:
        grid.add(size.clip, "split_lws", f"clip {clip}", [f"train.clip_norm={clip}"])
    for dataset in size.nan:
        own = "methods.split_lws.batches=own"
        grid.add(dataset, "split_lws", "clip null", ["train.clip_norm=null"])
        grid.add(dataset, "split_lws", "own", [own])
        grid.add(dataset, "split_lws", "own clip null", [own, "train.clip_norm=null"])
    for model in ("baseline", "lws_joint", "split_lws"):
        long = f"train.epochs={size.long_epochs}"
        grid.add(size.long, model, f"{size.long_epochs} epochs", [long], passes=size.long_epochs)
        decay = f"train.step_size={size.decay_epoch}"
        grid.add(size.long, model, f"decay {size.decay_epoch}", [decay])
    for dataset in size.tau:
        for tau in size.taus:
            taus = f"methods.tau_norm.taus=[{tau}]"
            grid.add(dataset, "tau_norm", f"tau {tau}", [taus], start="baseline", passes=1)


def _dataset(name: str) -> str:
    """Return the params of a dataset."""
    raw, imb_type, factor = name.split("-")
    return f"data.name={raw} data.imb_type={imb_type} data.imb_factor={factor}"


def _as_text(grid: dict[str, Any]) -> str:
    """Return JSON with a line for each cell."""

    def section(value: Any) -> str:
        if not isinstance(value, dict):
            return json.dumps(value)
        lines = (f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in value.items())
        return "{\n" + ",\n".join(lines) + "\n}"

    sections = (f"{json.dumps(key)}: {section(value)}" for key, value in grid.items())
    return "{\n" + ",\n".join(sections) + "\n}\n"


def run(arguments: Sequence[str]) -> None:
    """Write cells.json of a grid into its folder."""
    name = arguments[0] if arguments else "full"
    if name not in SIZES or len(arguments) > 1:
        raise ValueError(f"expected one of {', '.join(SIZES)}, got {' '.join(arguments)}")
    size, folder = SIZES[name]
    with files.whole(folder / CELLS) as temporary:
        temporary.write_text(_as_text(build(size)))


if __name__ == "__main__":
    main(run)
