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
from paper import CELLS, FOLDER, PARAMS, contests, grid, run, study, tables
from paper import SMALL as SMALL_FOLDER
from paper.cell import _folder as working_folder
from paper.cells import TIMED, Cells
from tests.conftest import ROOT
from tests.paper.conftest import FULL, SMALL, edit, parsed, put, small

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


def test_a_grid_may_have_any_method() -> None:
    assert params_file.load([], ROOT / PARAMS).methods.keys() == set(params.method_names())


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


@BOTH
def test_a_timed_cell_is_the_same_training_once_more(cells: dict[str, Any]) -> None:
    timed = {name: one for name, one in cells["cells"].items() if one["variation"] == TIMED}
    assert {one["model"] for one in timed.values()} == set(tables.METHODS)
    for name, one in timed.items():
        assert parsed(one) == parsed(cells["cells"][name.replace(f"_{TIMED}", "")])


def test_timed_cells_run_with_no_others(root: Path) -> None:
    cells = small(root)
    together = run.asked_for(cells, "digits-exp-0.1_baseline")
    assert "digits-exp-0.1_baseline_s0" in together
    assert not any(TIMED in name for name in together)
    prefix = "digits-exp-0.1_"
    assert run.asked_for(cells, "timed") == [f"{prefix}{one}_timed_s0" for one in tables.METHODS]
    assert len(run.asked_for(cells, "")) == len(cells.entries) - len(tables.METHODS)


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


def test_the_docs_have_the_commands_of_what_was_said_beforehand() -> None:
    text = (ROOT / "docs/running.md").read_text().replace("\\\n", "")
    text = text[text.index("[is ahead of") : text.index("The protocol of Cao")]
    commands = re.findall("^    dvc exp run (.*)$", text, re.MULTILINE)
    edits: list[str] = []
    for one, command in zip(reversed(contests.CONFIRMED[0]), commands, strict=True):
        edits += [word for word in command.split() if word != "-S"]  # an edit stays
        (cell,) = (
            cell
            for cell in FULL["cells"].values()
            if (cell["model"], cell["variation"], cell["seed"]) == (one.model, one.variation, 3)
        )
        ours = params_file.load([*edits, "seed=3"], ROOT / "params.yaml")
        theirs = parsed(cell)
        assert (ours.model, ours.train, ours.data) == (theirs.model, theirs.train, theirs.data)
        assert ours.methods[ours.model] == theirs.methods[theirs.model]


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
        for dataset in cells["size"]["nan" if pair[0] == ("split_lws", "own") else "study"]:
            assert {(dataset, *one) for one in pair} <= there
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
    cells = small(root)
    names = run.matching(cells, "digits-exp-0.1_")
    assert names == [name for name in SMALL["cells"] if "digits-exp-0.1_" in name]
    chains = run.plan(cells, names, stale=False)
    found = {chain.cells[0].name: chain.cells for chain in chains}
    done = {path.stem for path in (root / SMALL_FOLDER / "scores").iterdir()}
    wanted = [one.name for cells in found.values() for one in cells if one.wanted]
    assert len(wanted) == len(set(wanted)) == len(names) - len(done)
    baseline = found["digits-exp-0.1_baseline_s0"]
    assert not baseline[0].wanted, "its score is there; it is trained for what starts from it"
    assert {one.options.methods[one.options.model]["start"] for one in baseline[1:]} == {"baseline"}
    assert len(baseline) == 1 + 4  # crt, and τ by validation and at two values
    assert {one.options.seed for one in baseline} == {0}


def test_a_cell_whose_start_is_gone_is_said_before_any_is_run(root: Path) -> None:
    path = root / SMALL_FOLDER / CELLS
    first, name = "digits-exp-0.1_baseline_s0", "digits-exp-0.1_crt_s0"
    found = files.read_json(path)
    del found["cells"][first]
    files.write_json(path, found)
    message = f"{name}: start: expected a cell of the grid, got {first}"
    with pytest.raises(ValueError, match=message):
        run.check(small(root), [name])


