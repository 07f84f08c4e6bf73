from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lt import process
from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.train import checkpoint, loop, step
from lt.train.checkpoint import Checkpoints, Saved
from lt.train.plan import ClassView, Expert, Phase
from tests.conftest import Cut, train

TENSORS = {"net.a": torch.arange(6.0).reshape(2, 3), "net.n": torch.tensor(3)}
SAVED = Saved(1, 2, TENSORS, {"history": [{}, {}], "updates": 8, "images": 9})


def at(root: Path, key: object = "key") -> Checkpoints:
    return Checkpoints(root / "scratch", {"key": key})


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The one checkpoint of a run."""
    at(tmp_path).save(0, SAVED, last=False)
    (path,) = tmp_path.glob("scratch/*/*")
    assert path.name == "expert_0.safetensors"
    return path


def two_phases() -> Expert:
    main = Phase(3, losses.cross_entropy, samplers.shuffled(32), (surgery.everything,))
    balanced = samplers.class_balanced(32, "match")
    scales = Phase(2, losses.cross_entropy, balanced, (surgery.scales_only,))
    grid = Phase(
        0,
        losses.cross_entropy,
        balanced,
        (surgery.everything, lambda net, given: surgery.everything(net, given)),
    )
    return Expert(ClassView.all(6), (main, grid, scales), heads.linear)


def state(trained: loop.Trained) -> dict[str, Tensor]:
    return trained.net.state_dict()


def rows(trained: loop.Trained) -> list[loop.Row]:
    return [{k: v for k, v in row.items() if k != "images_per_s"} for row in trained.history]


ADAMW = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.1, "schedule": "cosine"}
ADAMW |= {"augment": "resized_crop", "color_jitter": 0.4}
NESTEROV = {"nesterov": True, "rotation": 15.0, "auto_augment": "cifar10", "cutout": 3}
WHOLE: dict[str, loop.Trained] = {}  # the run that is not cut off, once for each of them


@pytest.mark.parametrize("cut", range(1, 6))
@pytest.mark.parametrize("changes", [{}, ADAMW, NESTEROV], ids=["sgd", "adamw", "nesterov"])
def test_a_run_that_was_cut_off_ends_the_same_bit_for_bit(
    setting: step.Setting,
    tmp_path: Path,
    cut: int,
    changes: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "PATIENCE", 0.0)
    setting = dataclasses.replace(setting, options=dataclasses.replace(setting.options, **changes))
    expert, name = two_phases(), str(changes)
    whole = WHOLE[name] = WHOLE.get(name) or train(expert, 1, setting)
    seen: list[loop.Row] = []

    def report(row: loop.Row) -> None:
        if len(seen) == cut:
            raise Cut
        seen.append(row)

    again: list[loop.Row] = []
    first = at(tmp_path)
    if cut < 5:
        with pytest.raises(Cut):
            train(expert, 1, setting, report, first)
    else:
        train(expert, 1, setting, report, first)
    resumed = train(expert, 1, setting, again.append, at(tmp_path))
    assert len(again) == 5 - cut, "whole epochs are not trained again"
    assert all(torch.equal(state(whole)[key], state(resumed)[key]) for key in state(whole))
    assert rows(resumed) == rows(whole)
    assert (resumed.updates, resumed.images) == (whole.updates, whole.images)


def test_the_momentum_is_kept(setting: step.Setting, tmp_path: Path) -> None:
    """Without it the run above would not be the same; a checkpoint without it must differ."""
    phase = Phase(2, losses.cross_entropy, samplers.shuffled(32), (surgery.everything,))
    expert = Expert(ClassView.all(6), (phase,), heads.linear)
    one = dataclasses.replace(expert, phases=(dataclasses.replace(phase, epochs=1),))
    store = at(tmp_path)
    train(one, 0, setting, checkpoints=store)
    whole, changed = at(tmp_path), at(tmp_path)
    tensors = {k: v for k, v in whole.saved[0].tensors.items() if not k.startswith("momentum")}
    parameters = list(loop.form([expert], "resnet20", 1, ())[0].parameters())
    assert len(whole.saved[0].tensors) - len(tensors) == len(parameters)
    changed.saved[0] = dataclasses.replace(changed.saved[0], tensors=tensors)
    full = train(expert, 0, setting)
    with_momentum, without = (
        train(expert, 0, setting, checkpoints=each) for each in (whole, changed)
    )
    key = "classifier.weight"
    assert torch.equal(state(full)[key], state(with_momentum)[key])
    assert not torch.equal(state(full)[key], state(without)[key])


def test_adamws_moments_are_kept(setting: step.Setting) -> None:
    options = dataclasses.replace(setting.options, **ADAMW)
    setting = dataclasses.replace(setting, options=options)
    (phase,) = [phase for phase in two_phases().phases if phase.epochs == 3]
    (net,) = loop.form([dataclasses.replace(two_phases(), phases=(phase,))], "resnet20", 1, ())
    steps = step.Steps(net, [net.classifier.weight], phase, setting.train.labels, setting)
    steps.run([np.arange(8)], 1, 0.1, torch.Generator())
    kept = {name for name in steps.state() if not name.startswith("net.")}
    assert kept == {"step.0", "mean.0", "square.0"}


def test_what_is_kept_is_read_back(tmp_path: Path, kept: Path) -> None:
    again = at(tmp_path)
    (saved,) = again.saved.values()
    assert (saved.phase, saved.epoch, saved.progress) == (1, 2, SAVED.progress)
    assert all(torch.equal(saved.tensors[key], TENSORS[key]) for key in TENSORS)
    assert again.epochs() == 2
    assert again.messages() == [f"expert 0 goes on after phase 1, epoch 2 ({kept})"]
    assert again.seconds() >= again.before > 0


def test_one_that_is_cut_short_is_refused(tmp_path: Path, kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:-1])
    again = at(tmp_path)
    assert not again.saved
    (message,) = again.messages()
    assert message.startswith(f"warning: checkpoint {kept} cannot be read (")
    assert message.endswith("; expert 0 starts over")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x02\0\0\0\0\0\0\0{}"])
def test_one_that_is_something_else_is_refused(tmp_path: Path, kept: Path, content: bytes) -> None:
    kept.write_bytes(content)
    assert not at(tmp_path).saved
    assert "cannot be read" in at(tmp_path).messages()[0]


def test_one_with_a_flipped_bit_is_refused(tmp_path: Path, kept: Path) -> None:
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    assert at(tmp_path).messages() == [
        f"warning: checkpoint {kept} is damaged; expert 0 starts over"
    ]


def test_one_of_another_run_is_refused(tmp_path: Path, kept: Path) -> None:
    other = at(tmp_path, key="other")
    assert other.messages() == [
        "starts from the first epoch; unfinished trainings with other data, params, code or "
        f"device in {tmp_path / 'scratch'}: 1"
    ]
    other.folder.mkdir()
    kept.rename(other.folder / kept.name)
    (message,) = at(tmp_path, key="other").messages()
    assert "belongs to a run with other data, params, code or device" in message
    assert not at(tmp_path, key="other").saved


def test_a_failed_write_leaves_the_former_one(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    store = at(tmp_path)
    with pytest.raises(OSError, match="No space left") as caught, store.keep():
        store.save(0, dataclasses.replace(SAVED, epoch=3), last=False)
    assert caught.value.filename == str(kept)
    (note,) = caught.value.__notes__
    assert note == f"the same run goes on from the checkpoint in {kept.parent}"
    assert at(tmp_path).saved[0].epoch == 2
    assert {path.name for path in kept.parent.iterdir()} == {".lock", kept.name}


@pytest.mark.usefixtures("kept")
def test_no_expert_waits_for_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    write = checkpoint.safetensors.torch.save

    def slow(*arguments: Any) -> bytes:
        now[0] += 1.0
        return write(*arguments)

    monkeypatch.setattr(checkpoint.safetensors.torch, "save", slow)
    store = at(tmp_path)
    for epoch in range(1, 13):
        now[0] += 10.0  # a checkpoint of each every 2 x 20 times what one takes
        for number in (0, 1):
            store.save(number, dataclasses.replace(SAVED, epoch=epoch), last=False)
    assert [at(tmp_path).saved[number].epoch for number in (0, 1)] == [9, 9]  # of 1, 5, 9


def test_a_header_with_another_epoch_is_refused(tmp_path: Path, kept: Path) -> None:
    kept.write_bytes(kept.read_bytes().replace(b'epoch\\": 2', b'epoch\\": 3'))
    assert "is damaged" in at(tmp_path).messages()[0]


def test_a_refused_one_has_no_note(tmp_path: Path, kept: Path) -> None:
    kept.write_bytes(b"garbage")
    with pytest.raises(KeyError) as caught, at(tmp_path).keep():
        raise KeyError
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.usefixtures("kept")
def test_what_would_end_the_same_again_has_no_note(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError) as caught, at(tmp_path).keep():
        raise FloatingPointError
    assert not hasattr(caught.value, "__notes__")


def test_writing_waits_where_it_would_cost_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "PATIENCE", 1e9)
    store, kept = at(tmp_path), []
    for epoch, last in ((1, False), (2, False), (3, False), (4, True)):
        store.save(0, dataclasses.replace(SAVED, epoch=epoch), last)
        kept.append(at(tmp_path).saved[0].epoch)
    assert kept == [1, 2, 2, 4]  # what the first one takes says nothing


def test_a_run_that_ends_removes_its_own_only(tmp_path: Path, kept: Path) -> None:
    other = at(tmp_path, key="other")
    with other.keep():
        other.save(0, SAVED, last=False)
        assert len(list(tmp_path.glob("scratch/*/expert_*"))) == 2
    assert list(tmp_path.glob("scratch/*")) == [kept.parent]


def test_where_nothing_can_be_kept_nothing_begins(tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("a file in the way")
    expected = "checkpoints cannot be kept in .*scratch.*LT_SCRATCH a folder that can be written"
    with pytest.raises(ValueError, match=expected), at(tmp_path).keep():
        pytest.fail("it began")


def test_a_run_that_kept_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), at(tmp_path).keep():
        raise KeyError
    assert not list((tmp_path / "scratch").iterdir())


def test_the_environment_moves_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LT_SCRATCH", raising=False)
    assert checkpoint.scratch() == Path(".scratch")
    monkeypatch.setenv("LT_SCRATCH", "/fast/disk")
    assert checkpoint.scratch() == Path("/fast/disk")


@pytest.mark.parametrize("copy", ["tmpa1", "standalone/tmpb2"])
def test_a_queued_experiment_keeps_its_checkpoints_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy: str
) -> None:
    folder = tmp_path / ".dvc/tmp/exps" / copy
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LT_SCRATCH", raising=False)
    assert checkpoint.scratch() == tmp_path / ".scratch"
    monkeypatch.setenv("LT_SCRATCH", "/fast/disk")
    assert checkpoint.scratch() == Path("/fast/disk")


def test_the_same_training_does_not_run_twice_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.0)
    with at(tmp_path).keep():
        with pytest.raises(ValueError, match="another run is at work here"), at(tmp_path).keep():
            pytest.fail("it began")
        assert at(tmp_path).folder.exists()
        with at(tmp_path, key="other").keep():
            pass


def test_the_seconds_of_all_runs_before_are_counted(tmp_path: Path) -> None:
    store = at(tmp_path)
    for number, before in ((0, 100.0), (1, 50.0)):
        store.before = before
        store.save(number, SAVED, last=True)
    assert at(tmp_path).before >= 100, "those of the expert that was kept last"
