"""models/<method> on disk: what `train` writes and what scoring reads back, without torch."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lt import files
from lt.plan import ClassView, Expert, Ints

if TYPE_CHECKING:
    from lt.fit import Trained

# of history.csv: lr is that of the epoch, train_loss its mean, val_accuracy in percent
HISTORY = ["expert", "phase", "epoch", "lr", "train_loss", "val_accuracy", "images_per_s"]

Blocks = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Outputs:
    """Logits (N, width) per expert and global labels (N,), of the test and validation images."""

    test: Blocks
    test_labels: Ints
    val: Blocks
    val_labels: Ints


def save(
    folder: Path,
    experts: Sequence[Expert],
    trained: Sequence[Trained],
    outputs: Outputs,
    info: dict[str, dict[str, Any]],
    weights: bool = True,
) -> None:
    """Writes the whole of a run.

    expert_<k>.safetensors (not without `weights`), outputs.npz, history.csv (a row per epoch),
    experts.json (the view and the costs of each) and a JSON file per entry of `info`.
    """
    folder.mkdir()
    if weights:
        _save_weights(folder, trained)
    blocks = {f"test_{k}": block for k, block in enumerate(outputs.test)}
    blocks |= {f"val_{k}": block for k, block in enumerate(outputs.val)}
    labels = {"test_labels": outputs.test_labels, "val_labels": outputs.val_labels}
    np.savez(folder / "outputs.npz", **blocks, **labels)  # type: ignore[arg-type]
    with (folder / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HISTORY)
        writer.writeheader()
        writer.writerows(row for one in trained for row in one.history)
    costs = [
        {
            "parameters": sum(parameter.numel() for parameter in one.net.parameters()),
            "updates": one.updates,
            "images": one.images,
        }
        for one in trained
    ]
    views = [asdict(expert.view) | cost for expert, cost in zip(experts, costs, strict=True)]
    files.write_json(folder / "experts.json", views)
    for name, value in info.items():
        files.write_json(folder / f"{name}.json", value)


def _save_weights(folder: Path, trained: Sequence[Trained]) -> None:
    from safetensors.torch import save  # not save_file, whose errors are not OSErrors

    for k, one in enumerate(trained):
        weights = {name: tensor.contiguous() for name, tensor in one.net.state_dict().items()}
        (folder / f"expert_{k}.safetensors").write_bytes(save(weights))


def load_views(folder: Path) -> list[ClassView]:
    """The classes of each expert."""
    experts = files.read_json(folder / "experts.json")
    return [ClassView(tuple(e["classes"]), e["num_classes"], e["others"]) for e in experts]


def load_costs(folder: Path) -> dict[str, int]:
    """Parameters, optimizer updates and images shown, summed over the experts."""
    experts = files.read_json(folder / "experts.json")
    return {name: sum(e[name] for e in experts) for name in ("parameters", "updates", "images")}


def load_outputs(folder: Path) -> Outputs:
    """What `save` wrote to outputs.npz."""
    with np.load(folder / "outputs.npz") as arrays:
        experts = range(sum(name.startswith("test_") for name in arrays) - 1)
        test, val = ([arrays[f"{part}_{k}"] for k in experts] for part in ("test", "val"))
        return Outputs(test, arrays["test_labels"], val, arrays["val_labels"])
