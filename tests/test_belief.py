"""A result is what it says it is: edits meanwhile, files of different runs, damaged files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import stages
from bench import kills, mutations
from lt import process as processes
from tests.conftest import call, run, spawn
from tests.test_pipeline import dvc, ran, results, stage, start_training

EPOCHS = 10  # long enough to be killed, and edited meanwhile


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the working tree with a training of some seconds, run once."""
    repo = kills.clone(tmp_path_factory.mktemp("clone"), EPOCHS, "resnet20")
    dvc(repo, "repro")
    run("git", "add", "-A", cwd=repo)
    run("git", "commit", "-q", "-m", "results", cwd=repo)
    return repo


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    kept = path.read_text()
    assert old in kept
    path.write_text(kept.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(kept)


@contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    kept = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(kept)


LR = ("params.yaml", "  lr: 0.1\n", "  lr: 0.03\n")
NOT_YAML = ("params.yaml", "train:\n", "train: [\n")
SCHEDULES = ("lt/train/schedules.py", "return lr", "return 2 * lr")
METHOD = ("lt/methods/baseline.py", "\n", "\n# edited\n")
COMMENT = ("params.yaml", "# images\n", "# images of a batch\n")
OTHERS_PARAM = ("params.yaml", "baseline, epochs: 10, epoch_l", "baseline, epochs: 9, epoch_l")
OTHERS_CODE = ("lt/methods/crt.py", "\n", "\n# edited\n")
KEPT_OUT = "changed while this ran, so that its result is not kept: "


@contextmanager
def edits(repo: Path, *every: tuple[str, str, str]) -> Iterator[None]:
    with ExitStack() as stack:
        for name, old, new in every:
            stack.enter_context(edited(repo / name, old, new))
        yield


@contextmanager
def trained_anew(
    repo: Path, monkeypatch: pytest.MonkeyPatch, *every: tuple[str, str, str]
) -> Iterator[subprocess.CompletedProcess[str]]:
    """The training again, in this process, with edits made after its first epoch.

    The edits are there within the `with` statement, and models/trained is that training's.
    """
    trained, aside, report = repo / "models/trained", repo / "aside", processes.Progress.report
    with ExitStack() as stack:

        def edit_and_report(progress: processes.Progress, row: dict[str, Any]) -> None:
            if progress.done == 0:
                stack.enter_context(edits(repo, *every))
                (repo / "lt/train/loop.py").touch()
            report(progress, row)

        trained.rename(aside)
        stack.callback(aside.rename, trained)
        stack.callback(shutil.rmtree, trained, ignore_errors=True)
        with monkeypatch.context() as patched:
            patched.setattr(stages, "CODE_ROOT", repo)
            patched.setattr(processes.Progress, "report", edit_and_report)
            done = call(repo, "stages.train")
        yield done


def learned(folder: Path) -> list[bytes]:
    """What of a training is the same when it is done again."""
    return [(folder / name).read_bytes() for name in ("expert_0.safetensors", "outputs.npz")]


def test_an_edit_meanwhile_is_no_part_of_a_result(repo: Path) -> None:
    """Of two edits, each is named, so each would have been enough."""
    before = results(repo)
    kills.forget(repo)
    process, _ = start_training(repo)
    with edits(repo, LR, METHOD):
        assert process.wait() != 0
        output = kills.log(repo).read_text()
        assert f"train: {KEPT_OUT}params.yaml (train.lr: 0.1, now 0.03), {METHOD[0]}; " in output
        assert "; the same run goes on from the checkpoint in .scratch/" in output
        assert "Traceback" not in output
        assert not (repo / "models/trained").exists()
    text = dvc(repo, "repro")
    assert f"train: expert 0 goes on after phase 1, epoch {EPOCHS}" in text
    assert results(repo) == before


def test_edits_meanwhile_of_code_and_to_no_yaml(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = learned(repo / "models/trained")
    with trained_anew(repo, monkeypatch, SCHEDULES, NOT_YAML) as done:
        assert done.returncode == 1
        assert f"train: {KEPT_OUT}{SCHEDULES[0]}, params.yaml: not valid YAML" in done.stderr
        assert "; the same run goes on from the checkpoint in .scratch/" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (repo / "models/trained").exists()
    with trained_anew(repo, monkeypatch) as done:
        assert done.returncode == 0
        assert f"train: expert 0 goes on after phase 1, epoch {EPOCHS}" in done.stderr
        assert learned(repo / "models/trained") == before


def test_a_run_that_is_killed_goes_on_and_ends_the_same(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = results(repo)
    kills.forget(repo)
    process, pid = start_training(repo)
    os.kill(pid, signal.SIGSTOP)  # it is still there when the second run gives up
    monkeypatch.setattr(processes, "PATIENCE_S", 0.1)
    holder = f"models/.trained.lock is held by process {pid} on"
    assert f"train: another run is at work here: {holder}" in stage(repo, "stages.train")
    os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGTERM)
    assert process.wait() != 0
    output = kills.log(repo).read_text()
    assert "train: stopped by SIGTERM; the same run goes on from the checkpoint in" in output

    process, _ = start_training(repo)
    process.kill()  # DVC, and the stage ends by itself
    process.wait()
    output = dvc(repo, "repro")
    assert "train: expert 0 goes on after phase 1, epoch " in output
    assert results(repo) == undisturbed
    assert not list((repo / ".scratch").iterdir())
    left = [path.name for path in (repo / "models").iterdir()]
    assert not [name for name in left if name.endswith((".tmp", ".old"))]


def test_what_says_the_same_may_be_touched_meanwhile(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = learned(repo / "models/trained")
    with trained_anew(repo, monkeypatch, COMMENT, OTHERS_PARAM, OTHERS_CODE) as done:
        assert done.returncode == 0, done.stderr
        assert learned(repo / "models/trained") == before
        about = json.loads((repo / "models/trained/run.json").read_text())
        assert about["git_dirty"] is False, "as it was at the start"


def test_a_stage_refuses_what_resolve_wrote_for_other_params(repo: Path) -> None:
    with edited(repo / "params.yaml", "combine: concat ", "combine: sum "):
        message = stage(repo, "stages.evaluate")
    assert (
        "resolved/evaluate.json was of other params or code: params.yaml (combine: con" in message
    )
    assert not (repo / "resolved/evaluate.json").exists(), "so that DVC makes it anew"
    assert ran(dvc(repo, "repro")) == ["resolve"]


def test_overrides_by_hand_count_as_params(repo: Path) -> None:
    before = results(repo)
    by_hand(repo, "evaluate.combine=sum data.imb_factor=0.5", "evaluate", "table")
    assert ", rule sum, n = 1;" in (repo / "metrics/table.md").read_text()
    by_hand(repo, "", "evaluate", "table")
    assert results(repo) == before


def by_hand(repo: Path, overrides: str, *names: str) -> None:
    """Resolve with overrides, and run some stages."""
    for arguments in (["resolve", *overrides.split()], *([name] for name in names)):
        done = call(repo, f"stages.{arguments[0]}", *arguments[1:])
        assert done.returncode == 0, done.stderr


def test_files_of_different_runs_are_not_joined(repo: Path, tmp_path: Path) -> None:
    image = str(tmp_path / "one.png")
    Image.new("L", (8, 8)).save(image)
    mark = "\\([0-9a-f]{8}\\)"
    trained = f"models/final was trained on digits, 562 images in 2 groups {mark}, "
    by_hand(repo, "partition.num_groups=3", "partition")
    cut = f"data/partition.json is of digits, 562 images in 3 groups {mark}: run `dvc repro`"
    for name, arguments in (("predict", [image]), ("evaluate", [])):
        assert re.search(trained + cut, stage(repo, f"stages.{name}", *arguments))
    by_hand(repo, "data.imb_factor=0.5", "prepare")
    message = stage(repo, "stages.train")
    assert "data/longtail is of digits (" in message
    assert "data/partition.json of another subset, digits (562 images): run `dvc repro`" in message
    by_hand(repo, "data.imb_factor=0.5", "partition")
    assert re.search(trained + "data/partition.json is of", stage(repo, "stages.predict", image))
    by_hand(repo, "model=ncm seed=1", "prepare", "partition")
    message = stage(repo, "stages.finetune")
    assert "models/trained: was trained with another seed than this run is to be" in message
    dvc(repo, "repro")


def test_metrics_of_another_training_make_no_table(repo: Path) -> None:
    path = repo / "metrics/eval.json"
    with replaced(path, path.read_bytes().replace(b"accuracy", b"accuracy ", 1)):
        message = stage(repo, "stages.table")
    assert message.startswith("table: metrics/eval.json: not of the training in models/final")


def test_metrics_of_another_rule_make_no_report(repo: Path, tmp_path: Path) -> None:
    """What a refused run, or `dvc exp apply`, leaves: predict goes by the rule of the metrics."""
    Image.new("L", (8, 8), 99).save(tmp_path / "one.png")

    def told() -> str:
        answers = tmp_path / "answers.csv"
        call(repo, "stages.predict", str(tmp_path / "one.png"), "--csv", str(answers))
        return answers.read_text()

    before = told()
    by_hand(repo, "evaluate.combine=temperature")
    assert told() == before
    by_hand(repo, "", "evaluate")
    by_hand(repo, "evaluate.combine=temperature", "evaluate")
    assert told() != before, "p is another one"
    by_hand(repo, "", "evaluate")
    for path in tmp_path.iterdir():
        path.unlink()
    file = repo / "params.yaml"
    params = file.read_text()
    file.write_text(params.replace("combine: concat", "combine: sum"))
    message = stage(repo, "stages.report", "--out", str(tmp_path / "page.html"))
    assert message == "report: metrics is of the rule concat, not of sum: run `dvc repro`\n"
    assert not list(tmp_path.iterdir())
    file.write_text(params)
    by_hand(repo, "evaluate.combine=sum")
    message = stage(repo, "stages.report", "--out", str(tmp_path / "page.html"))
    assert message == "report: metrics is of the rule concat, not of sum: run `dvc repro`\n"
    by_hand(repo, "evaluate.combine=sum", "evaluate")  # without DVC: docs/params.md
    assert call(repo, "stages.report", "--out", str(tmp_path / "page.html")).returncode == 0
    by_hand(repo, "", "evaluate")


@pytest.mark.parametrize(
    ("name", "to", "reader"),
    [
        ("models/final/outputs.npz", 1000, "evaluate"),
        ("models/final/outputs.npz", 0, "evaluate"),
        ("models/final/history.csv", -40, "evaluate"),
        ("models/final/experts.json", 30, "evaluate"),
        ("models/final/run.json", 200, "table"),
        ("models/final/run.json", 0, "evaluate"),
        ("data/partition.json", 60, "evaluate"),
        ("data/longtail/summary.json", 30, "partition"),
        ("data/longtail/train.npy", -8, "train"),
        ("data/longtail/val.npy", 0, "partition"),
        ("data/raw/digits/classes.json", 5, "prepare"),
        ("data/raw/digits/train_labels.npy", 50, "prepare"),
        ("data/raw/digits/test_images.npy", -1, "train"),
        ("models/trained/expert_0.safetensors", 5000, "finetune"),
        ("metrics/eval.json", 10, "table"),
        ("resolved/evaluate.json", 10, "evaluate"),
        ("resolved/overrides.json", 1, "evaluate"),
    ],
)
def test_a_damaged_file_is_named(repo: Path, name: str, to: int, reader: str) -> None:
    path = repo / name
    with replaced(path, path.read_bytes()[:to]):
        message = stage(repo, f"stages.{reader}")
    assert message.count("\n") == 1
    assert f"{reader}: {name}: " in message
    assert "dvc repro" in message


def png(width: int, height: int) -> bytes:
    """A PNG image of a single byte of data, whatever it says its size is."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + sum_

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(30000, 30000), "has too many pixels: expected 179 million at most"),
        (png(10000, 10000), "not a whole image file ("),
        (png(8, 8), "not a whole image file (image file is truncated"),
        (b"", "not an image file"),
    ],
)
def test_an_image_of_whatever_kind(
    repo: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(content)
    how = spawn if "too many" in message else call  # a warning would be an error here
    text = stage(repo, "stages.predict", str(path), how=how)
    assert text.startswith(f"predict: {path}: ")
    assert message in text
    assert "Warning" not in text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model=tau_norm", "data.val_fraction=0.001"],
            "data.val_fraction: this method chooses on validation images",
        ),
        (
            ["evaluate.combine=temperature", "data.val_fraction=0.001"],
            "evaluate.combine: 'temperature' does not apply to these experts (no validation images",
        ),
        (
            ["model=group_softmax", "partition.num_groups=6"],
            "partition: group_softmax expected groups of at least 2 classes",
        ),
    ],
)
def test_what_counts_decide_is_refused_before_anything_is_trained(
    repo: Path, overrides: list[str], message: str
) -> None:
    by_hand(repo, " ".join(overrides), "prepare", "partition")
    text = stage(repo, "stages.train")
    assert text.startswith(f"train: {message}")
    assert (" images validate)" in text) == ("validation images" in message)
    by_hand(repo, "", "prepare", "partition")


def test_undo_after_a_kill(repo: Path) -> None:
    before = results(repo)
    head = (repo / "params.yaml").read_bytes()
    (repo / "notes.txt").write_text("mine")
    for number, name in ((signal.SIGKILL, "train"), (signal.SIGTERM, "finetune")):
        command = ["dvc", "exp", "run", "-S", "train.lr=0.05", "-S", f"seed={number}"]
        process = kills.start(repo, command)
        kills.training(process)
        os.kill(process.pid, number)
        process.wait()
        assert (repo / "params.yaml").read_bytes() != head, name
        done = run("make", "undo", cwd=repo)
        assert done.returncode == 0, done.stderr
        assert "-  lr: 0.05" in done.stdout
        assert "+  lr: 0.1" in done.stdout
        assert (repo / "params.yaml").read_bytes() == head
        assert "params" not in run("git", "status", "--short", cwd=repo).stdout
        assert (repo / "notes.txt").read_text() == "mine"
        assert not run("git", "for-each-ref", "refs/exps/exec", cwd=repo).stdout, "DVC's own HEAD"
        assert (repo / "models/trained/run.json").exists(), "DVC had taken it away"
        assert "train" not in ran(dvc(repo, "repro"))
        assert results(repo) == before
    lock = repo / ".dvc/tmp/rwlock"
    lock.write_text('{"write": {"models')  # on a full disk
    said = run("make", "undo", cwd=repo).stdout
    assert "  nothing\n" in said
    assert "left alone" not in said
    assert "removed .dvc/tmp/rwlock" in said
    assert "up to date" in dvc(repo, "repro")
    (repo / "notes.txt").unlink()


def test_help_is_no_override(repo: Path) -> None:
    for name in ("resolve", "prepare", "train", "predict"):
        done = (spawn if name == "prepare" else call)(repo, f"stages.{name}", "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"{name}: ")
        assert not done.stderr


def test_a_wrong_scratch_folder_is_named(repo: Path) -> None:
    for folder in ("/proc/none", "params.yaml"):
        done = call(repo, "stages.train", LT_SCRATCH=folder)
        assert done.returncode == 1
        assert f"train: checkpoints cannot be kept in {folder}/" in done.stderr
        assert f"expected in LT_SCRATCH a folder that can be written, got '{folder}'" in done.stderr
        assert "dvc repro" not in done.stderr


def test_values_without_effect_are_told(repo: Path) -> None:
    arguments = ("profile=ldam", "train.epochs=4", "model=crt")
    done = call(repo, "stages.resolve", *arguments)
    assert done.returncode == 0
    first, second = done.stderr.splitlines()
    assert first.startswith(
        "resolve: warning: train.milestones: the learning rate does not fall af"
    )
    assert second.startswith("resolve: warning: train.warmup: 5 epochs of rising lr fill all of")
    assert call(repo, "stages.resolve").stderr == ""


@pytest.mark.parametrize("part", range(4))
def test_a_mutated_params_file_is_refused_or_means_what_it_says(part: int) -> None:
    """Of 200 in `python -m bench mutations`."""
    for kind, text in mutations.mutants(10, seed=100 + part):
        found = mutations.outcome(text)
        assert found.startswith(("accepted", "refused: params.yaml: ", "refused: methods.")), kind
