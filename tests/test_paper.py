"""The paper's grid, its statistics, tables and figures; its runs in test_paper_run.py."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.stats import ttest_rel

from lt import files, methods, params, process, provenance
from lt.data import longtail, partition
from lt.score import store
from lt.score.stats import Stat
from lt.train.start import rehearse
from paper import (
    CELLS,
    EXAMPLES,
    FOLDER,
    PARAMS,
    answers,
    figures,
    grid,
    page,
    render,
    run,
    study,
    tables,
)
from paper import SMALL as SMALL_FOLDER
from paper import score as score_cells
from paper.cells import Cells
from tests.conftest import ROOT

FULL, SMALL = (grid.build(path) for path, _ in grid.GRIDS.values())
BOTH = pytest.mark.parametrize("cells", [FULL, SMALL], ids=["full", "small"])


def options(cell: dict[str, Any]) -> params.Params:
    return _options(cell["params"])


@cache
def _options(text: str) -> params.Params:
    return params.load(text.split(), ROOT / PARAMS, methods.problems)


def test_the_file_is_the_full_grid() -> None:
    assert files.read_json(ROOT / FOLDER / CELLS) == json.loads(json.dumps(FULL))


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


def test_the_study_is_trained_as_its_profile_says() -> None:
    profile = params.load(["profile=study", "data.name=cifar10"], ROOT / "params.yaml")
    names = {name for name, cell in FULL["cells"].items() if cell["variation"].startswith("study")}
    assert len(names) == 3 * 13 * 3
    for name in names:
        ours = options(FULL["cells"][name])
        assert ours.train == profile.train, name
        assert ours.data.val_fraction == profile.data.val_fraction == 0.1


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
    rehearsed = set()  # what differs in the data alone is the same rehearsal
    for name, cell in cells["cells"].items():
        assert re.fullmatch(r"[\w.-]+", name), "a name of a file"
        assert cell["params"].startswith(cells["datasets"][cell["dataset"]] + " ")
        chosen = options(cell)
        assert (chosen.model, chosen.seed) == (cell["model"], cell["seed"])
        own = chosen.methods[cell["model"]]
        two = cell["model"] == "ensemble" or own.get("shared") is False
        networks = 2 if two else 1
        passes = {"crt": 10, "tau_norm": 1}.get(cell["model"], networks * chosen.train.epochs)
        assert cell["passes"] == passes
        start = chosen.methods[cell["model"]]["start"]
        if start == params.FRESH:
            assert cell["start"] is None
        else:
            before = cells["cells"][cell["start"]]
            same = ("dataset", "seed")
            assert [before[key] for key in same] == [cell[key] for key in same]
            assert (before["model"], before["start"]) == (start, None)
            theirs = options(before)
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
        for one in study.CANDIDATES:
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
    ours, theirs = (
        dict(enumerate(x)) for x in np.random.default_rng(0).normal(size=(2, 5)).tolist()
    )
    difference = Stat(ours) - Stat(theirs)
    test = ttest_rel(list(ours.values()), list(theirs.values())).confidence_interval(0.95)
    assert difference.interval() == pytest.approx((test.low, test.high))
    assert str(Stat()) == "–"


def test_differences_are_paired_by_seed() -> None:
    difference = Stat({0: 5.0, 1: 7.0, 3: 1.0}) - Stat({1: 4.0, 0: 1.0, 2: 9.0})
    assert difference.by_seed == {0: 4.0, 1: 3.0}


def test_answers_say_which_way_and_how_surely() -> None:
    def words(**differences: Stat) -> str:
        return answers.compared("A", "B", differences)

    ahead, behind = Stat({0: 2.0}), Stat({0: -1.5})
    alone = "A is ahead of B by 2.00 points, on one seed, so without an interval"
    assert words(x=ahead) == alone
    both = words(x=ahead, y=behind, z=Stat({0: 0.5}), none=Stat())
    assert both == (
        "3 of 4 comparisons run: A is ahead of B in 2 (by 0.50 to 2.00 points) and "
        "behind B in 1 (by 1.50 points), on one seed each, so without an interval"
    )
    sure, unsure = Stat({0: -2.0, 1: -2.2, 2: -1.8}), Stat({0: -2.0, 1: 2.2})
    assert words(x=sure, y=unsure, z=ahead) == (
        "3 of 3 comparisons run: A is ahead of B in 2 (by 0.10 to 2.00 points, beyond the 95 % "
        "interval in 0) and behind B in 1 (by 2.00 points, beyond the 95 % interval in 1)"
    )
    assert words(x=Stat({0: 0.0})).startswith("A is level with B, on one seed")
    assert words(x=Stat()) == ""


SHA = "a" * 64


def score(name: str, accuracy: float, fails: bool = False) -> dict[str, Any]:
    """The score file of a cell of the small grid; `accuracy` tells one from another."""
    cell = SMALL["cells"][f"digits-exp-0.1_{name}"]
    chosen = options(cell)
    about = {"device": "a device", "precision": "fp32", "git": "0" * 40, "git_dirty": False}
    common = {
        "train": dataclasses.asdict(chosen.train),
        "method": chosen.methods[chosen.model],
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
        "timing": {"train_s": 10 * accuracy, "steady_s": 500 - accuracy, "test_s": accuracy / 10},
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


def history(folder: Path, rows: list[dict[str, Any]]) -> None:
    columns = ([{"phase": 1, **row}.get(name, 1) for name in store.HISTORY] for row in rows)
    files.write_csv(folder / "history.csv", store.HISTORY, columns)


def test_the_median_speed_leaves_a_disturbance_out(tmp_path: Path) -> None:
    speeds = [(0, 100), (0, 50), (0, 100), (1, 10), (1, 10), (1, 5)]
    history(tmp_path, [{"expert": expert, "images_per_s": speed} for expert, speed in speeds])
    files.write_json(tmp_path / "experts.json", [{"images": 600}, {"images": 60}])
    files.write_json(tmp_path / "timing.json", {"train_s": 32.0})
    files.write_json(tmp_path / "run.json", {"start": None})
    # epochs of 2, 4, 2 and 2, 2, 4 s, which make 16 s; with the median's, 12 s
    assert score_cells._steady_s(tmp_path) == 32 * 12 / 16
    files.write_json(tmp_path / "run.json", {"start": {"method": "baseline"}})
    assert score_cells._steady_s(tmp_path) is None, "the start's epochs are not in this history"


def test_how_much_the_last_epoch_is_luck(tmp_path: Path) -> None:
    accuracies = [(0, accuracy) for accuracy in (1, *range(61, 75), 60)]
    accuracies += [(1, ""), (1, "")]  # no validation image
    history(tmp_path, [{"expert": expert, "val_accuracy": value} for expert, value in accuracies])
    files.write_json(tmp_path / "experts.json", [{}, {}])
    luck = {"last epoch": 60.0, "lowest before": 61.0, "highest before": 74.0}
    assert score_cells._last_epochs(tmp_path) == {"0": luck}


def test_tables_from_the_cells_that_were_run(root: Path) -> None:
    cells = small(root)
    base, lws, split, *rest = tables.main_table(cells)
    assert len(rest) == 3
    assert str(base["accuracy"]) == "42.00 ± 2.83"
    assert str(base["within: tail"]) == "47.00 ± 2.83"
    assert (lws["n"], str(lws["accuracy"])) == ("–", "–")
    assert (split["n"], split["updates"]) == ("2", 4000)
    times = {row["method"]: row for row in tables.times(cells)}
    ratio = times["split_lws"]["training / baseline"]
    assert ratio.by_seed == pytest.approx({0: 50 / 40, 1: 52 / 44})
    steady = times["split_lws"]["at the median speed / baseline"]
    assert steady.by_seed == pytest.approx({0: 450 / 460, 1: 448 / 456})
    assert times["split_lws"]["the seed's training / baseline"] == pytest.approx(1.606, abs=1e-3)
    (row,) = (r for r in study.within(cells) if r["n"])
    assert (row["difference"], row["n"]) == ("split_lws – baseline (the seed's)", 2)
    assert str(row["tail"]) == "9.00 ± 1.41"
    assert row["accuracy, 95 % interval"] == "[-3.71, 21.71]"
    swings = [str(row["highest before"]) for row in study.swings(cells)]
    assert swings[:4] == ["60.00 ± 0.00", "–", "60.00 ± 0.00", "61.00 ± 0.00"]
    own = next(row for row in study.divergence(cells) if row["batches"] == "own")
    assert own["n"] == "0 and 1 diverged"
    assert own["diverged at"] == "expert 1, phase 1, epoch 3, step 7 of 9"
    assert [row["norm"] for row in study.clips(cells)] == ["1.0", "5.0", "none"], "run or not"
    assert {str(row["accuracy"]) for row in study.taus(cells)} == {"–"}
    every = {row["method"]: row["n"] for row in study.everything(cells)}
    assert every["split_lws, affine (by validation)"] == "2"
    assert every["split, the best rule (by validation)"] == "–"


def test_answers_from_the_cells_that_were_run(root: Path) -> None:
    cells = small(root)
    within = answers.within(cells)
    assert within.said == (
        "1 of 2 comparisons run: `split_lws` is ahead of `baseline` in 1 (by 9.00 points, beyond "
        "the 95 % interval in 0); they differ in the grouping, the clipping and the "
        "scales."
    )
    (row,) = within.rows
    figures_of = row["n"], str(row["split_lws"]), str(row["baseline"])
    assert figures_of == (2, "66.00 ± 1.41", "57.00 ± 2.83")
    rules = answers.rules(cells)
    assert rules.said.startswith(
        "Without the label, `split_lws` loses 14.00 points, by the rule aff"
    )
    assert "`split_lws` with affine is ahead of `baseline` in 1 (by 10.00 points" in rules.said
    (row,) = rules.rows
    found = [str(row[key]) for key in ("group given", "concat", "affine")]
    assert found == ["66.00 ± 1.41", "51.00 ± 1.41", "52.00 ± 1.41"]
    left_open = answers.left_open(cells)
    assert left_open.said == "Of 6 cells 1 diverged."
    assert not left_open.rows, "one of each is no comparison"
    best = answers.best_split(cells)
    (row,) = best.rows
    assert (row["without a split"], str(row["accuracy"])) == ("ensemble", "60.00")
    assert (row["with one"], str(row["its accuracy"])) == ("split_lws, affine", "51.00")
    assert row["methods run"] == "2 and 2 of 18"
    assert "is behind the best method without one in 1 (by 9.00 points), on one seed" in best.said


def test_the_lowest_and_the_highest_of_a_comparison(root: Path) -> None:
    for variation, accuracy in (("clip 1.0", 30.0), ("clip null", 70.0)):
        name = f"split_lws_{variation.replace(' ', '')}_s0"
        path = root / SMALL_FOLDER / "scores" / f"digits-exp-0.1_{name}.json"
        path.write_text(json.dumps(score(name, accuracy)))
    rows = {row["what"]: row for row in answers.left_open(small(root)).rows}
    row = rows["clipping norm"]
    assert (row["lowest"], row["highest"]) == ("1.0: 31.00 (n = 1)", "none: 71.00 (n = 1)")
    assert row["compared"] == 3


def test_answers_where_nothing_was_run(root: Path) -> None:
    for path in root.glob("paper/small/*/*.json"):
        path.unlink()
    for make in answers.ANSWERS.values():
        assert make(small(root)) == answers.Answer(answers.NOTHING, [])
    assert answers.agreement(small(root)) == ""


def test_the_seeds_rows_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure is the seed's own: the split's is the one with the label."""
    monkeypatch.chdir(ROOT)
    rows = study.beside_the_seed(Cells())
    assert len(rows) == 8 * 3 + 1
    run = {(row["dataset"], row["method"]): row for row in rows if row["n"] != "–"}
    for model, figure, theirs in (
        ("baseline", "accuracy", 70.78),
        ("split_lws", "within: accuracy", 82.06),
    ):
        row = run["cifar10-exp-0.1", model]
        assert (row["figure"], row["the seed's"]) == (figure, theirs)
        difference = row["ours"].mean - theirs
        assert row["ours – the seed's"].mean == pytest.approx(difference)
        assert row["within 2"] == ("yes" if abs(difference) <= 2 else "no")


