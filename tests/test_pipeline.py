"""The whole pipeline, as a user runs it: real images, DVC, a git repository of its own."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from PIL import Image

from bench import kills
from lt.score import combine, experiments
from stages import evaluate
from tests.conftest import call, run, spawn

METRICS = ["eval.json", "costs.json", "rules.csv", "per_class.csv", "confusion.csv", "curves.csv"]
METRICS += ["made_from.json", "table.md", "accuracy.png"]


def dvc(repo: Path, *arguments: str, code: int = 0) -> str:
    done = run("dvc", *arguments, cwd=repo)
    text = done.stdout + done.stderr
    assert done.returncode == code, text
    assert "Traceback" not in text, text
    return text


def ran(text: str) -> list[str]:
    """The stages that DVC says it ran."""
    lines = text.splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


Run = Callable[..., subprocess.CompletedProcess[str]]


def stage(repo: Path, *arguments: str, how: Run = call) -> str:
    """The message of a stage that must fail with one; `how`: in this process, or spawned."""
    done = how(repo, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def results(repo: Path) -> bytes:
    return (repo / "metrics" / "eval.json").read_bytes()


def start_training(repo: Path) -> tuple[subprocess.Popen[bytes], int]:
    """`dvc repro`, and the process in which it trains, when there is a checkpoint."""
    process = kills.dvc_repro(repo)
    pid = kills.training(process)
    lock = repo / "models" / ".trained.lock"
    while str(pid) not in lock.read_text() or not list(repo.glob(".scratch/*/expert_0.*")):
        assert process.poll() is None, kills.log(repo).read_text()
        time.sleep(0.01)
    return process, pid


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the working tree with a short default, run once."""
    repo = kills.clone(tmp_path_factory.mktemp("clone"), 2, "resnet20")
    dvc(repo, "repro")
    run("git", "add", "-A", cwd=repo)
    run("git", "commit", "-q", "-m", "results", cwd=repo)
    return repo


def test_results_are_there_and_nothing_else_is(repo: Path) -> None:
    metrics = json.loads(results(repo))
    assert list(metrics) == [
        *("accuracy", "balanced_accuracy", "head", "tail", "many", "medium", "few"),
        *("within_group", "group_accuracy", "macro_f1", "ece", "nll"),
        *("val_balanced_accuracy", "val_classes"),
    ]
    assert set(metrics["val_classes"]) == {"head", "tail"}
    rules = [line.split(",") for line in (repo / "metrics/rules.csv").read_text().splitlines()]
    agree = {row[1] for row in rules[1:] if row[0] not in combine.OFFSETS}
    assert len(agree) == 1, "one expert: every other rule agrees"
    assert [row[0] for row in rules[1:]] == list(combine.RULES)
    assert metrics["accuracy"] <= metrics["within_group"]["accuracy"]
    costs = json.loads((repo / "metrics/costs.json").read_text())
    assert list(costs) == ["parameters", "trained_parameters", "updates", "images"]
    assert costs["updates"] == 2 * 4
    run_json = json.loads((repo / "models/final/run.json").read_text())
    assert {"seed", "precision", "device", "versions", "git", "train", "data"} <= set(run_json)
    assert len(run_json["data"]["sha256"]) == 64
    changed = run("git", "show", "--stat", "--format=", "--name-only", "HEAD", cwd=repo).stdout
    assert set(changed.split()) <= {
        *("dvc.lock", "data/dvc.lock"),
        *(f"metrics/{name}" for name in METRICS),
    }
    assert "**baseline** on digits exp 0.1" in (repo / "metrics/table.md").read_text()


def test_a_second_repro_does_nothing(repo: Path) -> None:
    assert "up to date" in dvc(repo, "repro")


