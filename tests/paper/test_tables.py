"""Score files, the tables made of them, and the page."""

from __future__ import annotations

import base64
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lt import files
from lt.score import store
from lt.score.stats import Stat
from paper import (
    CELLS,
    EXAMPLES,
    contests,
    facts,
    figures,
    last_epochs,
    page,
    published,
    ranking,
    regroup,
    render,
    study,
    tables,
)
from paper import SMALL as SMALL_FOLDER
from paper import score as score_cells
from paper.cell import Dataset
from paper.cells import Cells
from tests.conftest import ROOT, views
from tests.paper.conftest import SMALL, edit, put, score, small


def history(folder: Path, rows: list[dict[str, Any]]) -> None:
    columns = ([{"phase": 1, **row}.get(name, 1) for name in store.HISTORY] for row in rows)
    files.write_csv(folder / "history.csv", store.HISTORY, columns)


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
    (row,) = (r for r in study.within(cells) if r["n"])
    assert (row["difference"], row["n"]) == ("split_lws – baseline (the seed's)", 2)
    assert str(row["tail"]) == "9.00 ± 1.41"
    assert row["accuracy, 95 % interval"] == "[-3.71, 21.71]"
    swings = [str(row["highest before"]) for row in last_epochs.swings(cells)]
    assert swings[:4] == ["60.00 ± 0.00", "–", "60.00 ± 0.00", "61.00 ± 0.00"]
    own = next(row for row in study.divergence(cells) if row["batches"] == "own")
    assert own["n"] == "0 and 1 diverged"
    assert own["diverged at"] == "expert 1, phase 1, epoch 3, step 7 of 9"
    assert [row["norm"] for row in study.clips(cells)] == ["1.0", "5.0", "none"], "run or not"
    assert {str(row["accuracy"]) for row in study.taus(cells)} == {"–"}
    every = {row["method"]: row["n"] for row in ranking.everything(cells)}
    assert every["split_lws, affine (by validation)"] == "2"
    assert every["split, the best rule (by validation)"] == "–"


def test_times_are_those_of_timed_cells(root: Path) -> None:
    assert not any(map(tables.was_run, tables.times(small(root)))), "the others had company"
    for name, accuracy in (("baseline", 40), ("split_lws", 50)):
        put(root, f"{name}_timed_s0", accuracy)
    base, _, split = tables.times(small(root))
    assert (base["method"], base["n"], base["training / baseline"].mean) == ("baseline", 1, 1)
    assert split["training (s)"].by_seed == {0: 500}
    assert split["training / baseline"].by_seed == {0: 50 / 40}
    assert split["test / baseline"].by_seed == {0: 50 / 40}
    assert split["the seed's training / baseline"] == pytest.approx(1.606, abs=1e-3)
    assert split["device"] == "a device, fp32"
    assert "split_lws timed" not in {row["method"] for row in tables.every_cell(small(root))}
    path = root / SMALL_FOLDER / "scores/digits-exp-0.1_split_lws_timed_s0.json"
    about = files.read_json(path)["provenance"] | {"device": "another", "threads": 1}
    edit(root, "split_lws_timed_s0", provenance=about)
    base, _, split = tables.times(small(root))
    assert base["n"] == split["n"] == 1
    assert split["device"] == "another, fp32, 1 thread"
    assert not split["training / baseline"].n, "the baseline is of another device"


def test_timed_cells_are_no_settings_of_their_own(root: Path) -> None:
    assert page._of_one_seed(small(root)) == 2, "ensemble, and split_lws with own batches"
    put(root, "baseline_timed_s0", 40)
    assert page._of_one_seed(small(root)) == 2, "the same training once more"
    put(root, "lws_joint_timed_s0", 40)
    assert page._of_one_seed(small(root)) == 3


