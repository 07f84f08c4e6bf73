"""The paper's grid, its statistics, tables and figures; with DVC in test_paper_pipeline.py."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from matplotlib import pyplot as plt

from lt import models, params
from paper import CELLS, EXAMPLES, PARAMS, figures, grid, render, study, tables
from paper.cells import Cells, Stat
from paper.jobs import _only_gone
from tests.conftest import ROOT

FULL = grid.build(grid.FULL)
BOTH = pytest.mark.parametrize("cells", [FULL, grid.build(grid.SMALL)], ids=["full", "small"])


def options(cell: dict[str, Any]) -> params.Params:
    return params.load(cell["params"].split(), ROOT / PARAMS)


def test_the_file_is_the_full_grid() -> None:
    assert yaml.safe_load((ROOT / CELLS).read_text()) == FULL


def test_the_params_are_those_of_the_seed_profile() -> None:
    ours, profile = (
        params.load([], ROOT / PARAMS),
        params.load(["profile=seed", "data.name=cifar10"], ROOT / "params.yaml"),
    )
    assert ours.train == profile.train
    assert ours.data == profile.data
    assert ours.evaluate == profile.evaluate
    for name, values in ours.methods.items():
        own = profile.methods[name]
        if "batches" in own:
            own = own | {"batches": "shared"}  # as the seed's loop has them
        assert values == own, name


def test_the_main_table_has_its_cells() -> None:
    main = [
        (cell["dataset"], cell["model"], cell["seed"])
        for cell in FULL["cells"].values()
        if not cell["variation"] and cell["model"] in tables.METHODS
    ]
    assert len(main) == len(set(main)) == 8 * 3 * 3
    for cell in FULL["cells"].values():
        chosen = options(cell)
        if cell["variation"] or cell["model"] not in tables.METHODS:
            continue
        assert (chosen.train.epochs, chosen.train.backbone) == (100, "resnet18")
        assert chosen.train.clip_norm == (5.0 if cell["model"] == "split_lws" else None)


@BOTH
def test_every_cell_could_be_run(cells: dict[str, Any]) -> None:
    for name, cell in cells["cells"].items():
        assert re.fullmatch(r"[\w.-]+", name), "a name of a stage and of a file"
        assert cell["partition"] in cells["partitions"]
        assert cells["partitions"][cell["partition"]]["dataset"] == cell["dataset"]
        assert cell["dataset"] in cells["datasets"]
        chosen = options(cell)
        assert (chosen.model, chosen.seed) == (cell["model"], cell["seed"])
        assert chosen.train.epochs == cell["epochs"] or cell["model"] in ("crt", "tau_norm")
        start = chosen.methods[cell["model"]]["start"]
        if start == params.FRESH:
            assert cell["start"] == "models/fresh"
        else:
            before = cells["cells"][Path(cell["start"]).name]
            same = ("dataset", "seed")
            assert [before[key] for key in same] == [cell[key] for key in same]
            assert (before["model"], before["keep"]) == (start, "--weights")
            assert options(before).train == chosen.train
        if cell["seed"] == 0:
            models.rehearse(chosen)


@BOTH
def test_what_the_study_asks_for_has_cells(cells: dict[str, Any]) -> None:
    there = {(c["dataset"], c["model"], c["variation"]) for c in cells["cells"].values()}
    for dataset in cells["size"]["study"]:
        for one in study.CANDIDATES:
            assert (dataset, one.model, one.variation) in there


def test_a_mean_and_its_interval_by_hand() -> None:
    stat = Stat({0: 1.0, 1: 2.0, 2: 3.0})
    assert (stat.n, stat.mean, stat.sd) == (3, 2.0, 1.0)
    interval = stat.interval()
    assert interval is not None
    half = 4.302652729911275 / 3**0.5  # t of 2 degrees of freedom at 97.5 %
    assert interval == pytest.approx((2 - half, 2 + half))
    assert str(stat) == "2.00 ± 1.00"
    assert str(Stat({1: 5.0})) == "5.00"
    assert Stat({1: 5.0}).interval() is None
    assert str(Stat()) == "–"


def test_differences_are_paired_by_seed() -> None:
    difference = Stat({0: 5.0, 1: 7.0, 3: 1.0}) - Stat({1: 4.0, 0: 1.0, 2: 9.0})
    assert difference.by_seed == {0: 4.0, 1: 3.0}


def test_verdicts_say_which_way_and_how_surely() -> None:
    words = study._in_words
    assert words(Stat({0: 2.0}), "A", "B") == "A is ahead of B by 2.00 points (n = 1, no interval)"
    sure = words(Stat({0: -2.0, 1: -2.2, 2: -1.8}), "A", "B")
    assert sure == "B is ahead of A by 2.00 points (n = 3, 95 % interval -2.50 to -1.50)"
    unsure = words(Stat({0: -2.0, 1: 2.2}), "A", "B")
    assert unsure.startswith("A is ahead of B by 0.10 points")
    assert unsure.endswith("which these seeds do not tell from 0")


def test_what_is_gone_is_not_stale() -> None:
    assert _only_gone([])
    assert _only_gone([{"changed outs": {"paper/models/x": "not in cache"}}])
    assert not _only_gone([{"changed deps": {"lt/fit.py": "modified"}}])
    assert not _only_gone([{"changed deps": {"lt/fit.py": "deleted", "lt/nets.py": "modified"}}])
    assert not _only_gone(["changed command"])


def score(accuracy: float, classes: int, fails: bool = False) -> dict[str, Any]:
    """A score file; `accuracy` tells one from another."""
    about = {"device": "chip", "precision": "fp32", "git": "0" * 40, "git_dirty": False}
    train = {"backbone": "resnet20", "epochs": 4, "lr": 0.1, "momentum": 0.9}
    train |= {"weight_decay": 2e-4, "batch_size": 128, "gamma": 0.1, "step_size": 150}
    common = {
        "train": train,
        "provenance": {**about, "versions": {"python": "3", "torch": "2"}},
    }
    if fails:
        return {**common, "failed": "expert 1, phase 1, epoch 3, step 7 of 9: the loss is nan"}
    parts = {"accuracy": accuracy, "head": accuracy + 10, "tail": accuracy - 10}
    logits = [[float(k == label) for k in range(classes)] for label in (3, 7)]
    return {
        **common,
        "metrics": {
            **parts,
            "within_group": {name: value + 15 for name, value in parts.items()},
            "parameters": 2_000_000,
            "images": 500_000,
        },
        "rules": {"concat": parts, "affine": {k: v + 1 for k, v in parts.items()}, "rest": None},
        "timing": {"train_s": 10 * accuracy, "test_s": accuracy / 10},
        "by_rank": np.linspace(90, 10, classes).tolist(),
        "confusion": (np.eye(classes) * 9 + 1).astype(int).tolist(),
        "examples": [
            {"index": index, "label": 3, "logits": logits, "answers": {"concat": 3, "affine": 7}}
            for index in EXAMPLES
        ],
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The small grid, of which some cells were run, one of them diverged."""
    (tmp_path / "paper").mkdir()
    small = grid.build(grid.SMALL)
    (tmp_path / CELLS).write_text(yaml.safe_dump(small, sort_keys=False))
    for name in ("scores", "datasets", "tables", "figures"):
        (tmp_path / small["folder"] / name).mkdir(parents=True)
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
        "sha256": "a" * 64,
        **parts,
        "examples": [{"index": index, "label": 3, "png": png} for index in EXAMPLES],
    }
    folder = tmp_path / small["folder"]
    (folder / "datasets" / "digits-exp-0.1.json").write_text(json.dumps(facts))
    for name, value in {
        "baseline_s0": score(40.0, 10),
        "baseline_s1": score(44.0, 10),
        "split_lws_s0": score(50.0, 10),
        "split_lws_s1": score(52.0, 10),
        "split_lws_own_s0": score(0.0, 10, fails=True),
        "ensemble_s0": score(60.0, 10),
    }.items():
        (folder / "scores" / f"digits-exp-0.1_{name}.json").write_text(json.dumps(value))
    return tmp_path


