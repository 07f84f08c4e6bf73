"""The paper's grid with DVC, cut down to a few cells on the digits, in a clone of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bench import kills
from paper import CELLS, PARAMS, cells, grid, identify, jobs
from paper.run import Filler
from tests.conftest import ROOT, run

PREFIX = "digits-exp-0.1"
CHOSEN = [f"{PREFIX}_{name}_s0" for name in ("baseline", "split_lws", "crt")]
STAGES = "paper/dvc.yaml"


def write_grid(repo: Path, names: list[str], **changes: dict[str, Any]) -> None:
    """cells.json with these cells of the small grid, some of them changed."""
    small = grid.build(grid.SMALL)
    small["datasets"] = {PREFIX: small["datasets"][PREFIX]}
    small["partitions"] = {f"{PREFIX}_half2": small["partitions"][f"{PREFIX}_half2"]}
    small["size"]["main"] = [PREFIX]
    small["cells"] = {name: small["cells"][name] | changes.get(name, {}) for name in names}
    for cell in small["cells"].values():
        with suppress(ValueError):  # of params that the cell shall fail on
            cell["id"] = identify(cells.options(cell, ROOT / PARAMS), "train")
    (repo / CELLS).write_text(json.dumps(small))


def repro(repo: Path, *arguments: str) -> list[str]:
    """The stages that `dvc repro` runs."""
    done = run("dvc", "repro", *arguments, cwd=repo)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repo = kills.clone(tmp_path_factory.mktemp("clone"), 2, "resnet20")
    write_grid(repo, CHOSEN)
    ran = repro(repo, STAGES)
    wanted = {f"{STAGES}:{stage}@{name}" for stage in ("train", "score") for name in CHOSEN}
    assert wanted | {f"{STAGES}:render"} <= set(ran)
    return repo


def scores(repo: Path) -> dict[str, Any]:
    folder = repo / "paper/small/scores"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def test_the_grid_gives_tables_figures_and_the_page(repo: Path) -> None:
    assert set(scores(repo)) == set(CHOSEN)
    page = (repo / "paper/small/RESULTS.md").read_text()
    assert "3 of the\n3 cells" in page
    row = next(line for line in page.splitlines() if f"| {PREFIX} | split_lws" in line)
    split = scores(repo)[f"{PREFIX}_split_lws_s0"]["metrics"]
    assert f"{split['accuracy']:.2f}" in row
    assert (repo / "paper/small/figures/confusion.png").exists()
    kept = list((repo / "paper/small/models").glob("*/*.safetensors"))
    assert [path.parent.name for path in kept] == [CHOSEN[0]], "the one that another starts from"


def test_a_second_repro_runs_nothing(repo: Path) -> None:
    assert repro(repo, STAGES) == []
    assert not [name for name in repro(repo) if name.startswith(STAGES)], "nor does the root's"


def test_what_is_edited_runs_its_own_cells(repo: Path) -> None:
    method = repo / "lt/methods/crt.py"
    kept = method.read_text()
    method.write_text(kept + "# edited\n")
    ran = repro(repo, STAGES)
    assert [name for name in ran if ":train@" in name] == [f"{STAGES}:train@{CHOSEN[2]}"]
    assert not [name for name in ran if ":score@" in name and CHOSEN[2] not in name]
    rules = repo / "lt/scoring.py"
    rules.write_text(rules.read_text() + "# edited\n")
    ran = repro(repo, STAGES)
    assert not [name for name in ran if ":train@" in name]
    assert len([name for name in ran if ":score@" in name]) == 3
    run("git", "checkout", "lt", cwd=repo)
    assert not [name for name in repro(repo, STAGES) if ":train@" in name], "from the run cache"


def fill(repo: Path) -> subprocess.Popen[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-m", "paper.run"],
        cwd=repo,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_machine_is_filled_and_goes_on_after_a_kill(repo: Path) -> None:
    long = {"params": "model=baseline seed=1 train.backbone=resnet20 train.epochs=60"}
    diverges = {"params": "model=baseline seed=2 train.backbone=resnet20 train.lr=1e30"}
    names = [f"{PREFIX}_baseline_s1", f"{PREFIX}_ensemble_s0"]
    write_grid(repo, [*CHOSEN, *names], **{names[0]: long, names[1]: diverges})
    first = fill(repo)
    log = repo / "paper/small/logs" / f"{names[0]}.log"
    while not list(repo.glob(".scratch/*/expert_0.*")):
        assert first.poll() is None, log.read_text() if log.exists() else first.communicate()
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert "3 of 5 cells are done, 2 to run" in first.communicate()[0]

    output, _ = fill(repo).communicate()
    assert "3 of 5 cells are done, 2 to run" in output
    assert "train: expert 0 goes on after phase 1, epoch " in log.read_text()
    assert "2/2 " in output
    done = scores(repo)
    assert "the loss of a batch" in done[names[1]]["failed"], "a result, and no failure"
    assert done[names[0]]["metrics"]["updates"] == 60 * 4
    third, _ = fill(repo).communicate()
    assert "5 of 5 cells are done, 0 to run" in third


def test_a_cell_that_fails_is_named_and_the_others_run(repo: Path) -> None:
    bad = {"params": "model=baseline seed=1 train.backbone=resnet99"}
    names = [f"{PREFIX}_lws_joint_s0", f"{PREFIX}_baseline_decay2_s0"]
    write_grid(repo, [*CHOSEN, *names], **{names[1]: bad})
    process = fill(repo)
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "run: 1 of 2 cells failed:\n" in output
    assert f"{names[1]}: exit status" in output
    assert names[0] in scores(repo)
    assert (
        "train.backbone: expected one of"
        in (repo / "paper/small/logs" / f"{names[1]}.log").read_text()
    )


def test_without_dvc_and_from_a_start_that_diverged(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{PREFIX}_{name}_s1" for name in ("baseline", "crt", "lws_joint")]
    lr, same = "train.backbone=resnet20 train.lr=1e30", "seed=1 train.backbone=resnet20"
    write_grid(
        repo,
        names,
        **{
            names[0]: {"params": f"--weights model=baseline seed=1 {lr}"},
            names[1]: {"params": f"model=crt seed=1 {lr}"},
            names[2]: {"params": f"model=lws_joint {same} train.epochs=1"},
        },
    )
    shutil.rmtree(repo / "paper/small/longtail")  # as in a clone with the committed facts alone
    monkeypatch.chdir(repo)
    plan = jobs.Plan(json.loads((repo / CELLS).read_text()), with_dvc=False)
    plan.prepare()
    chosen, number = plan.jobs("_s1")
    assert ([job.name for job in chosen], number) == (names, 3)
    filler = Filler(chosen, [{}, {}], repo / "paper/small/logs")
    filler.run()
    assert not filler.failed
    done = scores(repo)
    assert "the loss of a batch" in done[names[0]]["failed"]
    assert done[names[1]]["failed"].startswith(f"{names[0]}, which it starts from: expert 0")
    assert done[names[1]]["provenance"]["precision"] in ("fp32", "bf16")
    assert done[names[2]]["metrics"]["updates"] == 4
    assert plan.jobs("_s1")[0] == []
    # what was trained elsewhere, DVC does not know, and it is done all the same
    known = jobs.Plan(plan.grid, with_dvc=True).jobs("lws_joint")
    assert known == ([], 1)


def test_params_of_the_grid_are_none_of_the_experiments(repo: Path) -> None:
    shown = run("dvc", "params", "diff", "--all", "--md", cwd=repo).stdout
    assert "train.lr" in shown
    assert "paper/params.yaml" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paper.partition", "--id=x", "--longtail=x", "--out=x"], "written with another paper/"),
        (["paper.run", "--match", "nosuch"], "--match: no cell of paper/cells.json has 'nosuch'"),
        (["paper.run", "--per-gpu", "0"], "--per-gpu: expected an integer at least 1, got 0"),
        (["paper.run", "--fast"], "unrecognized arguments: --fast"),
        (["paper.grid", "huge"], "expected one of full, small, got huge"),
        (["paper.render", "x"], "expected no arguments, got x"),
        (["paper.score"], "the following arguments are required: --model"),
    ],
)
def test_bad_arguments(repo: Path, arguments: list[str], message: str) -> None:
    done = run(sys.executable, "-m", *arguments, cwd=repo)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