def test_match_takes_a_part_of_a_name_or_a_pattern(root: Path) -> None:
    names = set(SMALL["cells"])
    for match, wanted in {
        "": names,
        "tau_norm": {name for name in names if "tau_norm" in name},
        "exp*split*_s1": {n for n in names if "exp" in n and "split" in n and n.endswith("_s1")},
    }.items():
        assert wanted, match
        assert set(run.matching(small(root), match)) == wanted, match


def planned(root: Path, name: str, stale: bool) -> list[str]:
    return [one.name for chain in run.plan(small(root), [name], stale) for one in chain.cells]


def test_scores_of_other_code_are_stale(root: Path) -> None:
    name = "digits-exp-0.1_ensemble_s0"
    assert planned(root, name, stale=False) == []
    assert planned(root, name, stale=True) == [name]
    chosen = small(root).options(name)
    made_by(root, name, chosen.model)
    assert planned(root, name, stale=True) == []


def made_by(root: Path, name: str, model: str, start: str | None = None) -> None:
    """Have the score say that the present code of these methods made it."""
    path = root / SMALL_FOLDER / "scores" / f"{name}.json"
    value = files.read_json(path)
    value["provenance"]["code"] = provenance.code(params.method_code(model))
    value["provenance"]["start_code"] = start and provenance.code(params.method_code(start))
    files.write_json(path, value)


def test_a_score_is_stale_too_if_what_it_starts_from_is(root: Path) -> None:
    put(root, "crt_s0", 50.0)
    name = "digits-exp-0.1_crt_s0"
    made_by(root, name, "crt", "baseline")
    assert planned(root, name, stale=True) == []
    made_by(root, name, "crt", "ensemble")
    assert planned(root, name, stale=True) == ["digits-exp-0.1_baseline_s0", name]


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


def test_a_score_of_another_method_is_not_the_cells(root: Path) -> None:
    """Two methods may have the same params of their own."""
    name = "balanced_softmax_s0"
    put(root, name, 50.0)
    assert f"digits-exp-0.1_{name}" in small(root).scored
    edit(root, name, model="baseline")
    assert f"digits-exp-0.1_{name}" in small(root).strangers


def test_scores_count_while_nothing_is_known_of_their_images(root: Path) -> None:
    """Else a lost file of facts would have hours of training done again."""
    name = "digits-exp-0.1_baseline_s0"
    edit(root, "baseline_s0", subset_sha256="b" * 64)
    assert name in small(root).strangers
    (root / SMALL_FOLDER / "datasets" / "digits-exp-0.1.json").unlink()
    assert name in small(root).scored


@pytest.mark.parametrize("text", ["[]", "{}", "3", '{"metrics": {}}', "<<<<<<< HEAD"])
def test_files_that_are_not_what_they_should_be_are_named(root: Path, text: str) -> None:
    folder = root / SMALL_FOLDER
    for place, how in (
        (
            "scores/digits-exp-0.1_baseline_s0.json",
            "makes it anew, or take that of the last commit",
        ),
        ("datasets/digits-exp-0.1.json", "delete it, and `python -m paper.run` writes it anew"),
        ("cells.json", "`python -m paper.grid` makes it anew"),
    ):
        path = folder / place
        before = path.read_text()
        path.write_text(text)
        with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
            small(root)
        assert how in str(caught.value)
        path.write_text(before)


GRID = """
seeds: [0]
epochs: 2
protocols: {quick: {params: [train.epochs=1], seeds: [7]}}
blocks:
- of: digits-exp-0.1
  cells:
  - {model: baseline}
  - {model: crt, start: baseline}
- of: digits-step-0.5
  protocol: quick
  cells: [{model: ensemble}]
"""


def test_a_grid_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(GRID)
    made = grid.build(path)
    assert list(made["cells"]) == [
        "digits-exp-0.1_baseline_s0",
        "digits-exp-0.1_crt_s0",
        "digits-step-0.5_ensemble_quick_s7",
    ]
    assert list(made["datasets"]) == ["digits-exp-0.1", "digits-step-0.5"]
    assert made["cells"]["digits-exp-0.1_crt_s0"]["start"] == "digits-exp-0.1_baseline_s0"
    passes = [cell["passes"] for cell in made["cells"].values()]
    assert passes == [100, 100, 2], "epochs of params, two networks"


