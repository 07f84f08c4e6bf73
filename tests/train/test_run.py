"""A training from arrays to a folder: weights that it begins with, images that stay on disk."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from lt import methods, params, params_file
from lt.data import datasets, longtail, partition
from lt.data.stored import Stored
from lt.nets import heads
from lt.nets import net as nets
from lt.score import store
from lt.train import checkpoint, loop
from lt.train import run as training
from lt.train.inputs import Inputs, digests, make_task, on_device
from lt.train.together import ALONE
from tests.conftest import ROOT, Cut

SMALL = ["train.backbone=resnet20", "train.epochs=1", "data.imb_factor=0.02"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The digits, mapped into memory."""
    folder = tmp_path_factory.mktemp("raw") / "digits"
    datasets.save(datasets.read("digits"), folder)
    return datasets.load_all(folder)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LT_SCRATCH", str(tmp_path / "scratch"))


def resolved(*overrides: str) -> list[params.Training]:
    return params.trainings(params_file.load([*SMALL, *overrides], ROOT / "params.yaml"))


def inputs(raw: dict[str, Any]) -> Inputs:
    options = params_file.load(SMALL, ROOT / "params.yaml")
    subset = longtail.make(raw["train_labels"], 10, options.data)
    summary = longtail.summarise(subset, list("0123456789"), options.data)
    cut = json.loads(json.dumps(partition.describe(summary, options.partition)))
    return Inputs(raw, subset.train, subset.val, summary, cut)


