"""The cells of the grid, and in which order they are run."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lt import files, params, params_file, provenance
from lt.data import longtail, partition
from lt.train.start import rehearse
from paper import CELLS, FOLDER, PARAMS, contests, run, study, tables
from paper import SMALL as SMALL_FOLDER
from paper.cell import _folder as working_folder
from paper.cells import Cells
from tests.conftest import ROOT
from tests.paper.conftest import FULL, SMALL, parsed, small

BOTH = pytest.mark.parametrize("cells", [FULL, SMALL], ids=["full", "small"])


def test_the_file_is_the_full_grid() -> None:
    assert files.read_json(ROOT / FOLDER / CELLS) == json.loads(json.dumps(FULL))


def test_the_params_are_those_of_the_seed_profile() -> None:
    ours, profile = (
        params_file.load([], ROOT / PARAMS),
        params_file.load(["profile=seed", "data.name=cifar10"], ROOT / "params.yaml"),
    )
    assert ours.train == profile.train
    assert ours.data == profile.data
    assert ours.evaluate == profile.evaluate
    for name, values in ours.methods.items():
        own = profile.methods[name]
        if "batches" in own:
            own = own | {"batches": "shared"}  # as the seed's loop has them
        assert values == own, name


def test_the_study_is_trained_as_its_profile_says() -> None:
    profile = params_file.load(["profile=study", "data.name=cifar10"], ROOT / "params.yaml")
    names = {
        name
        for name, cell in FULL["cells"].items()
        if cell["variation"].startswith(("study", "confirm"))
    }
    assert len(names) == 3 * 17 * 3 + 3 * 5
    for name in names:
        ours = parsed(FULL["cells"][name])
        assert ours.train == profile.train, name
        assert ours.data.val_fraction == profile.data.val_fraction == 0.1


def test_what_was_said_beforehand_has_seeds_of_its_own() -> None:
    cells = [c for c in FULL["cells"].values() if c["variation"].startswith("confirm")]
    chosen_by = {c["seed"] for c in FULL["cells"].values() if c["variation"].startswith("study")}
    assert {c["seed"] for c in cells} == {3, 4, 5, 6, 7}
    assert chosen_by == {0, 1, 2}
    for cell in cells:
        before = cell["variation"].replace("confirm", "study")
        (same,) = (
            c
            for c in FULL["cells"].values()
            if (c["dataset"], c["model"], c["variation"], c["seed"])
            == (cell["dataset"], cell["model"], before, 0)
        )
        ours, theirs = parsed(cell), parsed(same)
        assert ours == replace(theirs, seed=ours.seed), "they differ in the seed alone"


def test_what_stands_beside_published_figures_is_trained_as_the_profile_ldam_says() -> None:
    profile = params_file.load(
        ["profile=ldam", "data.name=cifar10", "data.imb_factor=0.01", "data.imb_type=exp"],
        ROOT / "params.yaml",
    )
    cells = [c for c in FULL["cells"].values() if c["dataset"] in FULL["size"]["field"]]
    assert len(cells) == 2 * 7 * 3
    for cell in cells:
        ours = parsed(cell)
        assert ours.train == profile.train, cell
        assert dataclasses.replace(ours.data, name="cifar10") == profile.data
        assert ours.methods[cell["model"]] == profile.methods[cell["model"]]


def test_the_main_table_has_its_cells() -> None:
    main = [
        (cell["dataset"], cell["model"], cell["seed"])
        for cell in FULL["cells"].values()
        if not cell["variation"] and cell["model"] in tables.METHODS
    ]
    assert len(main) == len(set(main)) == 8 * 3 * 3
    for cell in FULL["cells"].values():
        chosen = parsed(cell)
        if cell["variation"] or cell["model"] not in tables.METHODS:
            continue
        assert (chosen.train.epochs, chosen.train.backbone) == (100, "resnet18")
        assert chosen.train.clip_norm == (5.0 if cell["model"] == "split_lws" else None)


@BOTH
def test_every_cell_could_be_run(cells: dict[str, Any]) -> None:
    rehearsed = set()  # what differs in the data alone is the same rehearsal
    for name, cell in cells["cells"].items():
        assert re.fullmatch(r"[\w.-]+", name), "a name of a file"
        assert cell["params"].startswith(cells["datasets"][cell["dataset"]] + " ")
        chosen = parsed(cell)
        assert (chosen.model, chosen.seed) == (cell["model"], cell["seed"])
        own = chosen.methods[cell["model"]]
        two = cell["model"] == "ensemble" or own.get("shared") is False
        networks = 2 if two else 1
        second = {"crt": 10, "lws": 10, "tau_norm": 1, "logit_adjust_posthoc": 1}
        passes = second.get(cell["model"], networks * chosen.train.epochs)
        assert cell["passes"] == passes
        start = chosen.methods[cell["model"]]["start"]
        if start == params.FRESH:
            assert cell["start"] is None
        else:
            before = cells["cells"][cell["start"]]
            same = ("dataset", "seed")
            assert [before[key] for key in same] == [cell[key] for key in same]
            assert (before["model"], before["start"]) == (start, None)
            theirs = parsed(before)
            ours = chosen.train, chosen.data, chosen.partition
            assert (theirs.train, theirs.data, theirs.partition) == ours
        asked = repr(dataclasses.asdict(chosen) | {"data": chosen.data.val_fraction})
        if cell["seed"] == 0 and asked not in rehearsed:
            rehearse(chosen)
            rehearsed.add(asked)


@BOTH
def test_what_the_study_asks_for_has_cells(cells: dict[str, Any]) -> None:
    there = {(c["dataset"], c["model"], c["variation"]) for c in cells["cells"].values()}
    for dataset in cells["size"]["study"]:
        for one in contests.CANDIDATES:
            assert (dataset, one.model, one.variation) in there
        for *pair, _ in study.PAIRS.values():
            assert all((dataset, model, variation) in there for model, variation in pair)
    for dataset in cells["size"]["nan"]:
        for variation in study.DIVERGENCE.values():
            assert (dataset, "split_lws", variation) in there


@pytest.mark.parametrize("dataset", FULL["size"]["cuts"])
def test_exponential_counts_are_cut_in_half_by_ratio(dataset: str) -> None:
    """Why the grid has no cell for it."""
    classes = 10 if dataset.startswith("cifar10-") else 100
    counts = longtail.class_counts(50000 // classes, classes, "exp", float(dataset.split("-")[2]))
    assert partition.partition(counts, "ratio", 2) == partition.partition(counts, "half", 2)


@pytest.mark.parametrize(
    ("cell", "falls"),
    [
        ("cifar100-exp-0.1_baseline_s0", False),  # the step comes after 150 of 100 epochs
        ("cifar100-exp-0.1_baseline_200epochs_s0", True),
        ("cifar100-exp-0.1_baseline_decay50_s0", True),
        ("cifar100-exp-0.1_baseline_study_s0", True),
    ],
)
def test_where_the_learning_rate_falls(cell: str, falls: bool) -> None:
    assert Cells().lr_falls(cell) == falls


def test_what_starts_from_a_cell_runs_right_after_it(root: Path) -> None:
    chains, number = run.plan(small(root), "digits-exp-0.1_", stale=False)
    assert number == sum("digits-exp-0.1_" in name for name in SMALL["cells"])
    found = {chain.cells[0].name: chain.cells for chain in chains}
    done = {path.stem for path in (root / SMALL_FOLDER / "scores").iterdir()}
    wanted = [one.name for cells in found.values() for one in cells if one.wanted]
    assert len(wanted) == len(set(wanted)) == number - len(done)
    baseline = found["digits-exp-0.1_baseline_s0"]
    assert not baseline[0].wanted, "its score is there; it is trained for what starts from it"
    assert {one.options.methods[one.options.model]["start"] for one in baseline[1:]} == {"baseline"}
    assert len(baseline) == 1 + 4  # crt, and τ by validation and at two values
    assert {one.options.seed for one in baseline} == {0}


def test_match_takes_a_part_of_a_name_or_a_pattern(root: Path) -> None:
    names = set(SMALL["cells"])
    for match, wanted in {
        "": names,
        "tau_norm": {name for name in names if "tau_norm" in name},
        "exp*split*_s1": {n for n in names if "exp" in n and "split" in n and n.endswith("_s1")},
    }.items():
        assert wanted, match
        assert run.plan(small(root), match, stale=False)[1] == len(wanted), match


def test_scores_of_other_code_are_stale(root: Path) -> None:
    name = "digits-exp-0.1_ensemble_s0"
    assert run.plan(small(root), name, stale=False) == ([], 1)
    ((chain,), _) = run.plan(small(root), name, stale=True)
    assert [one.name for one in chain.cells] == [name]
    (*_, last) = params.trainings(chain.cells[0].options)
    path = root / SMALL_FOLDER / "scores" / f"{name}.json"
    value = files.read_json(path)
    value["provenance"]["code"] = provenance.code(last.code)
    files.write_json(path, value)
    assert run.plan(small(root), name, stale=True) == ([], 1)


def test_a_worker_for_every_core_or_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("joblib.cpu_count", lambda: 3)
    assert run.workers(2) == [{}, {}, {}]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus = [environment["CUDA_VISIBLE_DEVICES"] for environment in run.workers(2)]
    assert gpus == ["0", "1", "0", "1"], "the first of every GPU before the second of any"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert [env["CUDA_VISIBLE_DEVICES"] for env in run.workers(1)] == ["3", "5"]


def test_cells_that_differ_in_anything_are_at_work_in_other_folders() -> None:
    """Else one would be scored with the networks of another."""
    one = parsed(SMALL["cells"]["digits-exp-0.1_baseline_s0"])
    others = [
        one,
        replace(one, seed=1),
        replace(one, data=replace(one.data, imb_factor=0.5)),
        replace(one, partition=replace(one.partition, num_groups=3)),
        replace(one, train=replace(one.train, lr=0.2)),
    ]
    assert len({working_folder(options) for options in others}) == len(others)
