from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lt import params
from lt.process import Gone
from lt.score import predict
from lt.train import together
from lt.train.together import ALONE, Team
from tests.conftest import ROOT
from tests.train import together_work as work

CASES = list(work.cases())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes has found."""
    out = tmp_path_factory.mktemp("two")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    env = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-m", "tests.train.together_work", str(out)]
    both = [subprocess.Popen(command, cwd=ROOT, env={**env, "RANK": str(k)}) for k in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    return [torch.load(out / f"{k}.pt", weights_only=False) for k in range(2)]


class Halves(nn.BatchNorm2d):
    """Batch norm that normalises the shares of two processes apart, and keeps what each has seen.

    Where there is one share, the second process takes it, too, and what it finds does not count.
    """

    def __init__(self, like: nn.BatchNorm2d) -> None:
        super().__init__(like.num_features)
        self.weight, self.bias = like.weight, like.bias
        self.seen = [(torch.zeros(like.num_features), torch.ones(like.num_features))] * 2
        self.seen = [(mean.clone(), var.clone()) for mean, var in self.seen]

    def forward(self, maps: Tensor) -> Tensor:
        parts = []
        for rank, (mean, var) in enumerate(self.seen):
            share = Team(rank, 2).share(len(maps))
            own = maps[share.start : share.stop]
            part = functional.batch_norm(own, mean, var, self.weight, self.bias, True, 0.1)
            parts += [part] if share.counts else []
        return torch.cat(parts)

    def even_out(self) -> None:
        for kind in (0, 1):
            mean = (self.seen[0][kind] + self.seen[1][kind]) / 2
            for one in self.seen:
                one[kind].copy_(mean)


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    floats = [key for key in one if one[key].is_floating_point()]
    return max(float((one[key] - other[key]).abs().max()) for key in floats)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_both_processes_end_with_the_same_bits(
    two: list[dict[str, Any]], name: str, norm: bool
) -> None:
    first, second = (found[f"{name}.{norm}"] for found in two)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one(
    two: list[dict[str, Any]], options: params.Params, name: str
) -> None:
    """Without batch norm: whatever the loss divides by, and where a share is empty."""
    alone = work.train(ALONE, options.train, name, norm=False)
    assert difference(two[0][f"{name}.False"], alone) < 1e-5


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one_that_normalises_halves_apart(
    two: list[dict[str, Any]], options: params.Params, name: str
) -> None:
    steps, epochs = work.make(ALONE, options.train, name, norm=True)
    layers: Any = steps.net.layers
    halves = layers[1] = Halves(layers[1])
    for k, batches in enumerate(epochs, 1):
        steps.run(batches, k, 0.05, torch.Generator().manual_seed(k))
        halves.even_out()
    both, one = two[0][f"{name}.True"], steps.net.state_dict()
    one |= {"layers.1.running_mean": halves.seen[0][0], "layers.1.running_var": halves.seen[0][1]}
    assert difference({key: both[key] for key in one}, one) < 1e-5


def test_they_share_out_the_evaluation(
    two: list[dict[str, Any]], options: params.Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(predict.BATCH, "cpu", 50)
    steps, _ = work.make(ALONE, options.train, "mean", norm=True)
    train, recipe = steps.setting.train, steps.setting.recipe
    logits = predict.predict(steps.net, train.pixels, recipe)
    first, second = (found["said"] for found in two)
    assert (first["outputs"] == logits).all()
    assert (first["answers"] == logits.argmax(1)).all()
    assert (second["answers"] == logits.argmax(1)).all()


@pytest.mark.parametrize("name", ["mean", "mixed"])
def test_images_on_disk_give_the_same_bits(two: list[dict[str, Any]], name: str) -> None:
    for found in two:
        stored, held = found[f"{name}.stored"], found[f"{name}.True"]
        assert all(torch.equal(stored[key], held[key]) for key in held)
        answers, outputs = found["stored"]
        assert (answers == found["said"]["answers"]).all()
        assert (outputs == found["said"]["outputs"]).all()


def test_they_tell_each_other_what_experts_have_become(two: list[dict[str, Any]]) -> None:
    assert [found["said"]["mine"] for found in two] == [["expert 0", "expert 2"], ["expert 1"]]
    assert two[0]["said"]["all"] == two[1]["said"]["all"] == ["expert 0", "expert 1", "expert 2"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 31, 256])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 8])
def test_each_row_is_in_one_share_that_counts(size: int, number: int) -> None:
    shares = [Team(rank, number).share(size) for rank in range(number)]
    rows = [row for one in shares if one.counts for row in range(one.start, one.stop)]
    assert rows == list(range(size))
    assert all(one.stop - one.start >= min(2, size) for one in shares)
    lengths = [one.stop - one.start for one in shares if one.counts]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(
    ("size", "processes", "message"),
    [
        ("4", 2, "expected 1 or 4, as many as torchrun has started, got 2"),
        (None, 2, "expected 1 here, got 2"),
    ],
)
def test_another_number_than_torchruns_is_refused(
    size: str | None, processes: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if size:
        monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(ValueError, match=f"train.processes: {message}"), together.joined(processes):
        pytest.fail("it began")


def test_memory_that_is_short_is_told_as_that() -> None:
    def short() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def gone() -> None:
        raise RuntimeError("Connection closed by peer")

    with pytest.raises(torch.OutOfMemoryError):
        together._all(short)
    with pytest.raises(Gone, match="Connection closed"):
        together._all(gone)
