"""A module out of several networks says what these say, in memory and as a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lt.data.datasets import Recipe
from lt.data.views import ClassView
from lt.nets import heads, net
from lt.out import about, formats, proof
from lt.out import networks as of_a_training
from lt.out.answers import Words
from lt.out.module import Model, plain
from lt.out.networks import Networks
from lt.score import combine, store

CLASSES = 4
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 1)).astype(np.uint8)
HEADS: dict[str, Any] = {
    "linear": heads.linear,
    "scaled": heads.scaled_linear,
    "cosine": heads.cosine(16.0),
    "max_norm": lambda features, width: heads.MaxNorm(nn.Linear(features, width), 0.1),
    "ncm": lambda features, width: heads.NearestMean(torch.rand(width, features), "cosine"),
    "euclid": lambda features, width: heads.NearestMean(torch.rand(width, features), "euclidean"),
    "grouped": heads.grouped([[2, 0], [1, 3]]),
}


def network(head: Any, seed: int = 0) -> net.Net:
    made = net.make("resnet20", 1, head, CLASSES, image_size=8)
    return net.initialise(made, torch.Generator().manual_seed(seed)).eval()


def networks(rule: str = "concat_softmax", are_probabilities: bool = True) -> Networks:
    views = [ClassView((0, 1), CLASSES, "silent"), ClassView((3, 2), CLASSES, "silent")]
    words = Words(["a", "b", "c", "d"], [[0, 1], [2, 3]], views, are_probabilities)
    nets = tuple(network(heads.linear, seed) for seed in range(2))
    recipe = Recipe((0.3,), (0.2,), pad=1, flip=False)
    made: Any = combine.UNFITTED[rule]
    return Networks({}, nets, recipe, 8, 1, rule, made, words)


@pytest.mark.parametrize("name", HEADS)
def test_a_plain_network_is_the_network(name: str) -> None:
    one, pixels = network(HEADS[name]), torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(plain(one)(pixels), one(pixels), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ending", [".pt2", ".onnx"])
@pytest.mark.parametrize(("rule", "sound"), [("concat_softmax", True), ("concat_zscore", False)])
@pytest.mark.filterwarnings("ignore")  # of torch.export and onnxscript about themselves
def test_a_file_is_the_networks(ending: str, rule: str, sound: bool, tmp_path: Path) -> None:
    if ending == ".onnx":
        pytest.importorskip("onnxruntime")
    trained, path = networks(rule, sound), tmp_path / "whatever"
    formats.write(Model(trained), (8, 8, 1), {"output": "scores"}, ending, path)
    run = formats.load(ending, path)
    found = proof.compare(trained, run, {"all": [IMAGES, IMAGES[:1]]})["all"]
    # of an expert with two classes, the z-scores are 1 and -1: two answers are the same
    assert found.images == 8
    assert not (sound and found.answers)
    assert run(IMAGES[:1]).shape == (1, CLASSES)
    assert np.allclose(run(IMAGES).sum(1), 1) == sound


def test_another_module_is_refused() -> None:
    trained = networks()

    def run(images: np.ndarray) -> np.ndarray:
        scores, _ = trained.scores(images)
        p: np.ndarray = np.exp(combine.log_softmax(scores))
        p[0] = p[0][::-1]
        return p

    with pytest.raises(ValueError, match=r"not the same on 7 test images: largest difference"):
        proof.compare(trained, run, {"test": [IMAGES]})
    with pytest.raises(ValueError, match="not the same"):
        proof.compare(trained, lambda images: run(images) * np.nan, {"test": [IMAGES]})


def test_of_near_outputs_another_answer_is_a_tie() -> None:
    found = proof.Proof()
    ours = np.array([[0.5, 0.4999], [0.5, 0.4]])
    found.add(ours, np.array([[0.4999, 0.5], [0.5, 0.4]]))
    assert (found.images, found.answers) == (2, 1)
    assert ours[0, 0] - ours[0, 1] <= 2 * found.difference
    assert found.difference == pytest.approx(1e-4)


def test_names_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"ends in \.onnx or \.pt2, got model\.pb"):
        formats.check(Path("model.pb"))
    (tmp_path / "a.pt2").mkdir()
    with pytest.raises(ValueError, match="got the folder"):
        formats.check(tmp_path / "a.pt2")
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnx" else name)
    with pytest.raises(ValueError, match=r"onnx not installed: pip install -e '\.\[export\]'"):
        formats.check(Path("model.onnx"))
    formats.check(Path("model.pt2"))


def test_metadata_say_how_pixels_are_read() -> None:
    trained = replace(networks(), run={"model": "split", "training": "t"})
    told = about.metadata(trained)
    assert (told["mode"], told["input"]) == ("L", "images: uint8 (N, 8, 8, 1)")
    assert (told["inside"]["mean"], told["inside"]["std"]) == ([0.3], [0.2])
    assert (told["classes"], told["groups"]) == (["a", "b", "c", "d"], [[0, 1], [2, 3]])
    assert about.metadata(replace(trained, channels=3))["mode"] == "RGB"


@pytest.mark.parametrize("ending", [".pt2", ".onnx"])
@pytest.mark.filterwarnings("ignore")  # of torch.export and onnxscript about themselves
def test_a_file_holds_its_metadata(ending: str, tmp_path: Path) -> None:
    told, path = {"output": "probabilities", "classes": ["a", "b"]}, tmp_path / "whatever"
    if ending == ".onnx":
        runtime = pytest.importorskip("onnxruntime")
    formats.write(Model(networks()), (8, 8, 1), told, ending, path)
    if ending == ".onnx":
        held = runtime.InferenceSession(path).get_modelmeta().custom_metadata_map
        assert {key: json.loads(held[key]) for key in told} == told
    else:
        held = {formats.METADATA: ""}
        with path.open("rb") as file:
            torch.export.load(file, extra_files=held)
        assert json.loads(held[formats.METADATA]) == told


def test_a_module_that_is_a_hundredth_off_is_refused() -> None:
    trained = networks()

    def run(images: np.ndarray) -> np.ndarray:
        scores, _ = trained.scores(images)
        p: np.ndarray = np.exp(combine.log_softmax(scores)) + 0.01
        return p

    with pytest.raises(ValueError, match=r"largest difference 0\.01, 0 answers differ"):
        proof.compare(trained, run, {"test": [IMAGES]})


def test_weights_without_a_label_are_those_of_the_test_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng, labels = np.random.default_rng(0), np.arange(200) % 4
    good, noise = 4 * np.eye(4)[labels] + rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
    known = store.Outputs([good, noise], labels, [noise, good], labels)
    cut = {"groups": [[0, 1], [2, 3]], "counts": [9, 5, 3, 1], "classes": list("abcd")}
    there: dict[str, Any] = {
        "check_both": ({"data": {"name": "digits"}}, cut),
        "load_experts": [{"image_size": 8, "channels": 1}],
        "load_views": [ClassView.all(4)] * 2,
        "load_outputs": known,
    }
    for name, value in there.items():
        monkeypatch.setattr(store, name, lambda *_, value=value: value)
    monkeypatch.setattr(of_a_training.net, "load", lambda _: ())
    rule: Any = of_a_training.load(Path(), Path(), "unlabelled").rule
    first, second = rule.keywords["weights"]
    assert first > second, "noise tells least"