def run_json(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def test_images_that_stay_on_disk_give_the_same_files(raw: dict[str, Any], tmp_path: Path) -> None:
    for name, memory in (("disk", "0.0"), ("memory", "4.0")):
        (one,) = resolved(f"train.memory={memory}")
        setting, test = on_device(one, inputs(raw), ALONE)
        assert all(
            isinstance(images.pixels, Stored) == (name == "disk")
            for images in (setting.train, setting.val, test)
        )
        training.run(one, inputs(raw), tmp_path / name, quiet=True)
    for file in ("expert_0.safetensors", "outputs.npz"):
        first, second = (tmp_path / name / file for name in ("disk", "memory"))
        assert first.read_bytes() == second.read_bytes()


def test_images_that_prepare_has_hashed_are_not_read_for_it(raw: dict[str, Any]) -> None:
    (one,) = resolved("train.memory=0.0")
    given = inputs(raw)
    setting, _ = on_device(one, given, ALONE)
    plain = digests(setting, given)
    assert plain == [setting.train.digest(), setting.val.digest()]
    hashed = dataclasses.replace(given, summary={**given.summary, "raw": {"sha256": {}}})
    assert digests(setting, hashed) == [
        longtail.subset_hash(given.train),
        longtail.subset_hash(given.val),
    ]


def test_a_training_begins_with_weights_of_a_file(
    raw: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (first,) = resolved()
    assert first.weights is None
    training.run(first, inputs(raw), tmp_path / "first", quiet=True)
    assert run_json(tmp_path / "first")["loaded"] is None
    path = tmp_path / "first" / "expert_0.safetensors"
    (second,) = resolved(f"train.weights={path}", "train.lr=1.0e-30", "model=baseline")
    training.run(second, inputs(raw), tmp_path / "second")
    about = run_json(tmp_path / "second")
    assert about["weights"] == second.weights
    tensors = len([key for key in load_file(path) if key.startswith("backbone.")])
    left = ["classifier.bias", "classifier.weight"]
    assert about["loaded"] == {"file": str(path), "loaded": tensors, "not_loaded": left}
    line = f"train: {tensors} tensors of {path} loaded, not loaded: {', '.join(left)}"
    assert line in capsys.readouterr().err
    before, after = load_file(path), load_file(tmp_path / "second" / "expert_0.safetensors")
    assert np.array_equal(before["backbone.0.weight"], after["backbone.0.weight"])
    assert not np.array_equal(before["classifier.weight"], after["classifier.weight"])


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Give the name of the checkpoints of a training, without the training."""

    def fit(*arguments: Any) -> None:
        (found,) = (one for one in arguments if isinstance(one, checkpoint.Checkpoints))
        raise Cut(found.key)

    def of(one: params.Training, given: Inputs, start: Path | None = None) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(training, "_fit", fit)
            with pytest.raises(Cut) as cut:
                training.run(one, given, tmp_path / "out", start, quiet=True)
        return str(cut.value)

    return of


def test_checkpoints_are_of_these_images_and_labels(
    raw: dict[str, Any], key: Callable[..., str]
) -> None:
    def of(**changes: NDArray[Any]) -> str:
        (one,) = resolved()
        return key(one, dataclasses.replace(given, raw={**raw, **changes}))

    given, labels = inputs(raw), raw["train_labels"]
    for index in (given.train, given.val):
        images = np.array(raw["train_images"])
        images[index[0], 0, 0] += 1
        assert of() != of(train_images=images)
        other = next(k for k in index if labels[k] != labels[index[0]])
        swapped = np.array(labels)
        swapped[[index[0], other]] = labels[[other, index[0]]]
        assert of() != of(train_labels=swapped)
    images = np.array(raw["train_images"])
    images[np.setdiff1d(np.arange(len(labels)), np.concatenate([given.train, given.val]))] = 0
    assert of() == of(train_images=images), "of no image that takes part"


def test_checkpoints_are_of_these_weights_to_start_from(
    raw: dict[str, Any], tmp_path: Path, key: Callable[..., str]
) -> None:
    folder = tmp_path / "first"
    first, second = resolved("model=crt")
    training.run(first, inputs(raw), folder, quiet=True)
    before = key(second, inputs(raw), folder)
    path = folder / "expert_0.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")  # of the last tensor
    (folder / "run.json").write_text(json.dumps({**run_json(folder), "files": {}}))
    assert before != key(second, inputs(raw), folder)


def test_a_second_stage_counts_the_first(raw: dict[str, Any], tmp_path: Path) -> None:
    first, second = resolved("model=crt", "methods.crt.epochs=1")
    training.run(first, inputs(raw), tmp_path / "first", quiet=True)
    training.run(second, inputs(raw), tmp_path / "second", tmp_path / "first", quiet=True)
    once, twice = (store.load_costs(tmp_path / name) for name in ("first", "second"))
    assert twice["updates"] == 2 * once["updates"] > 0, "an epoch each"
    assert twice["images"] == 2 * once["images"] > 0


def test_the_content_of_the_file_counts(raw: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"some")
    (one,) = resolved(f"train.weights={path}")
    path.write_bytes(path.read_bytes() + b" ")
    (other,) = resolved(f"train.weights={path}")
    assert one.weights != other.weights
    with pytest.raises(ValueError, match=r"train\.weights: .* has changed; run `dvc repro`"):
        training.run(one, inputs(raw), tmp_path / "out", quiet=True)
    first, second = resolved(f"train.weights={path}", "model=crt")
    assert (first.weights, second.weights) == (other.weights, None), "they come from the start"


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match=r"train\.weights: expected a file that can be read, got"):
        resolved("train.weights=/nowhere/a.pth")


def test_a_folder_that_cannot_be_written_is_told_before_the_training(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = resolved()
    monkeypatch.setattr(training.os, "access", lambda path, _mode: Path(path) != tmp_path)
    with pytest.raises(PermissionError) as caught:
        training.run(one, inputs(raw), tmp_path / "out", quiet=True)
    assert caught.value.filename == str(tmp_path)
    assert not (tmp_path / "scratch").exists(), "nothing was trained"


def test_a_method_is_told_what_trains_and_not_what_validates(raw: dict[str, Any]) -> None:
    (one,), given = resolved(), inputs(raw)
    task = make_task(one.train, given, ())
    trained = np.bincount(raw["train_labels"][given.train], minlength=10)
    assert task.counts == tuple(trained)
    assert sum(task.counts) < sum(given.partition["counts"])


@pytest.mark.parametrize(("more", "on_disk"), [(0.5, False), (-0.5, True)])
def test_all_images_together_take_the_memory(
    raw: dict[str, Any], more: float, on_disk: bool
) -> None:
    given = inputs(raw)
    size = 8 * 8 * (len(given.train) + len(given.val) + len(raw["test_labels"]))
    (one,) = resolved(f"train.memory={(size + more) / 1e9!r}")
    setting, test = on_device(one, given, ALONE)
    for images in (setting.train, setting.val, test):
        assert isinstance(images.pixels, Stored) == on_disk


def test_batch_norm_of_several_processes_is_of_gpus(
    raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lt.train.inputs.pick_device", lambda _: torch.device("cpu"))
    (one,) = resolved("train.sync_batchnorm=true")
    with pytest.raises(ValueError, match=r"train\.sync_batchnorm: expected false on a CPU, got"):
        on_device(one, inputs(raw), ALONE)


def test_a_second_stage_counts_the_seconds_of_the_first(
    raw: dict[str, Any], tmp_path: Path
) -> None:
    first, second = resolved("model=crt", "methods.crt.epochs=1")
    training.run(first, inputs(raw), tmp_path / "first", quiet=True)
    path = tmp_path / "first" / "timing.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "train_s": 1000.0}))
    (tmp_path / "first/run.json").write_text(
        json.dumps({**run_json(tmp_path / "first"), "files": {}})
    )
    training.run(second, inputs(raw), tmp_path / "second", tmp_path / "first", quiet=True)
    assert json.loads((tmp_path / "second/timing.json").read_text())["train_s"] > 1000


def test_what_is_out_of_date_when_it_is_trained_is_not_kept(
    raw: dict[str, Any], tmp_path: Path
) -> None:
    def check() -> None:
        raise ValueError("changed while this ran")

    (one,) = resolved()
    with pytest.raises(ValueError, match="changed while this ran"):
        training.run(one, inputs(raw), tmp_path / "out", quiet=True, check=check)
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "scratch").glob("*/expert_0.*")), "its checkpoint stays"


def test_a_run_may_go_on_with_other_processes_and_threads() -> None:
    found = [
        training.whoever_trains(
            {"train": {"lr": 0.1, "processes": number, "spread": spread}, "threads": number}
        )
        for number, spread in ((1, "images"), (4, "experts"))
    ]
    assert found == [{"train": {"lr": 0.1}}] * 2


def test_taps_that_meet_padding_alone_are_counted_and_not_as_trained(
    raw: dict[str, Any], tmp_path: Path
) -> None:
    (one,) = resolved("model=baseline")
    given = inputs(raw)
    setting, _ = on_device(one, given, ALONE)
    experts = methods.experts(one.model, make_task(one.train, given, ()), one.method)
    made = nets.make("resnet18", 1, heads.linear, 10, 8)
    none: Any = np.zeros(0, dtype=np.int64)
    outputs, facts = store.Outputs([], none, [], none), {"run": {"training": ""}, "timing": {}}
    small = dataclasses.replace(
        setting, options=dataclasses.replace(setting.options, backbone="resnet18")
    )
    training._save(tmp_path / "out", experts, [loop.Trained(made)], small, outputs, facts)
    costs = store.load_costs(tmp_path / "out")
    held = sum(parameter.numel() for parameter in made.parameters())
    assert costs["trained_parameters"] == held < costs["parameters"] == nets.parameters(made)