def test_other_methods_reuse_what_is_there_and_going_back_trains_nothing(repo: Path) -> None:
    before = results(repo)
    text = dvc(repo, "exp", "run", "-S", "model=split_lws")
    assert "WARNING" not in text
    assert ran(text) == ["resolve", "train", "finetune", "evaluate", "table"]
    diff = dvc(repo, "metrics", "diff")
    assert "macro_f1" in diff
    assert "within_group.accuracy" in diff
    table = call(repo, "stages.table", "--experiments", "--csv", "runs.csv").stdout
    assert "split_lws" in table
    rows = read_csv(repo / "runs.csv")
    (repo / "runs.csv").unlink()
    now = json.loads((repo / "metrics/eval.json").read_text())
    mine = next(row for row in rows if row["model"] == "split_lws")
    for name, value in (("few", now["few"]), ("within_group.tail", now["within_group"]["tail"])):
        assert float(mine[name]) == pytest.approx(value)
    flat = {**now, **json.loads((repo / "metrics/costs.json").read_text())}
    known = {name.partition(".")[0] for name in experiments.RUN_METRICS}
    assert known | {"val_classes"} == set(flat), "a figure without a column"
    for model in ("crt", "ncm"):
        text = dvc(repo, "exp", "run", "-S", f"model={model}", "-S", "methods.crt.epochs=1")
        assert ran(text) == ["resolve", "finetune", "evaluate", "table"], "they share the first"
        about = json.loads((repo / "models/final/run.json").read_text())
        assert (about["model"], about["start"]["model"]) == (model, "baseline")
        costs = json.loads((repo / "metrics/costs.json").read_text())
        assert costs["updates"] == 2 * 4 + (4 if model == "crt" else 0)
    text = dvc(repo, "exp", "run", "-S", "model=baseline", "-S", "methods.crt.epochs=10")
    assert not {"train", "finetune"} & set(ran(text))
    assert results(repo) == before
    assert run("git", "status", "--short", cwd=repo).stdout == ""


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


STAGES = ("resolve", "prepare", "partition", "train", "finetune", "evaluate")


def link_code(repo: Path, folder: Path) -> None:
    """A folder in which the stages of `repo` can run."""
    for name in ("lt", "stages", "dvc.yaml", "params.yaml"):
        (folder / name).symlink_to(repo / name)
    (folder / "data").mkdir()
    (folder / "data" / "dvc.yaml").symlink_to(repo / "data" / "dvc.yaml")


def undo(repo: Path) -> None:
    """As the README says."""
    (repo / "params.yaml").touch()
    assert run("git", "checkout", "params.yaml", cwd=repo).returncode == 0


def test_twice_the_same_run_is_the_same_bit_for_bit(repo: Path, tmp_path: Path) -> None:
    link_code(repo, tmp_path)
    for name, *rest in (["download", "digits"], *([name] for name in STAGES)):
        done = call(tmp_path, f"stages.{name}", *rest)
        assert done.returncode == 0, done.stderr
    assert results(tmp_path) == results(repo)


def test_editing_one_method_leaves_the_others_cached(repo: Path) -> None:
    def edit(name: str) -> None:
        path = repo / "lt" / "methods" / f"{name}.py"
        path.write_text(path.read_text() + "# edited\n")

    edit("lws")
    assert ran(dvc(repo, "repro")) == ["resolve"]
    edit("baseline")
    text = dvc(repo, "repro", "--dry")
    assert ran(text) == ["resolve"], "what else depends on what resolve writes"
    assert ran(dvc(repo, "repro")) == ["resolve", "train", "finetune", "evaluate", "table"]
    run("git", "checkout", "lt", cwd=repo)
    assert not {"train", "finetune"} & set(ran(dvc(repo, "repro")))


def test_other_weights_in_the_same_file_train_again(repo: Path) -> None:
    path = repo / "data/weights/begin.safetensors"
    shutil.copy(repo / "models/final/expert_0.safetensors", path)
    dvc(repo, "exp", "run", "-S", "train.weights=data/weights/begin.safetensors", "-S", "seed=5")
    assert not ran(dvc(repo, "repro"))
    kept = safetensors.numpy.load_file(path)
    safetensors.numpy.save_file({name: np.asarray(2 * one) for name, one in kept.items()}, path)
    assert ran(dvc(repo, "repro"))[:2] == ["resolve", "train"]
    path.unlink()
    undo(repo)
    dvc(repo, "repro")


