"""How time and memory grow with images, classes, experts and the backbone.

Every row is a process of its own. Peak memory is what that process had; on a GPU, it is what torch
had of the GPU's memory.
"""

from __future__ import annotations

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from bench import report, setting
from lt import methods
from lt.train import loop
from lt.train.plan import Task


def measure(backbone: str, images: int, classes: int, groups: int) -> dict[str, float]:
    """Return the seconds of the second epoch of `split` and the peak memory in MiB.

    With one group, `split` is `baseline`.
    """
    labels = np.arange(images) % classes
    where = setting.cifar10(images, backbone, labels)
    cut = tuple(tuple(part.tolist()) for part in np.array_split(np.arange(classes), groups))
    counts = tuple(np.bincount(labels, minlength=classes).tolist())
    values = {"start": "fresh", "others": "drop", "batches": "own"}

    def train(epochs: int) -> float:
        experts = methods.experts("split", Task(counts, cut, epochs, 128, 0.1), values)
        jobs = [loop.Job(one, k, where, lambda _: None) for k, one in enumerate(experts)]
        return report.seconds(lambda: loop.fit(jobs))

    # from here on: the peak so far is that of reading the data
    Path("/proc/self/clear_refs").write_text("5")
    train(1)
    seconds = train(2) - train(1)
    if where.device.type == "cuda":
        memory = torch.cuda.max_memory_reserved() / 2**20
    else:
        # not getrusage: its peak counts the parent's, from before the process was its own
        (line,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        memory = int(line) / 2**10
    return {"epoch (s)": seconds, "peak memory (MiB)": memory}


def run(small: bool) -> None:
    device = setting.device()
    base = 20480 if device.type == "cuda" else 256 if small else 1280
    cases = [("resnet32", base * factor, 10, 1) for factor in (1, 2)]
    if not small:
        cases += [("resnet32", base * 4, 10, 1)]
    cases += [("resnet32", base, classes, 1) for classes in (100, 1000)[: 1 if small else 2]]
    cases += [("resnet32", base, 10, groups) for groups in (2, 5)]
    cases += [(backbone, base, 10, 1) for backbone in ("resnet18", "resnet18_cifar")]
    rows = []
    for case in cases:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            figures = pool.submit(measure, *case).result()
        names = ("backbone", "images N", "classes C", "experts K")
        rows.append({**dict(zip(names, case, strict=True)), **figures})
        print(rows[-1], flush=True)
    report.write(
        "growth",
        "Growth with images, classes, experts",
        "seconds of an epoch over all images, split evenly among the experts; peak memory of the "
        "process, Python and torch included.",
        rows,
        device,
    )
