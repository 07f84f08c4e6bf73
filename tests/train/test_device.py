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
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.backends.cudnn.benchmark != deterministic
        assert torch.backends.cuda.cudnn_sdp_enabled() != deterministic
        assert not torch.backends.cudnn.allow_tf32
    finally:
        device.pick_device(True)


def test_a_gpu_that_torch_cannot_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its driver is too old, say. Training on the CPU instead would take fifty times as long."""
    monkeypatch.setattr(device, "DEVICES", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert device.pick_device(True).type == "cpu"
    (tmp_path / "nvidiactl").touch()
    assert device.pick_device(True).type == "cpu", "no GPU of its own"
    (tmp_path / "nvidia0").touch()

    def too_old() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old.\nPlease update")

    monkeypatch.setattr(torch.cuda, "init", too_old)
    message = (
        r"^there is an NVIDIA GPU, and torch .* cannot use it: The NVIDIA driver on your system is "
        r"too old\.; expected a driver for CUDA .*, or CUDA_VISIBLE_DEVICES= for the CPU$"
    )
    with pytest.raises(ValueError, match=message):
        device.pick_device(True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device.pick_device(True).type == "cpu"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert device.pick_device(True).type == "cpu", "a torch for the CPU alone"


@pytest.mark.parametrize(("own", "fits"), [((7, 0), False), ((7, 5), True), ((9, 0), True)])
def test_a_gpu_older_than_torchs_kernels_is_refused(
    own: tuple[int, int], fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("is_available", True),
        ("get_device_capability", own),
        ("get_arch_list", ["sm_75", "sm_80", "sm_100", "sm_120a", "compute_120"]),
        ("get_device_name", "Tesla V100"),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    if fits:
        assert device.pick_device(True).type == "cuda"
        return
    message = r"^Tesla V100 has compute capability 7\.0; expected 7\.5 or more, of which torch"
    with pytest.raises(ValueError, match=message):
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


@pytest.mark.parametrize(("processes", "threads"), [("1", 3), ("2", 2), ("8", 1)])
def test_processes_of_a_machine_share_its_cores(
    processes: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(device.joblib, "cpu_count", lambda: 4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    try:
        torch.set_num_threads(3)
        device.pick_device(True)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