def test_what_waits_in_a_queue_has_no_row(repo: Path) -> None:
    dvc(repo, "exp", "run", "--queue", "-S", "train.lr=0.07")
    table = run("python", "-m", "stages.table", "--experiments", cwd=repo).stdout
    dvc(repo, "queue", "remove", "--all")
    assert "0.07" not in table, "DVC shows the commit's metrics beside it"
    assert "Not shown: experiments of the queue that have no result: 1 queued." in table


def test_a_method_that_was_edited_between_two_seeds_is_another(repo: Path) -> None:
    path = repo / "lt/methods/mixup.py"
    kept = path.read_text()
    for seed, more in (("0", ""), ("1", "# edited\n")):
        path.write_text(kept + more)
        dvc(repo, "exp", "run", "-S", "model=mixup", "-S", f"seed={seed}")
    path.write_text(kept)
    undo(repo)
    table = call(repo, "stages.table", "--experiments", "--csv", "runs.csv").stdout
    assert "code: another mark means that a method, training or scores were edited." in table
    marks = {row["code"] for row in read_csv(repo / "runs.csv") if row["model"] == "mixup"}
    assert len(marks) == 2
    (repo / "runs.csv").unlink()
    dvc(repo, "repro")


def test_experiments_of_other_commits_are_counted_or_shown(repo: Path) -> None:
    def table(*more: str) -> str:
        arguments = ("-m", "stages.table", "--experiments", *more)
        return run("python", *arguments, cwd=repo).stdout

    dvc(repo, "exp", "run", "-S", "seed=9", "-S", "train.lr=0.0707")
    undo(repo)
    dvc(repo, "repro")
    before = table()
    assert "other commits" not in before
    assert table("--all-commits") == before
    assert "| 0.0707 " in before
    run("git", "commit", "--allow-empty", "-m", "later", cwd=repo)
    try:
        number = len(dvc(repo, "exp", "list", "-A", "--name-only").split())
        assert f"Not shown: {number} of other commits (-A shows them)." in table()
        assert "| 0.0707 " not in table()
        assert table("-A") == before
    finally:
        run("git", "reset", "--soft", "HEAD~1", cwd=repo)


def test_a_commit_of_params_that_were_not_run_has_no_row(repo: Path) -> None:
    path, head = repo / "params.yaml", run("git", "rev-parse", "HEAD", cwd=repo).stdout.strip()
    dvc(repo, "exp", "run", "-S", "seed=9")
    undo(repo)
    dvc(repo, "repro")
    path.write_text(re.sub(r"\n  lr: \S+", "\n  lr: 0.0703", path.read_text()))
    run("git", "commit", "-m", "not run", "params.yaml", cwd=repo)
    try:
        table = run("python", "-m", "stages.table", "--experiments", "-A", cwd=repo).stdout
        assert "0.0703" not in table, "DVC shows the metrics of those before"
        assert "| baseline" in table, "those of other commits"
        assert "Not shown: params.yaml as it is now" in table
        assert "Not shown: 1 (commits or experiments) whose dvc.lock does not say" in table
        dvc(repo, "repro", "-s", "resolve")
        run("git", "commit", "-m", "not run, but for the first stage", "dvc.lock", cwd=repo)
        table = run("python", "-m", "stages.table", "--experiments", "-A", cwd=repo).stdout
        assert "0.0703" not in table
    finally:
        run("git", "reset", "--hard", head, cwd=repo)
        dvc(repo, "repro")


def test_in_a_merge_nothing_is_undone(repo: Path) -> None:
    lock = repo / "dvc.lock"
    kept = lock.read_text()
    merge = repo / ".git/MERGE_HEAD"
    merge.write_text(run("git", "rev-parse", "HEAD", cwd=repo).stdout)
    lock.write_text(f"<<<<<<< HEAD\n{kept}")
    try:
        done = run("make", "undo", cwd=repo)
        assert done.returncode == 2
        assert "undo: git is in a merge, or has conflicts (`git status`)" in done.stderr
        message = stage(repo, "stages.table", "--experiments", how=spawn)
        assert "unable to read: 'dvc.lock', YAML file structure is corrupted" in message
    finally:
        merge.unlink()
        lock.write_text(kept)


