"""Images per second of the train loop against the conventional one.

The conventional loop is what tutorials show: torchvision's CIFAR-10 dataset, transforms on PIL
images in a DataLoader (two workers for a CPU, eight for a GPU), fp32, plain nn.Conv2d, torch's
default SGD, the loss fetched every step. Both train the same architecture on the same number of
images of CIFAR-10 with clipping at 5, and take turns.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import CIFAR10

from bench import report, setting
from lt.data import datasets, samplers
from lt.nets import backbones, heads, losses, surgery
from lt.nets import net as nets
from lt.train import loop, step
from lt.train.plan import ClassView, Expert, Phase

BACKBONES = ["resnet32", "resnet18", "resnet20", "resnet18_cifar"]
HEAVY = "resnet18_cifar"  # ten times the others' operations: on a CPU, a quarter of their images


def plain_net(name: str) -> nn.Module:
    """Make the same architecture out of plain nn.Conv2d, in torch's default memory format."""
    module, features = backbones.make(name, 3)
    net = nets.Net(module, nn.Linear(features, 10), features)
    return nets.initialise(net, torch.Generator().manual_seed(0))


def conventional(name: str, number: int, workers: int) -> Iterator[None]:
    """Train with the conventional loop, an epoch for each next()."""
    recipe, options, device = datasets.RECIPES["cifar10"], setting.OPTIONS, setting.device()
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=recipe.pad),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(recipe.mean, recipe.std),
        ]
    )
    dataset = Subset(CIFAR10(str(datasets.ARCHIVES), transform=transform), range(number))
    loader = DataLoader(
        dataset,
        options.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
        pin_memory=device.type == "cuda",
    )
    net = plain_net(name).to(device).train()
    optimizer = torch.optim.SGD(
        net.parameters(), options.lr, options.momentum, weight_decay=options.weight_decay
    )
    while True:
        total = 0.0
        for images, targets in loader:
            loss = nn.functional.cross_entropy(net(images.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), options.clip_norm)
            optimizer.step()
            total += loss.item()
        yield


def ours(where: step.Setting) -> Iterator[None]:
    """Train with the loop of `lt`, an epoch for each next().

    On a GPU it runs on a stream of its own, as in training.
    """
    sampler = samplers.shuffled(where.options.batch_size)
    phase = Phase(1, losses.cross_entropy, sampler, (surgery.everything,))
    expert = Expert(ClassView.all(10), (phase,), heads.linear)
    net = loop._begin(loop.Job(expert, 0, where, lambda _: None))
    labels, generator = where.train.labels, torch.Generator(where.device)
    steps = step.Steps(net, list(net.parameters()), phase, labels, where)
    stream = None
    if where.device.type == "cuda":
        stream = torch.cuda.Stream()
        torch.cuda.synchronize()  # the net is there before another stream reads it
    for epoch in range(1, 10**9):
        with torch.cuda.stream(stream):
            batches = sampler(labels, np.random.default_rng(epoch))
            steps.run(batches, epoch, where.options.lr, generator).cpu()
        yield


def run(small: bool) -> None:
    device = setting.device()
    gpu = device.type == "cuda"
    most, rounds = (20480 if gpu else 2560), (5 if gpu else 4)
    if small:
        most, rounds = 512, 1
    workers, rows = (8 if gpu else 2), []
    for name in BACKBONES:
        number = most // 4 if name == HEAVY and not gpu else most
        where = setting.cifar10(number, name)
        loops = {"ours": ours(where), "conventional": conventional(name, number, workers)}
        runners = {
            key: lambda loop=loop: report.seconds(loop.__next__) for key, loop in loops.items()
        }
        took = report.race(runners, rounds)
        rates = {f"{key} (images/s)": number / took[key] for key in took}
        rows.append(
            {
                "backbone": name,
                "images": number,
                **rates,
                "ratio": took["conventional"] / took["ours"],
            }
        )
        print(rows[-1], flush=True)
        for each in loops.values():
            each.close()  # type: ignore[attr-defined]
    report.write(
        "throughput",
        "Train loop against the conventional one",
        f"images per second, median of {rounds} epochs of so many images of CIFAR-10, batch 128; "
        f"ours in {where.precision}, the DataLoader with {workers} workers.",
        rows,
        device,
        precision=where.precision,
    )