def test_times_of_short_trainings_in_turns(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"baseline": 2.0, "split_lws": 3.0, "split_lws own": 2.5}
    rows = [
        {"backbone": net, "part": part, "method": method, "seconds": k * s, "over baseline": s / 2}
        for net, k in (("resnet32", 7), ("resnet18", 1))
        for part in ("training", "test pass")
        for method, s in seconds.items()
    ]
    about = {"device": "d", "precision": "bf16", "threads": 2}
    files.write_json(tmp_path / "a.json", {"rows": rows, **about})
    monkeypatch.setattr(tables, "SHORT", tmp_path / "a.json")
    made = tables.short_times(small(root))
    assert [row["seconds"] for row in made] == [*seconds.values()] * 2, "of the seed's network"
    assert [row["/ baseline"] for row in made] == [1.0, 1.5, 1.25] * 2
    by_the_seed = {(row["part"], row["method"]): row["the seed's / baseline"] for row in made}
    assert by_the_seed["training", "split_lws"] == pytest.approx(1869.83 / 1163.96)
    assert by_the_seed["test pass", "split_lws"] == pytest.approx(10.04 / 4.73)
    assert by_the_seed["training", "split_lws own"] is None
    assert {row["device"] for row in made} == {"d, bf16, 2 threads"}


def test_the_readme_quotes_what_a_split_costs() -> None:
    cells = Cells(ROOT / "paper")
    short = {(row["part"], row["method"]): row["/ baseline"] for row in tables.short_times(cells)}
    assert tables.SEED_TIMES.keys() <= {method for _, method in short}
    alone = next(row for row in tables.times(cells) if row["method"] == "split_lws")
    split, own = short["training", "split_lws"], short["training", "split_lws own"]
    text = " ".join((ROOT / "README.md").read_text().split())
    ratio = alone["training / baseline"].mean
    assert f"{ratio:.1f} times as long as one network (100 epochs, one thread, one run)" in text
    assert (
        f"two threads it took {split:.1f} times as long, and {own:.1f} times with batches" in text
    )
    minutes = tables.times(cells)[0]["training (s)"].mean / 60
    assert f"{minutes:.0f} minutes were measured on one thread of an EPYC with bf16" in text
    assert alone["device"] == "AMD EPYC, bf16, 1 thread"
    assert tables.short_times(cells)[0]["device"].endswith(", 2 threads")


def test_a_figure_says_how_many_seeds_it_has(root: Path) -> None:
    cells, name = small(root), "digits-exp-0.1"
    assert figures._numbered(cells, name, ["baseline"]) == f"{name} (n = 2)"
    assert figures._numbered(cells, name, ["baseline", "ensemble"]) == f"{name} (n = 1 to 2)"
    assert figures._numbered(cells, name, ["lws_joint"]) == f"{name} (diverged)"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 7),
        ("subset_sha256", "b" * 64),
        ("method", {"start": "fresh", "num": 3}),
        ("start", {"start": "fresh"}),
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


