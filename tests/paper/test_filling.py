"""The paper's grid run, cut down to a few cells on the digits, in a clone of its own."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, Event

from bench import kills
from lt import process
from lt.train import run as training
from paper import CELLS, PARAMS, SMALL, cell, grid
from paper.cells import Cells
from stages import RAW
from tests.conftest import call, run, spawn

PREFIX = "digits-exp-0.1"
BAD = ("split_s1", "distill_s1")
CHOSEN = [f"{PREFIX}_{name}_s0" for name in ("baseline", "split_lws", "crt")]


def write_grid(repo: Path, names: list[str], **changes: str) -> None:
    """cells.json with these cells of the small grid, some of them with further params."""
    small = grid.build(grid.GRIDS["small"][0])
    small["datasets"] = {PREFIX: small["datasets"][PREFIX]}
    small["size"]["main"] = [PREFIX]
    small["cells"] = {name: small["cells"][name] for name in names}
    for name, more in changes.items():
        small["cells"][name]["params"] += f" {more}"
    (repo / SMALL).mkdir(exist_ok=True)
    (repo / SMALL / CELLS).write_text(json.dumps(small))


def fill(repo: Path, *arguments: str, new_session: bool = False) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "paper.run", "--folder", str(SMALL), *arguments],
        cwd=repo,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=new_session,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )


def filled(repo: Path, *arguments: str, code: int = 0) -> str:
    process = fill(repo, *arguments)
    output, _ = process.communicate()
    assert process.returncode == code, output
    assert "Traceback" not in output, output
    return output


def scores(repo: Path) -> dict[str, Any]:
    folder = repo / SMALL / "scores"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def same(score: dict[str, Any]) -> dict[str, Any]:
    """All but where and how fast it was made."""
    return {key: value for key, value in score.items() if key not in ("provenance", "timing")}


EPOCHS = 8  # long enough to be killed
LONG = dict.fromkeys(CHOSEN, f"train.epochs={EPOCHS} methods.crt.epochs=3")


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repo = kills.clone(tmp_path_factory.mktemp("clone"), 2, "resnet20")
    write_grid(repo, CHOSEN, **LONG)
    output = filled(repo, "--outputs", "kept")
    assert "0 of 3 cells are done, 3 to run" in output
    assert "dashboard: http://" in output
    assert "WARNING" not in output
    return repo


@pytest.fixture(scope="module")
def undisturbed(repo: Path) -> dict[str, Any]:
    return chosen(repo)


def chosen(repo: Path) -> dict[str, Any]:
    return {name: same(score) for name, score in scores(repo).items() if name in CHOSEN}


def forget(repo: Path) -> None:
    for name in CHOSEN:
        (repo / SMALL / "scores" / f"{name}.json").unlink()


def test_the_grid_gives_tables_figures_and_the_page(repo: Path) -> None:
    assert set(scores(repo)) == set(CHOSEN)
    done = run(sys.executable, "-m", "paper.render", "--folder", str(SMALL), cwd=repo)
    assert done.returncode == 0, done.stderr
    page = (repo / SMALL / "RESULTS.md").read_text()
    assert "3 of the 3 cells" in " ".join(page.split())
    tables = (repo / SMALL / "TABLES.md").read_text()
    row = next(line for line in tables.splitlines() if f"| {PREFIX} | split_lws" in line)
    split = scores(repo)[f"{PREFIX}_split_lws_s0"]["metrics"]
    assert f"{split['accuracy']:.2f}" in row
    assert (repo / SMALL / "figures/confusion.png").exists()
    with zipfile.ZipFile(repo / "kept" / f"{CHOSEN[0]}.zip") as kept:
        assert {"outputs.npz", "experts.json", "run.json"} <= set(kept.namelist())
    assert not list((repo / ".scratch/cells").glob("*/final")), "what is done is not kept twice"


def test_outputs_that_were_kept_give_the_same_scores_again(repo: Path) -> None:
    before = chosen(repo)
    forget(repo)
    done = call(repo, "paper.rescore", "kept", "--folder", str(SMALL))
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(CHOSEN)
    assert chosen(repo) == before
    head = run("git", "rev-parse", "HEAD", cwd=repo).stdout.strip()
    assert {score["provenance"]["scored_by"] for score in scores(repo).values()} == {head}


def test_networks_of_several_cells_are_scored_together(repo: Path) -> None:
    baseline, split, crt = (name.removesuffix("_s0") for name in CHOSEN)
    given = [f"b={baseline}", f"c={crt}", f"ht={split}", "--folder", str(SMALL)]
    done = call(repo, "paper.regroup", "kept", *given)
    assert done.returncode == 0, done.stderr
    rows = [[one.strip() for one in line.split("|")[1:4]] for line in done.stdout.splitlines()[2:]]
    found = {networks: (groups, accuracy) for networks, groups, accuracy in rows}
    wanted = dict(zip(["b", "h t", "c"], CHOSEN, strict=True))
    for networks, name in wanted.items():
        assert found[networks] == ("1", f"{scores(repo)[name]['metrics']['accuracy']:.2f}")
    assert set(found) == {*wanted, "b c", "b h", "b t", "c h", "c t"}, "h alone lacks classes"
    done = call(repo, "paper.regroup", "kept", *given, "--less", "h t")
    rows = [[one.strip() for one in line.split("|")[1:-1]] for line in done.stdout.splitlines()[2:]]
    concat = {row[0]: float(row[2]) for row in rows}
    assert {row[0]: row[2] for row in rows} == {
        name: accuracy for name, (_, accuracy) in found.items()
    }
    less = {row[0]: float(row[3]) for row in rows}
    assert less == {
        name: pytest.approx(one - concat["h t"], abs=0.011) for name, one in concat.items()
    }
    message = call(repo, "paper.regroup", "kept", *given, "--less", "h h").stderr
    assert (
        message == "regroup: --less: expected one of b, c, b c, b h, b t, c h, c t, h t, got h h\n"
    )
    done = call(repo, "paper.regroup", "kept", f"abc={split}", "--folder", str(SMALL))
    assert (done.returncode, done.stdout) == (1, "")
    assert "expected 1 or 2 letters" in done.stderr


def test_a_network_alone_is_trained_as_in_its_cell(repo: Path) -> None:
    folder = ["--folder", str(SMALL)]
    done = call(repo, "paper.alone", "1", CHOSEN[1], *folder)
    assert done.returncode == 0, done.stderr
    tail = scores(repo)[CHOSEN[1]]["last_epochs"]["1"]["last epoch"]
    name, epochs, _, _, accuracy, ended = (
        one.strip() for one in done.stdout.splitlines()[2].split("|")[1:-1]
    )
    assert (name, epochs, accuracy, ended) == (CHOSEN[1], str(EPOCHS), f"{tail:.2f}", "finished")
    for number, name, message in (
        ("2", CHOSEN[1], "number: expected 0 to 1 for split_lws, got 2"),
        ("0", CHOSEN[2], "expected a cell that starts fresh; crt starts from another"),
        ("0", "nosuch", f"{SMALL} has no cell nosuch"),
    ):
        done = call(repo, "paper.alone", number, name, *folder)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr


def test_outputs_of_another_training_or_damaged_ones_change_nothing(repo: Path) -> None:
    before, given, same_params = scores(repo), repo / "given", "digits-exp-0.1_balanced_softmax_s0"
    cells = json.loads((repo / SMALL / CELLS).read_text())
    first = cells["cells"][CHOSEN[0]]
    params = first["params"].replace("model=baseline", "model=balanced_softmax")
    cells["cells"][same_params] = {**first, "model": "balanced_softmax", "params": params}
    grid_text = (repo / SMALL / CELLS).read_text()
    (repo / SMALL / CELLS).write_text(json.dumps(cells))
    given.mkdir()
    good, split, crt = ((repo / "kept" / f"{name}.zip").read_bytes() for name in CHOSEN)
    (given / "a_cell_of_none.zip").write_bytes(good)
    (given / f"{same_params}.zip").write_bytes(good)
    (given / f"{CHOSEN[1]}.zip").write_bytes(split[:-100])
    middle = len(crt) // 2
    (given / f"{CHOSEN[2]}.zip").write_bytes(crt[:middle] + b"damage" + crt[middle + 6 :])
    (given / f"{CHOSEN[0]}.zip").write_bytes(good)
    done = call(repo, "paper.rescore", "given", "--folder", str(SMALL))
    assert (done.returncode, done.stdout.split()) == (1, [CHOSEN[0]]), "the good one is scored"
    lines = done.stderr.splitlines()
    assert lines[0] == "rescore: 4 of 5 were refused:"
    said = {line.split(".zip: ")[0]: line for line in lines[1:]}
    assert "expected the name of a cell" in said["given/a_cell_of_none"]
    assert "of another method" in said[f"given/{same_params}"], "its params are the same"
    for name in CHOSEN[1:]:
        assert "damaged" in said[f"given/{name}"]
    assert scores(repo) == before
    (repo / SMALL / CELLS).write_text(grid_text)


def test_a_cell_is_what_the_pipeline_makes_of_its_params(repo: Path) -> None:
    """The figures of crt, which starts from another cell, stage by stage."""
    cell = json.loads((repo / SMALL / CELLS).read_text())["cells"][CHOSEN[2]]
    run("cp", "paper/params.yaml", "params.yaml", cwd=repo)
    names = ("resolve", "prepare", "partition", "train", "finetune", "evaluate")
    for name in names:
        arguments = cell["params"].split() if name == "resolve" else []
        done = call(repo, f"stages.{name}", *arguments)
        assert done.returncode == 0, done.stderr
    run("git", "checkout", "params.yaml", cwd=repo)
    metrics = json.loads((repo / "metrics/eval.json").read_text())
    score = scores(repo)[CHOSEN[2]]
    known = {**score["metrics"], "val_classes": score["val_classes"]}
    known["val_balanced_accuracy"] = score["rules"]["concat"]["val_balanced"]
    assert {key: known[key] for key in metrics} == metrics


def test_dvc_knows_two_stages_and_asks_for_no_cell(repo: Path) -> None:
    shown = run("dvc", "stage", "list", "paper/dvc.yaml", "--name-only", cwd=repo).stdout
    assert shown.split() == ["paper/dvc.yaml:cells", "paper/dvc.yaml:render"]
    shown = run("dvc", "params", "diff", "--all", "--md", cwd=repo).stdout
    assert "train.lr" in shown
    assert "paper/params.yaml" not in shown


def test_a_machine_is_filled_and_goes_on_after_a_kill(
    repo: Path, undisturbed: dict[str, Any]
) -> None:
    diverges = f"{PREFIX}_ensemble_s0"
    write_grid(repo, [*CHOSEN, diverges], **LONG, **{diverges: "train.lr=1e30"})
    forget(repo)
    first = fill(repo)
    while not list(repo.glob(".scratch/*/expert_0.*")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert first.returncode == -signal.SIGKILL

    output = filled(repo)
    assert "cells are done" in output
    done = scores(repo)
    assert "the loss of a batch" in done[diverges]["failed"], "a result, and no failure"
    assert done[CHOSEN[0]]["metrics"]["updates"] == EPOCHS * 4
    assert chosen(repo) == undisturbed
    again = call(repo, "paper.run", "--folder", str(SMALL))
    assert again.returncode == 0, again.stderr
    assert "4 of 4 cells are done, 0 to run" in again.stdout


def test_a_cell_that_fails_or_diverges_is_named_and_the_others_run(repo: Path) -> None:
    """A loss that is not finite is a result, also of what starts from there; bad params are not."""
    lws, diverged, after, bad, after_bad = names = [
        f"{PREFIX}_{name}" for name in ("lws_joint_s0", "baseline_s1", "crt_s1", *BAD)
    ]
    changes = dict.fromkeys((diverged, after), "train.lr=1e30")
    cut = "partition.criterion=thresholds partition.thresholds=[1000]"
    changes |= dict.fromkeys((bad, after_bad), cut)
    write_grid(repo, names, **changes)
    output = filled(repo, code=1)
    assert "run: 2 of 5 cells failed:\n" in output
    assert f"{bad}: partition.thresholds: " in output
    assert "got [1000]" in output
    assert f"{after_bad}: {bad}, which it starts from, failed" in output
    done = scores(repo)
    assert lws in done
    assert "the loss of a batch" in done[diverged]["failed"]
    assert done[after]["failed"].startswith(f"{diverged}, which it starts from: expert 0")
    assert done[after]["provenance"]["precision"] in ("fp32", "bf16")
    assert {diverged, after} <= Cells(repo / SMALL, repo / PARAMS).scored.keys()


def test_what_cannot_be_written_is_said_and_not_trained_again(
    repo: Path, undisturbed: dict[str, Any]
) -> None:
    write_grid(repo, CHOSEN, **LONG)
    forget(repo)
    for name in CHOSEN:
        (repo / "full" / f"{name}.zip").mkdir(parents=True)
    output = filled(repo, "--outputs", "full", code=1)
    assert "run: 3 of 3 cells failed:\n" in output
    message = f"full/{CHOSEN[2]}.zip: Is a directory; its networks stay where it was trained\n"
    assert message in output
    assert not chosen(repo), "the next run is to make the outputs, too"
    for name in CHOSEN:
        (repo / "full" / f"{name}.zip").rmdir()
    kept = list((repo / ".scratch/cells").glob("*/final/timing.json"))
    trained = {json.loads(path.read_text())["train_s"] for path in kept}
    assert len(trained) == 3
    filled(repo, "--outputs", "full")
    assert {scores(repo)[name]["timing"]["train_s"] for name in CHOSEN} == trained
    assert {path.stem for path in (repo / "full").iterdir()} == set(CHOSEN)
    assert not list((repo / ".scratch/cells").glob("*/final"))
    assert chosen(repo) == undisturbed


def test_timed_cells_are_run_when_asked_for(repo: Path) -> None:
    timed = [f"{PREFIX}_{name}_timed_s0" for name in ("baseline", "split_lws")]
    write_grid(repo, [*CHOSEN, *timed], **LONG, **dict.fromkeys(timed, "train.epochs=1"))
    assert "3 of 3 cells are done, 0 to run" in filled(repo)
    output = filled(repo, "--match", "timed")
    assert "0 of 2 cells are done, 2 to run" in output
    assert {path.stem for path in (repo / SMALL / "scores").glob("*_timed_*")} == set(timed)


def test_a_folder_that_cannot_be_is_said_before_hours_of_training(repo: Path) -> None:
    write_grid(repo, CHOSEN, **LONG)
    (repo / "file").write_text("")
    done = call(repo, "paper.run", "--folder", str(SMALL), "--outputs", "file")
    assert (done.returncode, done.stderr) == (1, "run: file: File exists\n")
    done = call(repo, "paper.run", "--folder", str(SMALL), "--outputs", "empty")
    assert "3 of these have no outputs in empty: their networks are gone" in done.stdout


def test_scores_stay_where_what_is_known_of_the_images_is_lost(
    repo: Path, undisturbed: dict[str, Any]
) -> None:
    write_grid(repo, CHOSEN, **LONG)
    facts = repo / SMALL / "datasets" / f"{PREFIX}.json"
    before = facts.read_text()
    facts.unlink()
    done = call(repo, "paper.run", "--folder", str(SMALL))
    assert "3 of 3 cells are done, 0 to run" in done.stdout, done
    assert facts.read_text() == before
    assert chosen(repo) == undisturbed


def test_the_list_of_cells_says_what_is_to_be_run(repo: Path) -> None:
    missing = f"{PREFIX}_group_softmax_s0"
    write_grid(repo, [*CHOSEN, missing], **{**LONG, CHOSEN[1]: "train.lr=0.2"})
    left = repo / SMALL / "scores" / "of_long_ago.json"
    left.write_text("{}")
    done = call(repo, "paper.run", "--folder", str(SMALL), "--list")
    left.unlink()
    *states, last = done.stdout.splitlines()
    assert states[:4] == [
        f"done      {CHOSEN[0]}",
        f"of others {CHOSEN[1]}",
        f"done      {CHOSEN[2]}",
        f"missing   {missing}",
    ]
    assert last == f"of no cell {SMALL}/scores/of_long_ago.json"


def test_bad_params_of_a_cell_are_said_before_any_is_run(repo: Path) -> None:
    write_grid(repo, [f"{PREFIX}_ensemble_s0"], **{f"{PREFIX}_ensemble_s0": "train.lr=-1"})
    done = call(repo, "paper.run", "--folder", str(SMALL))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"run: {PREFIX}_ensemble_s0: paper/params.yaml: train.lr: expected a number above 0, got -1"
    )


def to_nobody(_name: str, _result: cell.Result) -> None:
    pass


def test_a_cell_waits_for_a_run_that_cannot_be_called_back(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose person has pressed Ctrl-C: its worker trains on, and what it makes is taken."""
    write_grid(repo, CHOSEN, **LONG)
    monkeypatch.chdir(repo)
    monkeypatch.setattr(process, "PATIENCE_S", 0.0)
    options = Cells(SMALL).options(CHOSEN[0])
    asked, raw = [cell.Cell(CHOSEN[0], options, wanted=True)], cell.read_dataset(RAW / "digits")
    trained: list[str] = []
    real, holding = training.run, threading.Event()

    def counted(*arguments: Any, **named: Any) -> None:
        trained.append(threading.current_thread().name)
        holding.set()
        time.sleep(0.5)  # in which the other asks for the same
        real(*arguments, **named)

    monkeypatch.setattr(training, "run", counted)
    made: dict[str, cell.Result] = {}

    def ask() -> None:
        results, _ = cell.run_chain(asked, raw, False, cell.CODE, to_nobody)
        made[threading.current_thread().name] = results[CHOSEN[0]]

    first, second = (threading.Thread(target=ask, name=name) for name in ("first", "second"))
    first.start()
    holding.wait()
    second.start()
    first.join()
    second.join()
    cell.clear([str(cell._folder(options))])
    assert trained == ["first"]
    assert made["first"] == made["second"]
    assert same(json.loads(json.dumps(made["first"]["score"]))) == same(scores(repo)[CHOSEN[0]])


