"""Images per second of the train loop against the conventional one, as ratios of one run.

    python -m bench.throughput [--images 5120] [--rounds 3] [--out bench/throughput.json]

The conventional loop is what tutorials show: torchvision's CIFAR-10 dataset, transforms on PIL
images in a DataLoader with two workers, fp32, plain nn.Conv2d, torch's default SGD, the loss
fetched every step. Its first epoch, in which the workers start, is not counted; nor is ours. Both
train the same architecture on the same number of images of CIFAR-10 with clipping at 5. The two
loops take turns; the figure of each is its median epoch.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import CIFAR10

from lt import data, device, fit, losses, nets, params, provenance, samplers, setups, tables
from lt.plan import ClassView, Expert, Phase

WORKERS = 2
BACKBONES = ["resnet32", "resnet20", "resnet18", "resnet18_cifar"]


def plain_net(name: str) -> nn.Module:
    """The same architecture out of plain nn.Conv2d, in torch's default memory format."""
    module, features = nets.backbone(name, 3)
    for parent in list(module.modules()):
        for key, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                plain = nn.Conv2d(
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size,
                    child.stride,
                    child.padding,
                    bias=False,
                )
                setattr(parent, key, plain)
    return nets.initialise(
        nets.Net(module, nn.Linear(features, 10)), torch.Generator().manual_seed(0)
    )


def conventional(name: str, options: params.Train, num: int, chip: torch.device):
    """A generator: images per second of each epoch of the conventional loop."""
    recipe = data.RECIPES["cifar10"]
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=recipe.pad),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(recipe.mean, recipe.std),
        ]
    )
    dataset = Subset(CIFAR10(str(data.ARCHIVES), transform=transform), range(num))
    loader = DataLoader(
        dataset, options.batch_size, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )
    net = plain_net(name).to(chip).train()
    optimizer = torch.optim.SGD(
        net.parameters(), options.lr, options.momentum, weight_decay=options.weight_decay
    )
    while True:
        start, total = time.perf_counter(), 0.0
        for images, targets in loader:
            loss = nn.functional.cross_entropy(net(images.to(chip)), targets.to(chip))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), options.clip_norm)
            optimizer.step()
            total += loss.item()
        yield num / (time.perf_counter() - start)


def ours(name: str, options: params.Train, num: int, chip: torch.device, precision: str):
    """A generator: images per second of each epoch of lt.fit."""
    options = dataclasses.replace(options, backbone=name)
    dataset = CIFAR10(str(data.ARCHIVES))
    pixels = torch.from_numpy(np.ascontiguousarray(dataset.data[:num])).to(chip)
    train = fit.Images(pixels, np.array(dataset.targets[:num]))
    val = fit.Images(pixels[:0], train.labels[:0])
    setting = fit.Setting(train, val, data.RECIPES["cifar10"], options, 0, precision)
    sampler = samplers.shuffled(options.batch_size)
    phase = Phase(1, losses.cross_entropy, sampler, (setups.everything,))
    expert = Expert(ClassView.all(10), (phase,), nets.linear)
    trained = fit.Trained(fit._fresh(expert, 0, setting))
    while True:
        rows: list[fit.Row] = []
        fit._run(trained, phase, setups.everything, (expert, 0, 1), setting, rows.append)
        yield rows[0]["images_per_s"]


def render(result: dict[str, Any]) -> str:
    """The result as a page."""
    changes = " with changes" if result["git_dirty"] else ""
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    return (
        "# Benchmarks\n\n## Train loop against the conventional one\n\n"
        "`python -m bench.throughput` (what is compared: its docstring); images per second, median "
        f"of {result['rounds']} epochs of {result['images']} images of CIFAR-10, batch 128.\n\n"
        f"{tables.to_markdown(pd.DataFrame(result['rows']))}\n"
        f"{result['device']}, {result['threads']} threads, ours in {result['precision']}; "
        f"{versions}; commit {result['git'][:12]}{changes}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5120, help="images per epoch")
    parser.add_argument("--rounds", type=int, default=3, help="epochs counted of each loop")
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=BACKBONES)
    parser.add_argument("--out", type=Path, default=Path("bench/throughput.json"))
    arguments = parser.parse_args()
    options = dataclasses.replace(params.load().train, batch_size=128, clip_norm=5.0)
    chip = device.pick_device()
    precision = device.pick_precision(options.precision, chip)
    rows = []
    for name in arguments.backbones:
        loops = (
            ours(name, options, arguments.images, chip, precision),
            conventional(name, options, arguments.images, chip),
        )
        for loop in loops:
            next(loop)
        rates = [[next(loop) for loop in loops] for _ in range(arguments.rounds)]
        fast, slow = (statistics.median(column) for column in zip(*rates, strict=True))
        rows.append({"backbone": name, "ours": fast, "conventional": slow, "ratio": fast / slow})
        print(f"{name}: {fast:.0f} / {slow:.0f} images/s = {fast / slow:.2f}", flush=True)
        for loop in loops:
            loop.close()
    result = {
        "unit": "images per second, median epoch",
        "images": arguments.images,
        "rounds": arguments.rounds,
        "workers": WORKERS,
        "precision": precision,
        "rows": rows,
        **provenance.describe(chip),
    }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    arguments.out.with_name("README.md").write_text(render(result))


if __name__ == "__main__":
    main()