def test_tables_from_the_cells_that_were_run(root: Path) -> None:
    cells = Cells(root)
    base, lws, split, *rest = tables.main_table(cells)
    assert len(rest) == 3
    assert str(base["accuracy"]) == "42.00 ± 2.83"
    assert str(base["within: tail"]) == "47.00 ± 2.83"
    assert (lws["n"], str(lws["accuracy"])) == ("–", "–")
    assert split["n"] == "2"
    times = {row["method"]: row for row in tables.times(cells)}
    assert times["split_lws"]["training / baseline"] == pytest.approx(51 / 42)
    assert times["split_lws"]["the seed's training / baseline"] == pytest.approx(1.606, abs=1e-3)
    (row, *_) = study.within(cells)
    assert str(row["difference"]) == "9.00 ± 1.41"
    assert row["95 % interval"] == "[-3.71, 21.71]"
    own = next(row for row in study.divergence(cells) if row["batches"] == "own")
    assert own["n"] == "1 (1 diverged)"
    assert own["diverged at"] == "expert 1, phase 1, epoch 3, step 7 of 9"
    assert "of the oracle's 66.00 % there remain 51.00 % with concat" in study.verdict_rules(cells)
    verdict = study.verdict_best(cells)
    assert "the best without a split is ensemble (60.00 %)" in verdict
    assert "the best built on one split_lws, affine (52.00 %)" in verdict
    assert "ensemble is ahead of split_lws, affine by 9.00 points (n = 1, no interval)" in verdict