def test_tables_ask_for_nothing_that_is_not_in_the_grid(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, stat = set(), Cells.stat

    def record(cells: Cells, dataset: str, model: str, path: str, variation: str = "") -> Stat:
        asked.add((model, variation))
        return stat(cells, dataset, model, path, variation)

    monkeypatch.setattr(Cells, "stat", record)
    for make in render.TABLES.values():
        make(small(root))
    there = {(cell["model"], cell["variation"]) for cell in SMALL["cells"].values()}
    assert asked <= there, "a variation by another name would show a dash for ever"
    assert there <= asked, "a cell that no table shows"


def test_validation_chooses_and_not_the_test(root: Path) -> None:
    path = root / "paper/small/scores/digits-exp-0.1_ensemble_s0.json"
    value = json.loads(path.read_text())
    value["rules"]["concat"]["val_balanced"] = 10.0
    path.write_text(json.dumps(value))
    (row,) = answers.best_split(small(root)).rows
    assert (row["without a split"], str(row["accuracy"])) == ("baseline", "42.00 ± 2.83")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 7),
        ("subset_sha256", "b" * 64),
        ("method", {"start": "fresh", "num": 3}),
        ("partition", {"criterion": "half", "num_groups": 3, "thresholds": [100, 20]}),
    ],
)
def test_a_score_of_another_training_is_left_out(root: Path, key: str, value: Any) -> None:
    name = "digits-exp-0.1_ensemble_s0"
    path = root / f"paper/small/scores/{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    cells = small(root)
    assert cells.strangers == [name]
    assert not cells.of("digits-exp-0.1", "ensemble")


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