def test_published_figures_stand_beside_ours(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, folder = "digits-exp-0.1-ldam", root / SMALL_FOLDER
    figures_of_others = root / "published.csv"
    figures_of_others.write_text(
        "dataset,method,source,accuracy\n"
        f"{dataset},baseline,A,70.5\n{dataset},baseline,B,73\n"
        f"{dataset},crt,A,60\n{dataset},ride,A,60\ncifar10-exp-0.01-ldam,baseline,A,70\n"
    )
    monkeypatch.setattr(published, "FIGURES", figures_of_others)
    assert published.said(small(root)) == [], "no cell was run"
    facts = files.read_json(folder / "datasets/digits-exp-0.1.json")
    files.write_json(folder / f"datasets/{dataset}.json", facts)
    for seed, accuracy in enumerate((70.0, 71.0)):
        name = f"baseline_ldam_s{seed}"
        files.write_json(
            folder / f"scores/{dataset}_{name}.json", score(name, accuracy, dataset=dataset)
        )
    cells = small(root)
    rows = {row["method"]: row for row in published.table(cells)}
    there = [c for c in SMALL["cells"].values() if c["dataset"] == dataset]
    assert list(rows) == list(dict.fromkeys(c["model"] for c in there))
    base, crt = rows["baseline"], rows["crt"]
    assert (base["n"], str(base["accuracy"]), base["A"], base["B"]) == (
        "2",
        "70.50 ± 0.71",
        70.5,
        73,
    )
    assert (crt["n"], crt["A"], crt["B"]) == ("–", 60, None), "not run"
    missing = "1 more is to be run"
    assert published.said(cells) == [
        f"1 of 2 published figures (of 1 method) lie within 2 points of ours, n = 2; {missing}",
        f"farthest is `baseline` on {dataset}, B: ours is 2.50 below it",
        "",
    ]
    files.write_json(
        folder / f"scores/{dataset}_crt_ldam_s0.json", score("crt_ldam_s0", 72.0, dataset=dataset)
    )
    assert published.said(small(root))[2] == (
        "of 1 pair of methods in one source, none come in the same order here"
    )


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
    whole = (ROOT / "README.md").read_text()
    text = " ".join(whole.split())
    monkeypatch.chdir(ROOT)
    rows = tables.main_table(Cells())
    for row in rows[:3:2]:
        given, honest = row["within: accuracy"], row["accuracy"]
        line = rf"\| .*`{row['method']}`.* \| {given} % \| {honest} % \| {row['n']} \|"
        assert re.search(line, whole)
    assert "single network is ahead in both columns on all eight datasets" in text
    baselines, splits = rows[::3], rows[2::3]
    assert len({row["dataset"] for row in baselines}) == 8
    for one, split in zip(baselines, splits, strict=True):
        assert (one["method"], split["method"]) == ("baseline", "split_lws")
        assert one["dataset"] == split["dataset"]
        number = "three" if one["dataset"] in ("cifar10-exp-0.1", "cifar10-exp-0.01") else None
        gains = [one[column] - split[column] for column in ("within: accuracy", "accuracy")]
        assert [gain.n for gain in gains] == [3 if number else 1] * 2, "as the README says"
        assert all(gain.mean > 0 for gain in gains)
        if number:
            ends = [gain.interval() or (0.0, 0.0) for gain in gains]
            told = (
                f"by {{:.2f}} and {{:.2f}} points ({number} runs each, 95 % intervals "
                "{:.2f} to {:.2f} and {:.2f} to {:.2f})"
            ).format(*(gain.mean for gain in gains), *ends[0], *ends[1])
            assert told in text


def test_the_readme_says_where_crt_was_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    monkeypatch.chdir(ROOT)
    cells = Cells()
    gains = [
        cells.stat(dataset, "crt", "metrics.accuracy")
        - cells.stat(dataset, "balanced_softmax", "metrics.accuracy")
        for dataset in ("cifar10-exp-0.1", "cifar10-exp-0.01")
    ]
    assert [gain.n for gain in gains] == [1, 1]
    assert f"by {gains[0]} points on exp 0.1 and by {gains[1]} on exp 0.01 (one run each)" in text


def test_the_readme_quotes_what_stands_beside_published_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (ROOT / "README.md").read_text()
    monkeypatch.chdir(ROOT)
    every = published.table(Cells())
    rows = [row for row in every if row["n"] != "–" and row["dataset"].startswith("cifar100-")]
    for row in rows:
        theirs = [row[source] for source in ("Cao et al. 2019", "Zhang et al. 2021")]
        told = ", ".join(f"{one:.2f}" for one in theirs if one is not None) or "–"
        after = (
            ", after it"
            if row["method"] in ("logit_adjust_posthoc", "tau_norm", "crt", "lws")
            else ""
        )
        line = f"| `{row['method']}`{after} | {row['accuracy']} | {row['few']} | {told} |"
        assert line in text
        assert row["n"] == "1", "one run each, says the README"
    assert len(rows) == 7, "of which the README says that six cannot be ranked"


def test_the_readme_quotes_what_an_offset_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    monkeypatch.chdir(ROOT)
    bar, cells = contests.BAR, Cells()
    prior = contests.with_offset(bar, "prior")
    for dataset, quoted in (
        ("cifar10-exp-0.01", "from {} to {} % (three seeds), but the idea came"),
        (
            "cifar100-exp-0.01",
            "it was, {} and {} %, and took the tail from {} to {} % (`-S profile",
        ),
    ):
        parts = ("accuracy", "tail") if "tail" in quoted else ("accuracy",)
        told = [one.stat(cells, dataset, part) for part in parts for one in (bar, prior)]
        assert {stat.n for stat in told} == {3}
        assert quoted.format(*told) in text


def test_the_readme_quotes_what_leaning_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    monkeypatch.chdir(ROOT)
    cells = Cells()
    by_title = {one.title: one for one in contests.PAIRS_OF_NETWORKS}
    lean = by_title["soft_split, lean 2.5"]
    shared = by_title["soft_split, lean 1, shared, mixup"]
    bar, control, hundred = contests.BAR, contests.CONTROL, "cifar100-exp-0.01"
    (claimed, mixed_bar), (_, even), _ = contests.CONFIRMED
    for n, one, other, dataset, figure, told in (
        (5, claimed, mixed_bar, hundred, "accuracy", "it is {} points ahead of two averaged"),
        (5, claimed, mixed_bar, hundred, "accuracy", "mixed images (95 % interval {1} to {2})"),
        (5, claimed, mixed_bar, hundred, "few", "fewer than 20 images gain {} points"),
        (5, mixed_bar, claimed, hundred, "many", "classes of more than 100 lose {}."),
        (5, even, mixed_bar, hundred, "accuracy", "1 and 1) is {} ahead of the two networks on"),
        (5, even, mixed_bar, hundred, "accuracy", "networks on these seeds ({1} to {2}), and"),
        (5, claimed, even, hundred, "accuracy", "no difference shows ({}, {} to {})"),
        (3, bar, contests.MIXED_BAR, hundred, "few", "the two networks there, {} points (three"),
        (3, lean, bar, hundred, "accuracy", "it is {} ahead of two unmixed networks"),
        (3, bar, lean, hundred, "few", "and {} behind on classes of fewer than 20 images (three"),
        (3, control, bar, hundred, "accuracy", "without the lean it is {} ahead"),
        (3, shared, contests.MIXED_BAR, "cifar100-exp-0.1", "accuracy", "is {} ahead of the two"),
        (3, shared, contests.MIXED_BAR, "cifar100-exp-0.1", "accuracy", "networks ({1} to {2}, t"),
        (
            3,
            shared,
            contests.EVEN_BALPOE,
            "cifar100-exp-0.1",
            "accuracy",
            "seeds), and {} ahead of the same without",
        ),
        (
            3,
            shared,
            contests.EVEN_BALPOE,
            "cifar100-exp-0.1",
            "accuracy",
            "same without a lean ({1} to {2}). That",
        ),
        (3, lean, bar, "cifar10-exp-0.01", "accuracy", "no difference shows ({}, {} to {}, three"),
    ):
        gain = one.stat(cells, dataset, figure) - other.stat(cells, dataset, figure)
        assert gain.n == n
        low, high = gain.interval() or (0.0, 0.0)
        assert told.format(f"{gain.mean:.2f}", f"{low:.2f}", f"{high:.2f}") in text
    results = " ".join((ROOT / "paper/RESULTS.md").read_text().split())
    (number,) = re.findall(r"(\d+) of the differences have an interval", results)
    assert f"That is one of {number} comparisons with an interval; tested all at once" in text
    assert "(Holm's correction), none of them are left" in results


def test_the_readme_quotes_what_batches_do(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    monkeypatch.chdir(ROOT)
    own, shared = (
        study.within_difference(
            Cells(), "cifar10-exp-0.01", ("split", batches), ("baseline", study.CLIPPED), "accuracy"
        )
        for batches in ("own", "")
    )
    assert (own.n, shared.n) == (3, 3)
    for gain, told in (
        (
            shared,
            "is {} points behind a `baseline` with the same gradient clipping (three runs,",
        ),
        (shared, "three runs, 95 % interval {1} to {2}). With full batches"),
        (own, "it is {} behind (three runs, 95 % interval {} to {})"),
    ):
        low, high = gain.interval() or (0.0, 0.0)
        assert told.format(f"{-gain.mean:.2f}", f"{-high:.2f}", f"{-low:.2f}") in text


def test_the_readme_quotes_how_far_seeds_move(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    monkeypatch.chdir(ROOT)
    given, honest = (
        Cells().stat("cifar10-exp-0.01", "baseline", f"metrics.{figure}", study.CLIPPED)
        for figure in ("within_group.accuracy", "accuracy")
    )
    assert (given.n, honest.n) == (3, 3)
    told = f"are {given.range:.2f} points apart, and {honest.range:.2f} where no label is used"
    assert told in text


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


def test_networks_of_one_seed_stand_together(monkeypatch: pytest.MonkeyPatch) -> None:
    right = {("a", 0): 50.0, ("a", 1): 60.0, ("b", 0): 51.0, ("b", 1): 63.0}
    monkeypatch.setattr(
        regroup.Images, "accuracies", lambda _, group: [right[group[0].letter, group[0].seed]] * 3
    )
    (view,), none = views((0, 1)), np.zeros((0, 2))
    networks = [regroup.Network(*key, view, none, none) for key in right]
    images = regroup.Images(none, none, {"counts": [1, 1]})
    rows = {row["networks"]: row for row in regroup.table_by_seed(networks, images, 2, "a")}
    assert set(rows) == {"a", "b", "a b"}, "no a a, of two seeds"
    assert rows["b"]["concat less a"].by_seed == {0: 1.0, 1: 3.0}
    assert rows["b"]["concat, 95 % interval"] == "[-10.71, 14.71]", "2 ± 12.706 sqrt(2) / sqrt(2)"


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
    text = "\n".join((root / "paper/small" / name).read_text() for name in page.PAGES)
    assert "{" not in text, "a place that was not filled in"
    prose = " ".join(text.split())  # wherever its lines break
    assert f"{6 if there else 0} of the {len(SMALL['cells'])} cells" in prose
    assert "\n\n\n" not in text
    assert there or "| –  " not in text, "a table of dashes"
    assert all(len(line) <= page.WIDTH for line in text.splitlines() if not line.startswith("|"))
    not_run = "Not run, or not yet with anything to compare: "
    assert "**The clipping norm**" not in text, "one norm alone"
    assert (f"{not_run}Table 2; the main table; " in prose) is not there
    assert f"{'networks with a class for the rest' if there else 'rules'}; " in prose
    for name in re.findall(r"\((figures/\w+\.png)\)", text):
        first = (root / "paper/small" / name).read_bytes()
        assert first.startswith(b"\x89PNG")
    shown = set(re.findall(r"figures/(\w+)\.png", text))
    some = figures.FIGURES.keys() - {"confirmed"}  # no cell of what was said beforehand is there
    assert shown == some if there else shown < some
    if there:
        before = {path: path.read_bytes() for path in root.glob("paper/small/*/*")}
        render.run(["--folder", str(SMALL_FOLDER)])
        assert all(path.read_bytes() == kept for path, kept in before.items()), "the same bytes"


def test_a_grid_without_roles_has_a_page_of_its_own(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    dataset = "digits-exp-0.1"
    names = ("baseline_s0", "baseline_s1", "split_lws_s0", "split_lws_s1", "split_lws_own_s0")
    names += ("balanced_softmax_s0", "balanced_softmax_s1", "ensemble_s0", "crt_s0")
    for seed, accuracy in enumerate((46.0, 51.0)):
        put(root, f"balanced_softmax_s{seed}", accuracy)
        metrics = score(f"split_lws_s{seed}", 50.0 + 2 * seed)["metrics"]
        edit(root, f"split_lws_s{seed}", metrics=metrics | {"images": 1_000_000})
    edit(root, "ensemble_s0", seed=9)  # of another cell
    cells = {f"{dataset}_{name}": SMALL["cells"][f"{dataset}_{name}"] for name in names}
    datasets = {dataset: SMALL["datasets"][dataset]}
    made = {"size": {}, "datasets": datasets, "cells": cells}
    files.write_json(SMALL_FOLDER / CELLS, made)
    render.run(["--folder", str(SMALL_FOLDER)])
    assert not (SMALL_FOLDER / "TABLES.md").exists()
    text = (SMALL_FOLDER / "RESULTS.md").read_text()
    lines = text.splitlines()
    assert all(len(line) <= page.WIDTH for line in lines if not line.startswith("|"))
    prose = " ".join(text.split())
    assert "7 of the 9 cells of this grid have been run, and 1 of them diverged" in prose
    assert "10 classes, 417 images, 10 to 100 of a class: 376 for training, 41 for" in prose
    assert "2 of the differences have an interval, and 1 of these excludes zero" in prose
    assert "Not run: ensemble, crt." in prose
    assert "images than their cells have: digits-exp-0.1_ensemble_s0." in prose
    shown = [[one.strip() for one in line.strip("|").split("|")] for line in lines]
    (gain,) = (row for row in shown if row[0] == "split_lws")
    assert gain[1:6] == ["2", "51.00 ± 1.41", "9.00 ± 1.41", "[-3.71, 21.71]", "2"], "10 and 8"
    assert gain[-1] == "2.00 ± 0.00", "the baseline showed half a million images"
    (params,) = (row[2] for row in shown if row[:2] == [dataset, "split_lws own"])
    assert "methods.split_lws.batches=own" in params
    (drawn,) = (SMALL_FOLDER / "figures").glob("*")
    assert f"figures/{drawn.name}" in text
    read = pd.read_csv(SMALL_FOLDER / f"tables/{dataset}.csv")
    methods = ["baseline", "split_lws", "split_lws own", "balanced_softmax", "ensemble", "crt"]
    assert list(read["method"]) == methods


def test_the_page_says_where_its_cells_come_from(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    for name, about in {
        "baseline_s1": {"git": "1" * 40, "git_dirty": True},
        "ensemble_s0": {"device": "another device"},
    }.items():
        path = root / "paper/small/scores" / f"digits-exp-0.1_{name}.json"
        value = files.read_json(path)
        value["provenance"].update(about)
        files.write_json(path, value)
    render.run(["--folder", str(SMALL_FOLDER)])
    prose = " ".join((root / "paper/small/TABLES.md").read_text().split())
    both = "fp32, python 3, torch 2; commits"
    here = f"5 on a device, {both} {'0' * 12} (4), {'1' * 12} with changes (1)"
    assert f"- {here} - 1 on another device, {both} {'0' * 12} (1)" in prose


def test_the_facts_of_a_dataset() -> None:
    test = np.arange(100, dtype=np.uint8)
    arrays = {
        "train_images": np.zeros((100, 2, 2, 1), dtype=np.uint8),
        "test_images": np.broadcast_to(test[:, None, None, None], (100, 2, 2, 1)),
        "test_labels": np.arange(100) % 3,
    }
    found = facts.describe(Dataset(arrays, list("abc")), {"counts": [20, 200, 5]})
    assert (found["head"], found["tail"]) == ((1,), (0, 2))
    assert (found["many"], found["medium"], found["few"]) == ((1,), (0,), (2,))
    assert [(one["index"], one["label"]) for one in found["examples"]] == [
        (index, index % 3) for index in EXAMPLES
    ]
    for one in found["examples"]:
        with Image.open(BytesIO(base64.b64decode(one["png"]))) as image:
            assert np.asarray(image).flatten().tolist() == [one["index"]] * 4


def test_methods_that_a_source_has_level_are_in_no_order(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, folder = "digits-exp-0.1-ldam", root / SMALL_FOLDER
    theirs = root / "published.csv"
    theirs.write_text(
        f"dataset,method,source,accuracy\n{dataset},baseline,A,70\n{dataset},crt,A,70\n"
    )
    monkeypatch.setattr(published, "FIGURES", theirs)
    known = files.read_json(folder / "datasets/digits-exp-0.1.json")
    files.write_json(folder / f"datasets/{dataset}.json", known)
    for name, accuracy in (("baseline_ldam_s0", 70.0), ("crt_ldam_s0", 72.0)):
        files.write_json(
            folder / f"scores/{dataset}_{name}.json", score(name, accuracy, dataset=dataset)
        )
    near, _, order = published.said(small(root))
    assert near.startswith("2 of 2 published figures (of 2 methods) lie within 2 points"), "2 is"
    assert order == "of 1 pair of methods in one source, none come in the same order here"


def test_all_that_was_run_is_in_one_table(root: Path) -> None:
    rows = {row["method"]: row for row in tables.every_cell(small(root))}
    assert list(rows) == ["baseline", "split_lws", "ensemble", "split_lws own"]
    assert (rows["baseline"]["n"], str(rows["baseline"]["accuracy"])) == ("2", "42.00 ± 2.83")
    assert rows["split_lws own"]["n"] == "0 and 1 diverged"
