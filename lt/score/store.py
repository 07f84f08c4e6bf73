"""models/ on disk: what a training leaves, and what scoring reads back, without torch."""

from __future__ import annotations

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
# what run.json and partition.json have at least
OF_A_RUN = ("training", "files", "partition", "model", "data", "train", "seed")
PARTS = ("counts", "head", "tail", "many", "medium", "few")
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
        facts: for a JSON file each, by its name. run.json comes last, with a hash of every other
            file of the folder, weights that are there among them, as "files".
    """
    blocks = {f"test_{k}": block for k, block in enumerate(outputs.test)}
    blocks |= {f"val_{k}": block for k, block in enumerate(outputs.val)}
    labels = {"test_labels": outputs.test_labels, "val_labels": outputs.val_labels}
    np.savez(folder / "outputs.npz", **blocks, **labels)  # type: ignore[arg-type]
    rows = ([row[name] for name in HISTORY] for row in history)
    files.write_csv(folder / "history.csv", HISTORY, rows)
    files.write_json(folder / "experts.json", experts)
    for name, value in facts.items():
        if name != "run":
            files.write_json(folder / f"{name}.json", value)
    files.write_json(folder / "run.json", {**facts["run"], "files": files.manifest(folder)})


def load_run(folder: Path) -> dict[str, Any]:
    """Read run.json."""
    run: dict[str, Any] = files.read_json(folder / "run.json", *OF_A_RUN)
    return run


def check(folder: Path) -> dict[str, Any]:
    """Read run.json, and check that the files beside it are those of the same training.

    Raises:
        ValueError: if one is missing, cut short or of another run; the message names it.
    """
    run = load_run(folder)
    files.check_manifest(folder, run["files"], "run.json")
    return run


def load_cut(path: Path) -> dict[str, Any]:
    """Read partition.json."""
    cut: dict[str, Any] = files.read_json(path, "data", "summary", "classes", "groups", *PARTS)
    return cut


def check_both(folder: Path, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read run.json of the training in `folder`, as `check` does, and the partition at `path`.

    Raises:
        ValueError: if a file is not whole, or the training was made with another partition.
    """
    run, cut = check(folder), load_cut(path)
    if run["partition"]["sha256"] != files.digest(cut):
        ours, theirs = about_cut(cut), run["partition"]
        raise ValueError(
            f"{folder} was trained on {theirs['about']} ({theirs['sha256'][:8]}), {path} is of "
            f"{ours['about']} ({ours['sha256'][:8]}): run `dvc repro`"
        )
    return run, cut


def about_cut(cut: Mapping[str, Any]) -> dict[str, str]:
    """Return the mark of a partition, and what a person is told of it."""
    data, num = cut["data"], len(cut["groups"])
    about = f"{data['name']}, {data['images']} images in {num} group{'s' * (num > 1)}"
    return {"about": about, "sha256": files.digest(cut)}


def load_experts(folder: Path) -> list[dict[str, Any]]:
    """Read experts.json: of each expert its view, its form and its costs."""
    experts: list[dict[str, Any]] = files.read_json(folder / "experts.json")
    return experts


def load_views(folder: Path) -> list[ClassView]:
    """Read the classes of each expert."""
    experts = load_experts(folder)
    return [ClassView(tuple(e["classes"]), e["num_classes"], e["others"]) for e in experts]


def load_costs(folder: Path) -> dict[str, int]:
    """Read parameters, optimizer updates and images shown, summed over the experts."""
    experts = load_experts(folder)
    return {name: sum(e[name] for e in experts) for name in COSTS}


def load_history(folder: Path) -> list[dict[str, str]]:
    """Read the rows of history.csv, values as text."""
    return files.read_csv(folder / "history.csv", HISTORY)


def load_outputs(folder: Path) -> Outputs:
    """Read what `save` wrote to outputs.npz, and in experts.json what they are."""
    kinds = {expert["head"]["kind"] for expert in load_experts(folder)}
    arrays = files.read_npz(folder / "outputs.npz")
    experts = range(sum(name.startswith("test_") for name in arrays) - 1)
    test, val = ([arrays[f"{part}_{k}"] for k in experts] for part in ("test", "val"))
    labels = arrays["test_labels"], arrays["val_labels"]
    return Outputs(test, labels[0], val, labels[1], are_logits=kinds.isdisjoint(NO_LOGITS))
