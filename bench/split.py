"""What a split costs: training and test pass of split_lws against those of a single network.

Both see the same images of CIFAR-10 exp 0.1. Each network of the split sees its half of the
classes, in batches of its own. The time is that of whole calls of the train loop: new networks,
their first steps and, on a GPU, the recording of a step are in it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from bench import report, setting
from lt import methods
from lt.data import longtail
from lt.score import predict
from lt.train import loop, step
from lt.train.plan import Task

METHODS = {
    "baseline": {"start": "fresh"},
    "split_lws": {
        "start": "fresh",
        "others": "silent",
        "batches": "own",
        "scales": "joint",
        "scale_epochs": 1,
    },
}


def train(method: str, where: step.Setting, epochs: int) -> list[loop.Trained]:
    """Train all experts of a method."""
    counts = np.bincount(where.train.labels)
    half = len(counts) // 2
    groups = tuple(range(half)), tuple(range(half, len(counts)))
    task = Task(tuple(counts.tolist()), groups, epochs, where.options.batch_size, 0.1)
    experts = methods.experts(method, task, METHODS[method])
    return loop.fit([loop.Job(one, k, where, lambda _: None) for k, one in enumerate(experts)])


def test(trained: list[loop.Trained], pixels: torch.Tensor, where: step.Setting) -> None:
    """Run the test pass of all experts."""
    for one in trained:
        predict.predict(one.net, pixels, where.recipe)


def run(small: bool) -> None:
    device = setting.device()
    gpu = device.type == "cuda"
    largest, epochs, rounds, tested = (5000, 10, 3, 10000) if gpu else (1000, 1, 4, 2000)
    if small:
        largest, epochs, rounds, tested = 200, 1, 1, 500
    counts = longtail.class_counts(largest, 10, "exp", 0.1).tolist()
    rows = []
    for backbone in ("resnet18", "resnet32"):
        whole = setting.cifar10(50000, backbone)
        where = setting.subset(whole, setting.longtail(counts))
        pixels = whole.train.pixels[-tested:]
        rows += compare(backbone, where, pixels, epochs, rounds)
    report.write(
        "split",
        "The split against a single network",
        f"seconds for {epochs} epoch(s) of the same {sum(counts)} images, and for {tested} test "
        f"images; median of {rounds}. (The seed's ratios: 1.61 and 2.1.)",
        rows,
        device,
        precision=where.precision,
    )


def compare(
    backbone: str, where: step.Setting, pixels: torch.Tensor, epochs: int, rounds: int
) -> list[dict[str, Any]]:
    """Return a row for training and one for the test pass."""
    trained = {method: train(method, where, 1) for method in METHODS}

    def training(method: str) -> float:
        return report.seconds(lambda: train(method, where, epochs))

    def testing(method: str) -> float:
        return report.seconds(lambda: test(trained[method], pixels, where))

    rows = []
    for part, call in ("training", training), ("test pass", testing):
        took = report.race({method: partial(call, method) for method in METHODS}, rounds)
        times = {f"{method} (s)": took[method] for method in METHODS}
        ratio = took["split_lws"] / took["baseline"]
        rows.append({"backbone": backbone, "part": part, **times, "ratio": ratio})
    return rows
