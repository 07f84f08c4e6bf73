from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
import torch

from lt.train import device


def test_auto_precision_follows_the_hardware() -> None:
    cpu = torch.device("cpu")
    assert device.pick_precision("fp32", cpu) == "fp32"
    assert device.pick_precision("bf16", cpu) == "bf16"
    flags = Path("/proc/cpuinfo").read_text().split()
    fast = "avx512_bf16" in flags or "amx_bf16" in flags
    assert device.pick_precision("auto", cpu) == ("bf16" if fast else "fp32")


@pytest.mark.parametrize("deterministic", [True, False])
def test_kernels_are_deterministic_or_not(deterministic: bool) -> None:
    try:
        device.pick_device(deterministic)
        assert torch.are_deterministic_algorithms_enabled() == deterministic
        assert torch.backends.cudnn.benchmark != deterministic
    finally:
        device.pick_device(True)


def test_small_images_take_one_thread() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        device.use_threads(32)
        assert torch.get_num_threads() == 2
        device.use_threads(8)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_runs_take_turns() -> None:
    steps: list[str] = []

    def run(name: str, yields: int) -> Generator[None, None, str]:
        for number in range(yields):
            steps.append(f"{name}{number}")
            yield
        return name

    runs = [run("a", 1), run("b", 3), run("c", 0)]
    assert device.take_turns(runs, [None] * 3) == ["a", "b", "c"]
    assert steps == ["a0", "b0", "b1", "b2"]
    steps.clear()
    runs = [run("a", 2), run("b", 2)]
    assert device.side_by_side(runs, torch.device("cpu")) == ["a", "b"]
    assert steps == ["a0", "a1", "b0", "b1"]