def test_networks_that_another_run_uses_are_not_cleared(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.0)
    folder = repo / ".scratch" / "cells" / "some"
    with process.lock(folder / cell.LOCK):
        cell.clear([str(folder)])
        assert folder.exists()
    cell.clear([str(folder)])
    assert not folder.exists()


def test_a_damaged_score_is_named_with_what_brings_another(repo: Path) -> None:
    path = repo / SMALL / "scores" / f"{CHOSEN[0]}.json"
    text = path.read_text()
    path.write_text(text[:100])
    done = call(repo, "paper.run", "--folder", str(SMALL))
    path.write_text(text)
    assert done.returncode == 1
    place = f"{SMALL}/scores/{CHOSEN[0]}.json"
    assert done.stderr == (
        f"run: {place}: cut short, or not JSON; delete it, and `python -m paper.run` makes it "
        f"anew, or take that of the last commit: `git checkout HEAD -- {place}`\n"
    )


def test_ctrl_c_reaches_workers_too_and_prints_one_line(repo: Path) -> None:
    write_grid(repo, CHOSEN, **LONG)
    forget(repo)
    started = fill(repo, new_session=True)
    while not list(repo.glob(".scratch/*/expert_0.*")):
        assert started.poll() is None, started.communicate()
        time.sleep(0.01)
    os.killpg(started.pid, signal.SIGINT)
    output, _ = started.communicate()
    assert started.returncode == 130
    assert output.endswith("run: stopped by SIGINT\n")
    assert "Traceback" not in output
    filled(repo)


