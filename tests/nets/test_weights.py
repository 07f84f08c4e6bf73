"""Weights out of files: torchvision's and ours, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from lt.nets import backbones, branches, heads, weights
from lt.nets import net as nets


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A network of 10 classes, trained here."""
    path = tmp_path / "expert_0.safetensors"
    net = nets.make("resnet18", 3, heads.linear, 10, 32)
    nets.save(nets.initialise(net, torch.Generator().manual_seed(0)), path)
    return path


def fresh(classes: int = 4) -> nets.Net:
    net = nets.make("resnet18", 3, heads.linear, classes, 32)
    return nets.initialise(net, torch.Generator().manual_seed(1))


def test_a_network_of_ours_for_other_classes(path: Path) -> None:
    backbone, _ = backbones.make("resnet18", 3)
    state, told = weights.match(weights.read(path), backbone, path)
    assert told == {"loaded": 120, "not_loaded": ["classifier.bias", "classifier.weight"]}
    net, theirs = fresh(), nets.load_weights(fresh(10), path)
    before = net.classifier.weight.clone()
    branches.fill(net, state, "resnet18", 3, 32)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(net.eval().backbone(images), theirs.eval().backbone(images))
    assert torch.equal(net.classifier.weight, before)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "convnext_tiny"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_of_torchvisions(name: str, wrapped: bool, tmp_path: Path) -> None:
    theirs = get_model(name).eval()
    state = theirs.state_dict()
    if wrapped:  # as training scripts leave them
        state = {"state_dict": {f"module.{key}": value for key, value in state.items()}}
    torch.save(state, tmp_path / "a.pth")
    backbone, _ = backbones.make(name, 3)
    found, told = weights.match(weights.read(tmp_path / "a.pth"), backbone, tmp_path / "a.pth")
    last = {"resnet18": "fc", "mobilenet_v3_small": "classifier.3", "convnext_tiny": "classifier.2"}
    prefix = ("module." if wrapped else "") + last[name]
    assert told["not_loaded"] == [f"{prefix}.weight", f"{prefix}.bias"]
    backbone.load_state_dict(found)
    classifier = theirs.get_submodule(last[name])
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(classifier(backbone.eval()(images)), theirs(images))


def test_old_files_count_no_batches(tmp_path: Path) -> None:
    backbone, _ = backbones.make("resnet20", 3)
    state = {k: v for k, v in backbone.state_dict().items() if "num_batches" not in k}
    found, told = weights.match(state, backbone, tmp_path)
    assert found.keys() == backbone.state_dict().keys()
    assert told == {"loaded": len(state), "not_loaded": []}


def test_every_branch_begins_with_them() -> None:
    fork = branches.Fork(2, 1.0)
    net = branches.make("resnet20", 3, heads.linear, 4, 32, fork)
    source, _ = backbones.make("resnet20", 3)
    branches.fill(net, source.state_dict(), "resnet20", 3, 32)
    images = torch.randn(2, 3, 32, 32)
    for single, _ in branches.networks(net, "resnet20", 3, 32):
        torch.testing.assert_close(single.eval().backbone(images), source.eval()(images))


def test_what_does_not_fit_is_told(path: Path) -> None:
    given = weights.read(path)

    def match(name: str, channels: int = 3, width: float = 1.0) -> None:
        weights.match(given, backbones.make(name, channels, None, width)[0], path)

    with pytest.raises(ValueError, match=r"train\.weights: .* nothing in it fits train\.backbone"):
        match("mobilenet_v3_small")
    with pytest.raises(ValueError, match=r"conv1\.weight has shape \(64, 3, 7, 7\), expected"):
        match("resnet18_cifar")
    with pytest.raises(ValueError, match=r"expected \(64, 1, 7, 7\)"):
        match("resnet18", channels=1)
    with pytest.raises(ValueError, match=r"layer3\.0\.conv1\.weight has shape .* \(128, 128,"):
        match("resnet18", width=0.5)
    given["backbone.layer5.weight"] = given.pop("backbone.layer1.0.conv1.weight")
    with pytest.raises(ValueError, match=r"lacks layer1\.0\.conv1\.weight; has layer5\.weight"):
        match("resnet18")


def test_files_that_hold_none(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"cut")
    (tmp_path / "b.pth").write_bytes(b"cut")
    torch.save([1, 2], tmp_path / "c.pth")
    torch.save({"model": get_model("resnet18")}, tmp_path / "d.pth")  # a pickled module
    save_file({"x": torch.zeros(1)}, tmp_path / "e.safetensors")
    for name in ("a.safetensors", "b.pth", "d.pth"):
        with pytest.raises(
            ValueError, match=r"train\.weights: .* cut short, or no file of weights"
        ):
            weights.read(tmp_path / name)
    with pytest.raises(ValueError, match="expected tensors by their names"):
        weights.read(tmp_path / "c.pth")
    assert weights.read(tmp_path / "e.safetensors").keys() == {"x"}


def test_a_file_cut_anywhere(tmp_path: Path) -> None:
    """The reader of older .pth files then raises an IndexError, a struct.error or others."""
    path = tmp_path / "old.pth"
    torch.save({"x": torch.zeros(1)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 12, 3):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="cut short, or no file of weights"):
            weights.read(path)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_weights_are_read_as_training_scripts_wrap_them(tmp_path: Path, key: str) -> None:
    torch.save({key: {"module.fc.bias": torch.ones(2)}, "epoch": 3}, tmp_path / "a.pth")
    assert weights.read(tmp_path / "a.pth").keys() == {"module.fc.bias"}
