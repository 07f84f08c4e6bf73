"""What the seed's methods cost: training and test pass, against those of a single network.

All see the same images of CIFAR-10 exp 0.1. Each network of a split sees its half of the classes,
in batches of its own, or in what batches of all images have of it, as in the seed. The time is that
of whole calls of the train loop: new networks, their first steps and, on a GPU, the recording of a
step are in it.
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

SPLIT = {"start": "fresh", "others": "silent", "scales": "joint", "scale_epochs": 1}
# method -> its name in lt.methods, and its params
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("baseline", {"start": "fresh"}),
    "lws_joint": ("lws_joint", {"start": "fresh"}),
    "split_lws": ("split_lws", {**SPLIT, "batches": "shared"}),
    "split_lws own": ("split_lws", {**SPLIT, "batches": "own"}),
}


def train(method: str, where: step.Setting, epochs: int) -> list[loop.Trained]:
    """Train all experts of a method."""
    counts = np.bincount(where.train.labels)
    half = len(counts) // 2
    groups = tuple(range(half)), tuple(range(half, len(counts)))
    task = Task(tuple(counts.tolist()), groups, epochs, where.options.batch_size, 0.1)
    name, own = METHODS[method]
    experts = methods.experts(name, task, own)
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
        "The seed's methods against a single network",
        f"seconds for {epochs} epoch(s) of the same {sum(counts)} images, and for {tested} test "
        f"images; median of {rounds}, in turns. (The seed's ratios of split_lws: 1.61 and 2.12.)",
        rows,
        device,
        precision=where.precision,
    )


def compare(
    backbone: str, where: step.Setting, pixels: torch.Tensor, epochs: int, rounds: int
) -> list[dict[str, Any]]:
    """Return a row for each method, of training and of the test pass."""
    trained = {method: train(method, where, 1) for method in METHODS}

    def training(method: str) -> float:
        return report.seconds(lambda: train(method, where, epochs))

    def testing(method: str) -> float:
        return report.seconds(lambda: test(trained[method], pixels, where))

    rows = []
    for part, call in ("training", training), ("test pass", testing):
        took = report.race({method: partial(call, method) for method in METHODS}, rounds)
        rows += [
            {
                "backbone": backbone,
                "part": part,
                "method": method,
                "seconds": took[method],
                "over baseline": took[method] / took["baseline"],
            }
            for method in METHODS
        ]
    return rows