def test_an_experiment_of_another_worktree_is_left_alone(repo: Path, tmp_path: Path) -> None:
    """Worktrees share DVC's refs."""
    there = "refs/exps/exec/EXEC_HEAD"
    run("git", "worktree", "add", "-q", "--detach", str(tmp_path / "other"), cwd=repo)
    run("git", "update-ref", there, "HEAD", cwd=repo)
    done = run("make", "undo", cwd=repo)
    assert done.returncode == 0, done.stderr
    assert "refs/exps/exec is left alone" in done.stdout
    assert there in run("git", "for-each-ref", cwd=repo).stdout
    shutil.rmtree(tmp_path / "other")
    assert "left alone" not in run("make", "undo", cwd=repo).stdout, "the folder is gone"
    assert there not in run("git", "for-each-ref", cwd=repo).stdout


def test_in_a_folder_of_a_larger_repository(repo: Path, tmp_path: Path) -> None:
    """Experiments have their rows, and undo works."""
    folder = tmp_path / "below/here"
    shutil.copytree(repo, folder, symlinks=True, ignore=shutil.ignore_patterns(".git", ".dvc"))
    for command in (
        ["git", "init", "-q", str(tmp_path)],
        ["dvc", "init", "-q", "--subdir"],
        ["git", "add", "-A", "."],
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "start"],
    ):
        done = run(*command, cwd=folder)
        assert done.returncode == 0, done.stderr
    table = call(folder, "stages.table", "--experiments").stdout
    assert "| baseline" in table, "the last commit"
    assert "no experiment yet" not in table
    shutil.copytree(repo / ".dvc/cache", folder / ".dvc/cache")
    done = run("make", "undo", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "params.yaml goes back to the last commit's" in done.stdout


def test_bad_params_stop_before_anything_is_lost(repo: Path) -> None:
    before = results(repo), sorted((repo / "models/final").iterdir())
    text = dvc(
        *(repo, "exp", "run", "-S", "model=split_lws", "-S", "evaluate.combine=rest"), code=255
    )
    assert "evaluate.combine: 'rest' does not apply" in text
    assert ran(text) == ["resolve"], "nothing is trained"
    table = run("python", "-m", "stages.table", "--experiments", cwd=repo).stdout
    assert "| baseline" in table
    assert "| rest " not in table, "DVC shows these params beside the metrics of those before"
    assert "Not shown: params.yaml as it is now" in table
    message = "data.name: expected one of digits, cifar10, cifar100, images, got 'mnist'"
    assert message in stage(repo, "stages.resolve", "data.name=mnist")
    assert (results(repo), sorted((repo / "models/final").iterdir())) == before
    undo(repo)
    assert "up to date" in dvc(repo, "repro"), "resolved/ is that of the last run"


SPAWNED = ("table",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "data.imb_factor=0.001"], "0.001 leaves class 7 without an image"),
        (["prepare", "data.val_fraction=0.999"], "data.val_fraction: 0.999 takes the last"),
        (["resolve", "partition.num_groups=11"], "expected at most 10, the number of classes, got"),
        (
            ["partition", "partition.criterion=thresholds", "partition.thresholds=[9999]"],
            "group 0 would have no class and so no training image",
        ),
        (["resolve", "model=nosuch"], "model: no method 'nosuch'; those that exist: balanced_s"),
        (["resolve", "data.imb_factor=0"], "data.imb_factor: expected a number in (0, 1], got 0"),
        (["resolve", "train.lr=fast"], "train.lr: expected a number above 0, got 'fast'"),
        (["resolve", "train.batch_size=0"], "train.batch_size: expected an integer at least 2"),
        (["resolve", "methods.ros.epoch_length=long"], "epoch_length: expected one of full, match"),
        (["resolve", "methods.baseline.start=cosine"], "start: expected a method with its"),
        (["resolve", "evaluate.combine=best"], "evaluate.combine: expected one of concat, sum"),
        (
            ["resolve", "model=split_lws", "evaluate.combine=rest"],
            "evaluate.combine: 'rest' does not apply",
        ),
        (["resolve", "methods.ros={}", "model=ros"], "methods.ros.epoch_length: missing"),
        (["train", "train.lr=1e30"], "expert 0, phase 1, epoch 1, step"),
        (["prepare", "--fast"], "expected no arguments, got --fast; params are given to"),
        (["table", "--all"], "expected --experiments or nothing, got --all"),
        (["table", "--experiments", "--cvs"], "unrecognized arguments: --cvs; see --help"),
        (
            ["table", "--experiments", "--csv", "metrics"],
            "--csv: expected a file, got the folder metrics",
        ),
        (["download", "mnist"], "expected one dataset of digits, cifar10, cifar100, got mnist"),
    ],
)
def test_bad_input_of_a_stage(repo: Path, arguments: list[str], message: str) -> None:
    def tree() -> dict[str, bytes]:
        files = [
            path for name in ("data", "models", "metrics") for path in (repo / name).rglob("*")
        ]
        kept = [path for path in files if path.is_file() and path.suffix != ".lock"]
        return {str(path): path.read_bytes() for path in kept}

    before, (name, *rest) = tree(), arguments
    overrides = [text for text in rest if "=" in text and name != "resolve"]
    if overrides:
        assert call(repo, "stages.resolve", *overrides).returncode == 0
        rest = []
    assert message in stage(repo, f"stages.{name}", *rest, how=spawn if name in SPAWNED else call)
    assert tree() == before
    if overrides:
        assert call(repo, "stages.resolve").returncode == 0


