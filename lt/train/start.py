"""What a method starts from: the networks of another training, and whether they will do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lt import files, methods, params
from lt.data.views import ClassView
from lt.nets import backbones, heads, net
from lt.score import store
from lt.train import choice, loop
from lt.train.plan import Expert, Task

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Start:
    """What a method starts from; nothing, if it starts fresh.

    Attributes:
        folder: the folder of that training.
        nets: its networks.
        views: the classes of each.
        run: its run.json.
        seconds: how long it took.
        costs: its updates and images.
    """

    folder: Path | None = None
    nets: loop.Nets = ()
    views: tuple[ClassView, ...] = ()
    run: dict[str, Any] | None = None
    seconds: float = 0.0
    costs: dict[str, int] | None = None

    @classmethod
    def read(cls, folder: Path | None) -> Start:
        """Read the training in `folder`; None is a fresh start."""
        if folder is None:
            return cls()
        run = store.check(folder)
        seconds = files.read_json(folder / "timing.json", "train_s")["train_s"]
        views = tuple(store.load_views(folder))
        return cls(folder, net.load(folder), views, run, seconds, store.load_costs(folder))

    def check(self, model: str, experts: Sequence[Expert], groups: Groups) -> None:
        """Raise a ValueError if `experts` cannot start from these networks, or from none."""
        self.check_views(model, experts, groups)
        if self.run is None or experts[0].start != "free":
            return
        if len(self.nets) < len(self.views):
            self._refuse(model, "a method whose networks share no layers")
        made = [expert.head(1, expert.view.width) for expert in experts]
        own = [heads.describe(one) for one in made]
        given = [heads.describe(one.classifier) for one in self.nets]
        if given != own:
            expected = f"a method with its classifier, {_in_words(own[0])}"
            self._refuse(model, expected, f", {_in_words(given[0])}")

    def check_views(self, model: str, experts: Sequence[Expert], groups: Groups) -> None:
        """Raise a ValueError if `experts` cannot start from networks that see these classes."""
        wanted = experts[0].start
        views = [view for expert in experts for view in expert.views]
        if self.run is None:
            if wanted != "free":
                self._refuse(model, "a method, since it has no training of its own to begin with")
        elif any(expert.fork for expert in experts):
            self._refuse(model, f"{params.FRESH}, since its network has branches")
        elif wanted == "teachers":
            theirs = tuple(view.classes for view in self.views)
            if theirs != groups or any(view.others == "rest" for view in self.views):
                self._refuse(model, "a method with a network per group and no class for the rest")
        elif list(self.views) != views:
            self._refuse(model, f"a method whose networks see the classes of its {len(views)}")

    def _refuse(self, model: str, expected: str, details: str = "") -> None:
        given = self.run["model"] if self.run else params.FRESH
        raise ValueError(f"methods.{model}.start: expected {expected}; got {given}{details}")

    def check_same(self, run: Mapping[str, Any]) -> None:
        """Raise a ValueError if this training had other data, params or seed than `run`."""
        for key in ("seed", "train", "data", "partition") if self.run else ():
            assert self.run
            if self.run[key] != json.loads(json.dumps(run[key])):
                raise ValueError(
                    f"{self.folder}: was trained with another {key} than this run is to be; "
                    "run `dvc repro`, which trains it first"
                )

    def digest(self) -> str:
        """Return the SHA-256 of the weights and the method."""
        sha = hashlib.sha256(json.dumps(self.run and self.run["method"]).encode())
        for path in sorted(self.folder.glob("expert_*.safetensors")) if self.folder else []:
            sha.update(path.read_bytes())
        return sha.hexdigest()

    def add_costs(self, trained: Sequence[loop.Trained]) -> None:
        """Add what this training took to the first of the experts that went on from it."""
        if self.costs:
            trained[0].updates += self.costs["updates"]
            trained[0].images += self.costs["images"]


def _in_words(form: Mapping[str, Any]) -> str:
    """Name a classifier, with the numbers of its own; `form`: what `heads.describe` gives."""
    own = [f" {key} {value}" for key, value in form.items() if key in ("scale", "distance")]
    return " with".join([form["kind"], *own])


def check_freeze(model: str, experts: Sequence[Expert], options: params.Train) -> None:
    """Raise a ValueError if a backbone that begins with drawn weights is to stay so."""
    if options.freeze == "backbone" and any(one.start == "teachers" for one in experts):
        raise ValueError(
            f"train.freeze: expected none with {model}, whose student begins with drawn weights; "
            "got backbone"
        )


def _numbers_of_groups(options: params.Partition) -> tuple[int, ...]:
    """Return how many groups there may be: of many, medium and few, empty ones are left out."""
    by_counts = {"shots": (3, 2, 1), "thresholds": (len(options.thresholds) + 1,)}
    return by_counts.get(options.criterion, (options.num_groups,))


def rehearse(options: params.Params) -> None:
    """Plan all that `options` asks for, trainings and combination, without an image.

    Raises:
        ValueError: for what would be refused whatever the images are: now, and not after hours.
    """
    refused = []
    for number in _numbers_of_groups(options.partition):
        try:
            return _rehearse(options, number)
        except ValueError as error:
            refused.append(error)
    raise refused[0]


def _rehearse(options: params.Params, num_groups: int) -> None:
    from lt.score import combine  # no training depends on it

    train, val_fraction = options.train, options.data.val_fraction
    if options.data.name == "images":  # whose validation images may be given: a second look tells
        val_fraction = val_fraction or 0.5
    groups = tuple((2 * k, 2 * k + 1) for k in range(num_groups))
    counts = tuple(range(2 * len(groups) + 1, 1, -1))
    task = Task(counts, groups, train.epochs, train.batch_size, train.lr)
    start = Start()
    for one in params.trainings(options):
        task = replace(task, start=start.views)
        experts = methods.experts(one.model, task, one.method)
        start.check(one.model, experts, task.groups)
        check_freeze(one.model, experts, train)
        for expert in experts:
            choice.check_choice(expert, val_fraction)
            if expert.fork and train.backbone not in backbones.CUT:
                raise ValueError(
                    f"train.backbone: {one.model} cuts its network before the last two stages; "
                    f"expected one of {', '.join(backbones.CUT)}, got {train.backbone}"
                )
        try:
            trained = loop.form(experts, train.backbone, 1, start.nets)
        except ValueError as error:  # of a backbone, or of a setup, which knows no method
            place = "" if str(error).startswith("train.") else f"methods.{one.model}."
            raise ValueError(f"{place}{error}") from None
        for expert, made in zip(experts, trained, strict=True):
            if not expert.fork:
                _check_savable(one.model, made)
        views = tuple(view for expert in experts for view in expert.views)
        start = Start(nets=trained, views=views, run={"model": one.model})
    val_counts = np.full(len(task.counts), val_fraction > 0, dtype=np.int64)
    combine.check_applies(options.evaluate.combine, start.views, val_counts)


def _check_savable(model: str, made: net.Net) -> None:
    """Refuse a classifier that could not be saved, before hours of training and not after."""
    try:
        heads.describe(made.classifier)
    except TypeError as error:
        raise ValueError(f"methods.{model}: {error}, or take it off in a last phase") from None