def test_the_readme_quotes_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text()
    monkeypatch.chdir(ROOT)
    for row in tables.main_table(Cells())[:3:2]:
        given, honest = row["within: accuracy"], row["accuracy"]
        line = rf"\| .*`{row['method']}`.* \| {given} % \| {honest} % \|"
        assert re.search(line, text)
        assert row["n"] == "1", "one run of each, says the README"


def test_csv_holds_numbers(root: Path) -> None:
    folder = root / "paper/small/tables"
    text = tables.write(tables.main_table(small(root)), folder, "main")
    assert "42.00 ± 2.83" in text
    assert "| 4000 " in text, "whole, though other rows have none"
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
    render.run(["--folder", str(SMALL_FOLDER)])
    text = (root / "paper/small/RESULTS.md").read_text()
    assert "{" not in text, "a place that was not filled in"
    prose = " ".join(text.split())  # wherever its lines break
    assert f"{6 if there else 0} of the {len(SMALL['cells'])} cells" in prose
    assert "\n\n\n" not in text
    assert there or "| –  " not in text, "a table of dashes"
    assert all(len(line) <= page.WIDTH for line in text.splitlines() if not line.startswith("|"))
    not_run = "Not run, not even in part: "
    assert (f"{not_run}Table 2; the main table; " in prose) is not there
    assert f"{'networks with a class for the rest' if there else 'rules'}; " in prose
    for name in re.findall(r"\((figures/\w+\.png)\)", text):
        first = (root / "paper/small" / name).read_bytes()
        assert first.startswith(b"\x89PNG")
    shown, drawn = set(re.findall(r"figures/(\w+)\.png", text)), set(figures.FIGURES)
    assert shown == drawn if there else shown < drawn
    if there:
        before = {path: path.read_bytes() for path in root.glob("paper/small/*/*")}
        render.run(["--folder", str(SMALL_FOLDER)])
        assert all(path.read_bytes() == kept for path, kept in before.items()), "the same bytes"


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
    cores = min(len(os.sched_getaffinity(0)), process.cgroup_cpus(Path("/")))
    assert run.workers(2) == [{}] * cores
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus = [environment["CUDA_VISIBLE_DEVICES"] for environment in run.workers(2)]
    assert gpus == ["0", "1", "0", "1"], "the first of every GPU before the second of any"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert [env["CUDA_VISIBLE_DEVICES"] for env in run.workers(1)] == ["3", "5"]
