"""The paper's grids, and a small one of which some cells were run."""

from __future__ import annotations

import base64
import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt

from lt import methods, params, params_file
from paper import CELLS, EXAMPLES, PARAMS, grid
from paper import SMALL as SMALL_FOLDER
from paper.cells import Cells
from tests.conftest import ROOT

FULL, SMALL = (grid.build(path) for path, _ in grid.GRIDS.values())
SHA = "a" * 64


def parsed(cell: dict[str, Any]) -> params.Params:
    return _parsed(cell["params"])


@cache
def _parsed(text: str) -> params.Params:
    return params_file.load(text.split(), ROOT / PARAMS, methods.problems)


def score(
    name: str, accuracy: float, fails: bool = False, dataset: str = "digits-exp-0.1"
) -> dict[str, Any]:
    """The score file of a cell of the small grid; `accuracy` tells one from another."""
    cell = SMALL["cells"][f"{dataset}_{name}"]
    chosen = parsed(cell)
    start = chosen.methods[chosen.model]["start"]
    about = {"device": "a device", "precision": "fp32", "git": "0" * 40, "git_dirty": False}
    common = {
        "model": chosen.model,
        "train": dataclasses.asdict(chosen.train),
        "method": chosen.methods[chosen.model],
        "start": None if start == params.FRESH else chosen.methods[start],
        "seed": chosen.seed,
        "subset_sha256": SHA,
        "provenance": {**about, "versions": {"python": "3", "torch": "2"}},
    }
    if fails:
        return {**common, "failed": "expert 1, phase 1, epoch 3, step 7 of 9: the loss is nan"}
    parts = {"accuracy": accuracy, "head": accuracy + 10, "tail": accuracy - 10}
    logits = [[float(k == label) for k in range(10)] for label in (3, 7)]
    fitted = {key: value + 1 for key, value in parts.items()}
    return {
        **common,
        "metrics": {
            **parts,
            "within_group": {key: value + 15 for key, value in parts.items()},
            "group_accuracy": accuracy + 20,
            "macro_f1": accuracy - 1,
            "parameters": 2_000_000,
            "images": 500_000,
            "updates": 4000,
        },
        "rules": {
            "concat": parts | {"val_balanced": accuracy},
            "affine": fitted | {"val_balanced": 60.0},
            "rest": None,
        },
        "groups": [5, 5],
        "last_epochs": {
            str(k): {"last epoch": 50.0, "lowest before": 49.0, "highest before": 60.0 + k}
            for k in range(2)
        },
        "timing": {"train_s": 10 * accuracy, "test_s": accuracy / 10},
        "by_rank": np.linspace(90, 10, 10).tolist(),
        "confusion": (np.eye(10) * 9 + 1).astype(int).tolist(),
        "examples": [
            {"index": index, "label": 3, "logits": logits, "answers": {"concat": 3, "affine": 7}}
            for index in EXAMPLES
        ],
    }


def small(root: Path) -> Cells:
    return Cells(root / SMALL_FOLDER, root / PARAMS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The small grid, of which some cells were run, one of them diverged."""
    folder = tmp_path / SMALL_FOLDER
    for name in ("scores", "datasets", "tables", "figures"):
        (folder / name).mkdir(parents=True)
    (folder / CELLS).write_text(json.dumps(SMALL))
    (tmp_path / PARAMS).write_text((ROOT / PARAMS).read_text())
    buffer = tmp_path / "image.png"
    plt.imsave(buffer, np.zeros((8, 8)))
    counts = [100, 80, 60, 50, 40, 30, 20, 15, 12, 10]
    parts = {
        "head": list(range(5)),
        "tail": list(range(5, 10)),
        "many": [],
        "medium": [],
        "few": [],
    }
    png = base64.b64encode(buffer.read_bytes()).decode()
    facts = {
        "counts": counts,
        "classes": [str(k) for k in range(10)],
        "images": sum(counts),
        "train_images": 376,
        "val_images": 41,
        "val_counts": [10, 8, 6, 5, 4, 3, 2, 2, 1, 0],
        "sha256": SHA,
        **parts,
        "examples": [{"index": index, "label": 3, "png": png} for index in EXAMPLES],
    }
    (folder / "datasets" / "digits-exp-0.1.json").write_text(json.dumps(facts))
    for name, *values in [
        ("baseline_s0", 40.0),
        ("baseline_s1", 44.0),
        ("split_lws_s0", 50.0),
        ("split_lws_s1", 52.0),
        ("split_lws_own_s0", 0.0, True),
        ("ensemble_s0", 60.0),
    ]:
        path = folder / "scores" / f"digits-exp-0.1_{name}.json"
        path.write_text(json.dumps(score(name, *values)))
    return tmp_path


def put(root: Path, name: str, accuracy: float) -> None:
    """Write the score of a cell of the small grid."""
    _path(root, name).write_text(json.dumps(score(name, accuracy)))


def edit(root: Path, name: str, **changes: object) -> None:
    path = _path(root, name)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def remove(root: Path, name: str) -> None:
    _path(root, name).unlink()


def _path(root: Path, name: str) -> Path:
    return root / SMALL_FOLDER / "scores" / f"digits-exp-0.1_{name}.json"
