"""A module out of several networks says what these say, in memory and as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lt.data.datasets import Recipe
from lt.data.views import ClassView
from lt.nets import heads, net
from lt.out import formats, proof
from lt.out.answers import Words
from lt.out.module import Model, plain
from lt.out.networks import Networks
from lt.score import combine

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
    assert (found.images, found.answers) == (8, 0 if sound else found.ties)
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


def test_what_counts_as_a_tie() -> None:
    found = proof.Proof()
    found.add(np.array([[0.5, 0.4999], [0.5, 0.4]]), np.array([[0.4999, 0.5], [0.5, 0.4]]))
    assert (found.images, found.answers, found.ties) == (2, 1, 1)
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