def test_predictions_for_image_files(repo: Path, tmp_path: Path) -> None:
    images = np.load(repo / "data/raw/digits/test_images.npy")
    paths = [str(tmp_path / f"{k}.png") for k in range(3)]
    for path, image in zip(paths, images, strict=False):
        Image.fromarray(image[..., 0]).save(path)
    with np.load(repo / "models/final/outputs.npz") as outputs:
        expected = outputs["test_0"][:3].argmax(1).tolist()
    done = call(repo, "stages.predict", *paths)
    rows = [line.strip("|").split("|") for line in done.stdout.splitlines()[2:]]
    assert [int(row[1]) for row in rows] == expected

    # the same image three times as large, twenty times, and three files that are none among them
    Image.open(paths[0]).resize((24, 24), Image.Resampling.NEAREST).save(paths[0])
    Path(paths[2]).write_bytes(Path(paths[2]).read_bytes()[:60])
    good, bad = [*paths[:1] * 20, paths[1]], [paths[2], "none.png", "params.yaml"]
    done = call(repo, "stages.predict", *bad[:1], *good, *bad[1:])
    rows = [line.strip("|").split("|") for line in done.stdout.splitlines()[2:]]
    assert {row[0].strip(): int(row[1]) for row in rows} == dict(
        zip(paths[:2], expected, strict=False)
    )
    assert done.returncode == 1
    scaled, *problems = done.stderr.splitlines()
    assert scaled.startswith("predict: 20 of 24 images were cut to a square and scaled to 8x8")
    assert [line.rpartition(": ")[2].split(" (")[0] for line in problems] == [
        "not a whole image file",
        "no such image file",
        "not an image file",
    ]
    weights = repo / "models/final/expert_0.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:5000])
    try:
        message = stage(repo, "stages.predict", paths[1])
        assert "expert_0.safetensors: is not the file that belongs to" in message
    finally:
        weights.write_bytes(kept)