def test_the_grid_in_the_docs_has_as_many_cells_as_they_say(tmp_path: Path) -> None:
    text = (ROOT / "docs/grid.md").read_text().split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "my.yaml"
    path.write_text(text)
    made = grid.build(path)
    assert len(made["cells"]) == 12
    assert made["size"] == {}, "no part in the study's tables"
    assert list(made["datasets"]) == ["cifar100-exp-0.05"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: [0]", "seeds: 0", "seeds: expected a list, each an integer in [0, 4294967295]"),
        ("epochs: 2", "epoch: 2", "epoch: unknown key; allowed: seeds, blocks, roles, epochs"),
        ("model: ensemble", "modl: ensemble", "blocks.1.cells.0.model: missing; expected a text"),
        ("model: ensemble", "model: nosuch", "digits-step-0.5_nosuch_quick_s7: "),
        ("step-0.5", "step-2", "data.imb_factor: expected a number in (0, 1], got 2"),
        ("-step-0.5", "-step", "blocks.1.of: expected a dataset such as cifar10-exp-0.1 (of di"),
        ("digits-step", "photos-step", "cifar10, cifar100), or a role, got photos-step-0.5"),
        ("  - {model: baseline}\n", "", "start: expected a cell of the grid, got digits-exp-0.1_b"),
        (
            ", start: baseline}",
            "}",
            "start: expected baseline, as methods.crt.start says, got none",
        ),
        (
            "start: baseline}",
            "start: baseline, params: [train.lr=0.3]}",
            "_crt_s0: start: expected a cell with the same train, got digits-exp-0.1_baseline_s0",
        ),
        (
            "start: baseline}",
            "start: baseline}\n  - {model: baseline, params: [train.lr=0.3]}",
            "digits-exp-0.1_baseline_s0: two cells have this name; expected a `variation`",
        ),
        ("ensemble}", "ensemble, params: [seed=3]}", "params: expected none of seed, which its"),
        ("ensemble}", "ensemble, params: [model=ros]}", "params: expected none of model, which"),
        ("ensemble}", "ensemble, params: [data.seed=3]}", "params: expected none of data, which"),
        ("ensemble}", "ensemble, variation: a/b}", "expected letters, digits, dots and spaces"),
        ("epochs: 2", "epochs: 2\nmodels: {nosuch: []}", "models.nosuch: no such method"),
        ("digits-step-0.5", "clip", "blocks.1.of: roles.clip has no dataset"),
        ("epochs: 2", "epochs: 2\nepochs: 3", "the key 'epochs' comes twice"),
        ("epochs: 2", "epochs: 2\nroles: {main: [some]}", "roles.main: expected a dataset such"),
        ("epochs: 2", "epochs: 2\nroles: {clip: [a]}", "roles.clip: expected a text, got ['a']"),
        (GRID, GRID.replace("[0]", "[]").replace("[7]", "[]"), "expected at least one cell"),
        ("protocol: quick", "protocol: q", "blocks.1.protocol: expected one of quick, got q"),
        (
            "epochs: 2",
            "epochs: 2\nroles: {mian: [digits-exp-0.1]}",
            "roles.mian: unknown key; allowed: main, ",
        ),
        (
            "[train.epochs=1]",
            "[methods.ensemble.x=1]",
            "methods.ensemble.x: unknown key; allowed: ",
        ),
        (
            "cells: [{model: ensemble}]",
            "cells: 3",
            "blocks.1.cells: expected a list, each a section",
        ),
        ("seeds: [0]", "seeds: [0", "not valid YAML"),
    ],
)
def test_what_is_wrong_in_a_grid_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "my.yaml"
    assert old in GRID
    path.write_text(GRID.replace(old, new))
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        grid.build(path)
    assert str(path) in str(caught.value)