def test_the_seeds_figures_stand_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    cells = Cells()
    row = next(
        row
        for row in tables.main_table(cells)
        if (row["dataset"], row["method"]) == ("cifar100-step-0.01", "split_lws")
    )
    seed = [row[f"the seed's: {part}"] for part in tables.PARTS]
    assert (seed, row["the seed's is"]) == ([27.62, 54.10, 1.14], "within")
    long = [row["the seed's: tail"] for row in tables.long_table(cells)]
    assert long == [29.34, 29.90, 42.78]
    assert [row["the seed's: head"] for row in tables.table2(cells)] == [73.42, 74.94, 72.84, 80.56]


def test_csv_holds_numbers(root: Path) -> None:
    folder = root / "paper/small/tables"
    text = tables.write(tables.main_table(Cells(root)), folder, "main")
    assert "42.00 ± 2.83" in text
    header, first, *_ = (folder / "main.csv").read_text().splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=False))
    assert float(row["accuracy"]) == 42.0
    assert '"accuracy, sd"' in header


@pytest.mark.parametrize("there", [True, False])
def test_everything_is_rendered_from_what_is_there(
    root: Path, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    if not there:
        for path in root.glob("paper/small/*/*.json"):
            path.unlink()
    render.run([])
    page = (root / "paper/small/RESULTS.md").read_text()
    assert not re.search(r"\{\w+\}", page), "a place that was not filled in"
    assert f"{6 if there else 0} of the\n72 cells" in page
    for name in re.findall(r"\((figures/\w+\.png)\)", page):
        first = (root / "paper/small" / name).read_bytes()
        assert first.startswith(b"\x89PNG")
    assert set(re.findall(r"figures/(\w+)\.png", page)) == set(figures.FIGURES)
    before = {path: path.read_bytes() for path in root.glob("paper/small/*/*")}
    render.run([])
    assert all(path.read_bytes() == kept for path, kept in before.items()), "the same bytes again"