@contextlib.contextmanager
def cluster(
    repo: Path, *workers: dict[str, str], scheduler: dict[str, str] | None = None
) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler, and workers with what their environments have besides.

    Gives the scheduler's address, and the workers as processes, as soon as they are there.
    """
    dask = Path(sys.executable).with_name("dask").as_posix()
    environment = {**os.environ, "PYTHONPATH": str(repo), "LT_SCRATCH": str(repo / ".elsewhere")}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"

    def start(env: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [dask, *command, "--no-dashboard"],
            cwd=repo,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**environment, **env},
        )

    with contextlib.ExitStack() as stack:
        head = start(scheduler or {}, "scheduler", "--host", "127.0.0.1", "--port", port)
        own = [start(env, "worker", address, "--nthreads", "1", "--no-nanny") for env in workers]
        for one in (head, *own):
            stack.callback(one.wait)
            stack.callback(one.kill)
        with Client(address) as client:
            client.wait_for_workers(len(own))
            # what one has not begun, since it is importing still, another takes from it
            client.run(importlib.import_module, "paper.run")
        yield address, own


def test_workers_elsewhere_and_one_of_them_killed(repo: Path, undisturbed: dict[str, Any]) -> None:
    """Two worker processes of a scheduler that runs already; the chain at work moves over.

    Another run at the same cluster has cells of the same names: each gets its own scores.
    """
    write_grid(repo, CHOSEN, **LONG)
    forget(repo)
    other = repo / "paper" / "other"
    other.mkdir()
    few = json.loads((repo / SMALL / CELLS).read_text())
    few["cells"] = {CHOSEN[0]: few["cells"][CHOSEN[0]]}
    few["cells"][CHOSEN[0]]["params"] += " train.epochs=2"
    (other / CELLS).write_text(json.dumps(few))
    with cluster(repo, {}, {}) as (address, workers):
        both = [
            fill(repo, "--folder", str(folder), "--scheduler", address)
            for folder in (SMALL, other.relative_to(repo))
        ]
        while not list(repo.glob(".elsewhere/*/expert_0.*")):
            assert both[0].poll() is None, both[0].communicate()
            time.sleep(0.01)
        workers[0].send_signal(signal.SIGKILL)
        for process in both:
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 0, output
    assert chosen(repo) == undisturbed
    assert "1/1" in output
    (path,) = (other / "scores").glob("*.json")
    assert json.loads(path.read_text())["metrics"]["updates"] == 2 * 4


def test_a_worker_of_other_code_is_left_out(repo: Path) -> None:
    names = [f"{PREFIX}_{name}_s0" for name in ("group_softmax", "ros", "balanced_softmax")]
    write_grid(repo, [*CHOSEN, *names], **LONG)
    old = shutil.copytree(repo, repo.with_name("old"), ignore=shutil.ignore_patterns(".*"))
    (old / "paper" / "new.py").touch()
    of_old = {"PYTHONPATH": str(old)}
    refused = "began with other code, and is given nothing"
    with cluster(repo, {}, of_old) as (address, _), Client(address) as client:
        (good,) = (
            worker
            for worker, path in client.run(os.getenv, "PYTHONPATH").items()
            if path == str(repo)
        )
        # busy until the other has refused a chain: it could be quick enough to take all three
        free = Event("free", client)
        busy = client.submit(Event.wait, free, 300, workers=[good])
        with fill(repo, "--scheduler", address) as filling:
            assert filling.stdout
            output = ""
            for line in filling.stdout:
                output += line
                if refused in line:
                    free.set()
        assert filling.returncode == 0, output
        assert busy.result(), "no chain was refused"
    assert output.count(refused) == 1
    assert "Traceback" not in output
    assert "3/3" in output
    for name in names:
        (repo / SMALL / "scores" / f"{name}.json").unlink()
    with cluster(repo, of_old) as (address, _):
        output = filled(repo, "--scheduler", address, code=1)
    assert "run: 3 of 3 cells failed:" in output
    assert f"{names[0]}: no worker has the code that this run began with; start them" in output


def test_a_scheduler_without_this_repository_is_told_from_a_worker_that_died(repo: Path) -> None:
    write_grid(repo, [*CHOSEN, f"{PREFIX}_group_softmax_s0"], **LONG)
    (repo / SMALL / "scores" / f"{PREFIX}_group_softmax_s0.json").unlink(missing_ok=True)
    match = ["--match", "group_softmax"]
    with cluster(repo, {}, scheduler={"PYTHONPATH": ""}) as (address, _):
        output = filled(repo, *match, "--scheduler", address, code=1)
    assert "died" not in output
    assert "the log of Dask's scheduler may say more" in output
    output = filled(repo, *match, "--scheduler", "127.0.0.1:1x", code=1)
    assert "run: --scheduler: expected the address of one, such as tcp://host:8786, got " in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paper.run", "--match", "nosuch"], "--match: no cell of paper has 'nosuch' in its name"),
        (["paper.run", "--per-gpu", "0"], "--per-gpu: expected an integer at least 1, got 0"),
        (["paper.run", "--fast"], "unrecognized arguments: --fast"),
        (["paper.grid", "huge"], "expected one of full, small, or a file with --folder, got huge"),
        (["paper.grid", "small", "--folder", "x"], "or a file with --folder, got small --folder x"),
        (["paper.grid", "huge", "--folder", "x"], "huge: no such file"),
        (["paper.run", "--folder", "nowhere"], "nowhere/cells.json: no such file"),
        (["paper.render", "x"], "unrecognized arguments: x"),
        (["paper.render", "--folder", "nowhere"], "nowhere/cells.json: no such file"),
    ],
)
def test_bad_arguments(repo: Path, arguments: list[str], message: str) -> None:
    done = (spawn if arguments[0] == "paper.grid" else call)(repo, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
