"""models/ on disk: what a training leaves, and what scoring reads back, without torch."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt import files
from lt.data.views import ClassView, Ints

# of history.csv: lr is that of the epoch, train_loss its mean, val_accuracy in percent
HISTORY = ["expert", "phase", "epoch", "lr", "train_loss", "val_accuracy", "images_per_s"]
# kinds of classifiers (lt/nets/heads.py) whose outputs are no logits of a softmax: the cosines
# and distances of ncm have no scale at which they were trained
NO_LOGITS = ("NearestMean",)
COSTS = ("parameters", "trained_parameters", "updates", "images")

Blocks = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Outputs:
    """Logits (N, width) per expert and global labels (N,), of the test and validation images.

    are_logits: False where they are other scores, whose softmax is no distribution.
    """

    test: Blocks
    test_labels: Ints
    val: Blocks
    val_labels: Ints
    are_logits: bool = True


def save(
    folder: Path,
    experts: Sequence[Mapping[str, Any]],
    outputs: Outputs,
    history: Iterable[Mapping[str, Any]],
    facts: Mapping[str, Any],
) -> None:
    """Write all of a training but its weights.

    Args:
        folder: the folder to write to, which is there.
        experts: for experts.json: of each its view, its form (`lt.nets.net.form`) and its costs.
        outputs: for outputs.npz.
        history: for history.csv: a row per epoch, with the keys of HISTORY.
        facts: for a JSON file each, by its name.
    """
    blocks = {f"test_{k}": block for k, block in enumerate(outputs.test)}
    blocks |= {f"val_{k}": block for k, block in enumerate(outputs.val)}
    labels = {"test_labels": outputs.test_labels, "val_labels": outputs.val_labels}
    np.savez(folder / "outputs.npz", **blocks, **labels)  # type: ignore[arg-type]
    rows = ([row[name] for name in HISTORY] for row in history)
    files.write_csv(folder / "history.csv", HISTORY, rows)
    files.write_json(folder / "experts.json", experts)
    for name, value in facts.items():
        files.write_json(folder / f"{name}.json", value)


def load_views(folder: Path) -> list[ClassView]:
    """Read the classes of each expert."""
    experts = files.read_json(folder / "experts.json")
    return [ClassView(tuple(e["classes"]), e["num_classes"], e["others"]) for e in experts]


def load_costs(folder: Path) -> dict[str, int]:
    """Read parameters, optimizer updates and images shown, summed over the experts."""
    experts = files.read_json(folder / "experts.json")
    return {name: sum(e[name] for e in experts) for name in COSTS}


def load_history(folder: Path) -> list[dict[str, str]]:
    """Read the rows of history.csv, values as text."""
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def load_outputs(folder: Path) -> Outputs:
    """Read what `save` wrote to outputs.npz, and in experts.json what they are."""
    kinds = {expert["head"]["kind"] for expert in files.read_json(folder / "experts.json")}
    with np.load(folder / "outputs.npz") as arrays:
        experts = range(sum(name.startswith("test_") for name in arrays) - 1)
        test, val = ([arrays[f"{part}_{k}"] for k in experts] for part in ("test", "val"))
        labels = arrays["test_labels"], arrays["val_labels"]
        return Outputs(test, labels[0], val, labels[1], are_logits=kinds.isdisjoint(NO_LOGITS))
