from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

# Before torch starts, and for children: small steps are a thousand parallel regions, each with a
# barrier, and beside a busy neighbour two threads wait for each other most of the time.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["DVC_NO_ANALYTICS"] = "1"  # of repositories that a test makes, without our .dvc/config

import numpy as np
import pytest
import torch

import stages
from lt import params, params_file
from lt.data import datasets
from lt.train import checkpoint, loop, step
from lt.train.plan import ClassView, Expert, Task

ROOT = Path(__file__).parents[1]
CIFAR_FILES = datasets.ARCHIVES / "cifar-100-python" / "train"

needs_cifar = pytest.mark.skipif(
    not (ROOT / CIFAR_FILES).exists(), reason=f"no {CIFAR_FILES}: the official CIFAR files"
)


class Cut(BaseException):
    """The run is cut off."""


def run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A command with this Python's programs first on the path; its output as text."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": path, **env}, capture_output=True, text=True
    )


def call(repo: Path, module: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """What `python -m <module>` does in the folder `repo`, in this process: no torch to import.

    The code is that of the working tree, so `repo` must hold the same. An error that is told in no
    message comes out as it is.
    """
    argv, code = [f"{module.replace('.', '/')}.py", *arguments], 0
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(repo),
        mock.patch.object(sys, "argv", argv),
        mock.patch.dict(os.environ, env),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            stages.main(importlib.import_module(module).run)
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def spawn(repo: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same as a process of its own."""
    return run("python", "-m", module, *arguments, cwd=repo)


LONG = ("test_pipeline", "test_belief", "test_filling", "test_own_images", "test_trained")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that processes side by side end at about the same time."""
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))


@pytest.fixture(scope="session")
def options() -> params.Params:
    return params_file.load(path=ROOT / "params.yaml")


@pytest.fixture(params=params.method_names())
def method(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def task() -> Task:
    """Six classes with 40 to 6 images, in two groups."""
    return Task((40, 30, 20, 15, 10, 6), ((0, 1, 2), (3, 4, 5)), epochs=2, batch_size=32, lr=0.1)


@pytest.fixture
def setting(task: Task, options: params.Params) -> step.Setting:
    """Random 8x8 images that fit `task`, each class of another brightness; one epoch's worth."""
    rng = np.random.default_rng(0)

    def images(counts: tuple[int, ...]) -> step.Images:
        labels = np.repeat(np.arange(len(counts)), counts)
        pixels = rng.integers(0, 60, (len(labels), 8, 8, 1)) + 30 * labels[:, None, None, None]
        return step.Images(torch.from_numpy(pixels.astype(np.uint8)), labels)

    small = dataclasses.replace(options.train, backbone="resnet20", epochs=2, batch_size=32, lr=0.1)
    recipe = datasets.Recipe((0.5,), (0.25,), pad=1, flip=True)
    counts, cpu = np.array(task.counts), torch.device("cpu")
    return step.Setting(
        images(task.counts), images((6,) * 6), recipe, small, 0, cpu, "fp32", counts
    )


def views(*groups: tuple[int, ...], others: str = "drop") -> list[ClassView]:
    num = sum(map(len, groups))
    return [ClassView(group, num, others) for group in groups]  # type: ignore[arg-type]


def quiet(_row: loop.Row) -> None:
    pass


def train(
    expert: Expert,
    number: int,
    setting: step.Setting,
    report: loop.Report = quiet,
    checkpoints: checkpoint.Checkpoints | None = None,
    start: loop.Nets = (),
) -> loop.Trained:
    """One expert, whatever its number."""
    (trained,) = loop.fit([loop.Job(expert, number, setting, report, checkpoints, start)])
    return trained