def test_answers_as_a_file_and_the_networks_as_one(repo: Path, tmp_path: Path) -> None:
    images = np.load(repo / "data/raw/digits/test_images.npy")[:12]
    for k, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{k}.png")
    (tmp_path / "5.png").write_text("no image")
    answers, model = tmp_path / "answers.csv", tmp_path / "model.pt2"
    done = call(repo, "stages.predict", str(tmp_path), "--csv", str(answers))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"predict: {tmp_path / '5.png'}: not an image file\n"
    rows = list(csv.DictReader(answers.read_text().splitlines()))
    assert [Path(row["path"]).stem for row in rows] == [str(k) for k in range(12) if k != 5]

    done = call(repo, "stages.export", str(model))
    assert done.returncode == 0, done.stderr
    assert re.match(r"validation: \d+ images, largest difference of probabilities", done.stdout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that weights could be written to
        module = torch.export.load(model).module()
    p = module(torch.from_numpy(images))
    about = json.loads((tmp_path / "model.pt2.json").read_text())
    told = [about["classes"][label] for label in np.delete(p.argmax(1).numpy(), 5)]
    assert told == [row["answer"] for row in rows]
    assert about["compared"]["test"]["images"] == 256

    message = stage(repo, "stages.export", str(tmp_path / "model.h5"))
    expected = "export: expected a file that ends in .onnx or .pt2, got "
    assert message == f"{expected}{tmp_path}/model.h5\n"
    assert not list(tmp_path.glob("*.h5*"))


def test_report_and_suggestions(repo: Path, tmp_path: Path) -> None:
    out = tmp_path / "a page.html"
    done = call(repo, "stages.report", "--out", str(out))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}\n", "")
    text, scored = out.read_text(), json.loads(results(repo))
    assert f"<b>{scored['balanced_accuracy']:.1f}</b>" in text
    assert "Methods tried" in text
    assert text.count("data:image/png;base64,") >= 5
    done = call(repo, "stages.suggest")
    assert "Largest class / smallest: 10.7 (139 to 13 images)" in done.stdout
    assert done.stdout.count("dvc exp run -S model=") == 3
    assert "expected a file, got the folder" in stage(repo, "stages.report", "--out", "docs")
    assert "unrecognized arguments: --fast" in stage(repo, "stages.report", "--fast")
    assert "expected no arguments, got x" in stage(repo, "stages.suggest", "x")
    kept = out.read_bytes()
    labels = repo / "data/raw/digits/test_labels.npy"
    before = labels.read_bytes()
    labels.chmod(0o644)
    labels.unlink()  # DVC may have linked it to its cache
    np.save(labels, np.zeros(360, dtype=np.int64))
    try:
        message = stage(repo, "stages.report", "--out", str(out))
        assert "data/raw/digits: other test images than those of models/final" in message
        assert out.read_bytes() == kept
    finally:
        labels.unlink()
        labels.write_bytes(before)


def test_without_validation_images(repo: Path, tmp_path: Path) -> None:
    link_code(repo, tmp_path)
    (tmp_path / "data" / "raw").symlink_to(repo / "data" / "raw")
    overrides = ("data.val_fraction=0", "train.epochs=1")
    for name in STAGES:
        arguments = overrides if name == "resolve" else ()
        assert call(tmp_path, f"stages.{name}", *arguments).returncode == 0
    lines = (tmp_path / "metrics/rules.csv").read_text().splitlines()
    empty = {rule for rule, *figures in (line.split(",") for line in lines) if not any(figures)}
    assert empty == set(combine.FITTED)
    metrics = json.loads((tmp_path / "metrics/eval.json").read_text())
    assert metrics["val_classes"] == {"head": 0, "tail": 0}
    message = stage(tmp_path, "stages.resolve", *overrides, "model=tau_norm")
    assert "data.val_fraction: this method chooses on validation images" in message


def test_params_that_are_not_yaml(repo: Path) -> None:
    path = repo / "params.yaml"
    kept = path.read_text()
    path.write_text(kept + "model: [\n")
    try:
        assert "params.yaml: not valid YAML" in stage(repo, "stages.resolve")
        assert "params.yaml" in dvc(repo, "repro", code=255)
    finally:
        path.write_text(kept)


def test_a_stage_on_its_own_says_what_is_missing(repo: Path, tmp_path: Path) -> None:
    link_code(repo, tmp_path)
    assert "run `dvc repro`, which makes it" in stage(tmp_path, "stages.partition")
    assert call(tmp_path, "stages.resolve").returncode == 0
    assert "missing or cut short" in stage(tmp_path, "stages.prepare")


def test_metrics_are_of_the_code_that_trained_the_start_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluate.resolved, "read", lambda _: {"code": "own"})
    runs = [
        {"code": code, "start": start}
        for code in ("a", "b")
        for start in (None, {"code": "a"}, {"code": "b"})
    ]
    assert len({evaluate._code(run) for run in runs}) == len(runs)
