"""Trained networks, read back from models/<method>: to be applied, or to start from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lt import files, fit, nets, params, registry, results
from lt.plan import ClassView, Expert, Task

Groups = tuple[tuple[int, ...], ...]


def load(folder: Path, task: Task, channels: int) -> fit.Nets:
    """The networks of a training.

    Args:
        folder: what `train` wrote.
        task: with the class counts and groups of that training.
        channels: of its images.

    Raises:
        ValueError: if a file of weights is missing, cut short or does not fit.
    """
    loaded = _form(files.read_json(folder / "run.json"), task, channels)
    for k, net in enumerate(loaded):
        nets.load_weights(net, folder / f"expert_{k}.safetensors")
    return loaded


def _form(run: Mapping[str, Any], task: Task, channels: int) -> fit.Nets:
    """Nets of the form that a training ended with; run: its run.json."""
    start, train = _form(run["start"], task, channels) if run["start"] else (), run["train"]
    own = {name: train[name] for name in ("epochs", "batch_size", "lr")}
    experts = registry.experts(run["model"], replace(task, **own), run["method"])
    return fit.form(experts, train["backbone"], channels, start)


def rehearse(options: params.Params) -> None:
    """Plans all the trainings that `options.model` needs, without an image.

    Raises:
        ValueError: what one of them would refuse whatever the images are: now, and not after
            those that it starts from have been trained.
    """
    train = options.train
    task = Task((8, 4, 2, 2), ((0, 1), (2, 3)), train.epochs, train.batch_size, train.lr)
    start = Start()
    for name in params.chain(options.methods, options.model):
        experts = registry.experts(name, task, options.methods[name])
        start.check(name, experts, task.groups)
        for expert in experts:
            fit.check_choice(expert, options.data.val_fraction)
        try:
            trained = fit.form(experts, train.backbone, 1, start.nets)
        except ValueError as error:  # of a setup, which does not know the method
            raise ValueError(f"methods.{name}.{error}") from None
        start = Start(nets=trained, views=tuple(e.view for e in experts), run={"model": name})


@dataclass(frozen=True)
class Start:
    """What a method starts from; nothing, if it starts fresh.

    views: the classes of each network; run: the run.json of that training; seconds: what it took;
    costs: its updates and images.
    """

    folder: Path | None = None
    nets: fit.Nets = ()
    views: tuple[ClassView, ...] = ()
    run: dict[str, Any] | None = None
    seconds: float = 0.0
    costs: dict[str, int] | None = None

    @classmethod
    def read(cls, folder: Path | None, task: Task, channels: int) -> Start:
        """The training in `folder`; None: fresh."""
        if folder is None:
            return cls()
        seconds = files.read_json(folder / "timing.json")["train_s"]
        run = files.read_json(folder / "run.json")
        trained, views = load(folder, task, channels), tuple(results.load_views(folder))
        return cls(folder, trained, views, run, seconds, results.load_costs(folder))

    def check(self, model: str, experts: Sequence[Expert], groups: Groups) -> None:
        """Raises a ValueError if `experts` cannot start from these networks, or not without any."""
        wanted, views = experts[0].start, [expert.view for expert in experts]
        if self.run is None:
            if wanted != "free":
                self._refuse(model, "a method, since it has no training of its own to begin with")
        elif wanted == "teachers":
            theirs = tuple(view.classes for view in self.views)
            if theirs != groups or any(view.others == "rest" for view in self.views):
                self._refuse(model, "a method with a network per group and no class for the rest")
        elif list(self.views) != views:
            self._refuse(model, f"a method whose networks see the classes of its {len(views)}")
        elif wanted == "free":
            heads = [expert.head(1, expert.view.width) for expert in experts]
            if [type(net.classifier) for net in self.nets] != list(map(type, heads)):
                self._refuse(model, f"a method with its classifier, {type(heads[0]).__name__}")

    def _refuse(self, model: str, expected: str) -> None:
        given = self.run["model"] if self.run else params.FRESH
        raise ValueError(f"methods.{model}.start: expected {expected}; got {given}")

    def check_same(self, run: Mapping[str, Any]) -> None:
        """Raises a ValueError if this training was of other data, params or seed than `run`."""
        for key in ("seed", "train", "data") if self.run else ():
            assert self.run
            if self.run[key] != json.loads(json.dumps(run[key])):
                raise ValueError(
                    f"{self.folder}: was trained with another {key} than this run is to be; "
                    "run `dvc repro`, which trains it first"
                )

    def digest(self) -> str:
        """Of the weights and the method."""
        sha = hashlib.sha256(json.dumps(self.run and self.run["method"]).encode())
        for path in sorted(self.folder.glob("expert_*.safetensors")) if self.folder else []:
            sha.update(path.read_bytes())
        return sha.hexdigest()

    def add_costs(self, trained: Sequence[fit.Trained]) -> None:
        """Counts what this training took to the first of the experts that went on from it."""
        if self.costs:
            trained[0].updates += self.costs["updates"]
            trained[0].images += self.costs["images"]
