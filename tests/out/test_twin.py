"""The rules in torch are those of numpy, whatever the experts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lt.data.views import ClassView
from lt.out import formats, twin
from lt.score import combine
from lt.score.fitted import Validation
from tests.conftest import views

GROUPS = ((3, 0), (1, 4), (2,))
COUNTS = np.array([50, 20, 4, 90, 10])
EXPERTS = {
    "one": [ClassView.all(5)],
    "drop": views(*GROUPS),
    "rest": views(*GROUPS, others="rest"),
    "silent": views(*GROUPS, others="silent"),
    "several": [ClassView.all(5), ClassView((4, 1), 5), ClassView((1, 2), 5, "silent")],
    "twice": [ClassView.all(5)] * 3,
}


@pytest.mark.parametrize("kind", EXPERTS)
@pytest.mark.parametrize("name", combine.RULES)
def test_every_rule_is_its_twin(name: str, kind: str) -> None:
    chosen, rng = EXPERTS[kind], np.random.default_rng(0)
    labels = np.arange(40) % 5
    test, val = (
        [(4 * rng.standard_normal((40, view.width))).astype(np.float32) for view in chosen]
        for _ in range(2)
    )
    if combine.why_not(name, chosen, np.bincount(labels)):
        with pytest.raises(ValueError, match="does not apply"):
            combine.settle(name, Validation(val, labels, chosen, GROUPS, COUNTS), test)
        return
    rule = combine.settle(name, Validation(val, labels, chosen, GROUPS, COUNTS), test)
    ours = rule([block.astype(np.float64) for block in test], chosen)
    theirs = twin.Combine(name, rule, chosen)([torch.from_numpy(block) for block in test])
    np.testing.assert_allclose(theirs.numpy(), ours, rtol=1e-12, atol=1e-12)


def test_a_settled_rule_is_the_one_of_evaluate() -> None:
    chosen, rng = EXPERTS["twice"], np.random.default_rng(0)
    labels = np.arange(40) % 5
    test = [rng.standard_normal((40, 5)).astype(np.float32) for _ in chosen]
    for name in ("concat", "temperature", "affine", "unlabelled"):
        settled = combine.settle(name, Validation(test, labels, chosen, GROUPS, COUNTS), test)
        made = combine.make(name, Validation(test, labels, chosen, GROUPS, COUNTS))
        assert np.array_equal(settled(test, chosen), made(test, chosen))
    of_one = settled([block[:1] for block in test], chosen)  # unlabelled: the weights stay
    np.testing.assert_allclose(of_one, settled(test, chosen)[:1], rtol=1e-12)


class Side(torch.nn.Module):
    """A rule for the pixels of an image: they are the outputs of all networks, side by side."""

    def __init__(self, rule: twin.Combine) -> None:
        super().__init__()
        self.rule, self.widths = rule, [view.width for view in rule.views]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.rule(list(torch.split(images.flatten(1), self.widths, 1)))
        return scores


@pytest.mark.filterwarnings("ignore")  # of torch.export and onnxscript about themselves
def test_fitted_numbers_keep_their_digits_in_a_file(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    chosen, rng = EXPERTS["drop"], np.random.default_rng(0)
    val = [rng.standard_normal((40, view.width)).astype(np.float32) for view in chosen]
    rule = combine.settle("affine", Validation(val, np.arange(40) % 5, chosen, GROUPS, COUNTS), val)
    pixels = rng.integers(0, 256, (7, 1, 1, 5)).astype(np.uint8)
    module, path = Side(twin.Combine("affine", rule, chosen)), tmp_path / "whatever"
    formats.write(module, (1, 1, 5), {"output": "scores"}, ".onnx", path)
    blocks = np.split(pixels.reshape(7, 5).astype(np.float64), [2, 4], axis=1)
    found = formats.load(".onnx", path)(pixels)
    np.testing.assert_allclose(found, rule(blocks, chosen), rtol=1e-12, atol=1e-12)


def test_numbers_of_a_rule() -> None:
    chosen, blocks = EXPERTS["drop"], [np.eye(5, view.width) for view in EXPERTS["drop"]]
    rule = combine.settle(
        "affine", Validation(blocks, np.arange(5), chosen, GROUPS, COUNTS), blocks
    )
    found = twin.numbers(rule)
    assert [len(found[name]) for name in ("scales", "offsets")] == [3, 3]
    assert twin.numbers(combine.concat) == {}
