"""Trained networks, read back from models/<method>: to be applied, or to start from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lt import files, fit, nets, params, registry, results
from lt.plan import Expert, Task


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
    start = _form(run["start"], task, channels) if run["start"] else ()
    experts = registry.experts(run["model"], task, run["method"])
    return fit.form(experts, run["train"]["backbone"], channels, start)


@dataclass(frozen=True)
class Start:
    """What a method starts from; nothing, if it starts fresh.

    run: the run.json of that training; seconds: what it took; costs: its updates and images.
    """

    folder: Path | None = None
    nets: fit.Nets = ()
    run: dict[str, Any] | None = None
    seconds: float = 0.0
    costs: dict[str, int] | None = None

    @classmethod
    def read(cls, root: Path, name: str, task: Task, channels: int) -> Start:
        """The training of method `name` below `root`."""
        if name == params.FRESH:
            return cls()
        folder = root / name
        seconds = files.read_json(folder / "timing.json")["train_s"]
        run = files.read_json(folder / "run.json")
        return cls(folder, load(folder, task, channels), run, seconds, results.load_costs(folder))

    def check(self, model: str, experts: Sequence[Expert]) -> None:
        """Raises a ValueError if `experts` cannot begin as copies of these networks."""
        copies = sum(not expert.fresh for expert in experts)
        if self.run is None or not copies:
            return
        ours = [expert.view for expert in experts]
        theirs = results.load_views(self.folder) if self.folder else []
        if ours != theirs:
            raise ValueError(
                f"methods.{model}.start: expected a method whose networks see the same classes as "
                f"{model}'s {len(ours)}, got {self.run['model']} with {len(theirs)}"
            )

    def digest(self) -> str:
        """Of the weights."""
        sha = hashlib.sha256()
        for path in sorted(self.folder.glob("expert_*.safetensors")) if self.folder else []:
            sha.update(path.read_bytes())
        return sha.hexdigest()

    def add_costs(self, trained: Sequence[fit.Trained]) -> None:
        """Counts what this training took to the first of the experts that went on from it."""
        if self.costs:
            trained[0].updates += self.costs["updates"]
            trained[0].images += self.costs["images"]
