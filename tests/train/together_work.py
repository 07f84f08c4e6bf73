"""What two processes do, for test_together.py: python -m tests.train.together_work OUT."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed.distributed_c10d as dist
from torch import Tensor, nn

from lt.data import datasets, samplers
from lt.data.stored import Stored
from lt.data.views import ClassView
from lt.nets import branch_losses, losses, mixing
from lt.nets.losses import Loss
from lt.params import Train
from lt.train import step, together
from lt.train.plan import Mix, Phase
from lt.train.together import Team

COUNTS, CLASSES = (40, 30, 20, 15, 10, 6), 6
GROUPS = ((0, 1, 2), (3, 4, 5))
WEIGHTS = (0.2, 0.4, 0.6, 1.0, 1.5, 2.3)
SIZES = (32, 31, 7, 3, 2)  # the last two are too small for two shares
STEPS = 20
SECOND = 1.0  # torch's patience, were it not told another


class Small(nn.Module):
    """A network without batch norm, or with it; its outputs have any shape."""

    def __init__(self, outputs: tuple[int, ...], norm: bool) -> None:
        super().__init__()
        layers = [nn.Conv2d(1, 8, 3, 2), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU()]
        last = nn.Linear(8 * 9, int(np.prod(outputs)))
        self.layers = nn.Sequential(*layers, nn.Flatten(), last, nn.Unflatten(1, outputs))

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.layers(images)
        return result


def cases() -> dict[str, tuple[Loss, tuple[int, ...], Mix | None]]:
    """Return losses of each kind, with the shape of what they are given and the mix."""
    adjusted = losses.adjusted(COUNTS, 1.0)
    ldam = losses.ldam(COUNTS, 0.5, 30.0, WEIGHTS, 1)
    teachers = [ClassView(group, CLASSES) for group in GROUPS]
    return {
        "mean": (losses.cross_entropy, (6,), None),
        "weighted": (losses.weighted(WEIGHTS), (6,), None),
        "ldam": (ldam, (6,), None),
        "binary": (losses.binary(WEIGHTS), (6,), None),
        "groups": (losses.group_softmax(GROUPS, 2.0), (8,), None),
        "distilled": (losses.distilled(teachers, 2.0, 1.0), (12,), None),
        "branches": (branch_losses.ride(ldam, COUNTS, 0.45, 1.0, 0.05, 1), (3, 6), None),
        "mixed": (adjusted, (6,), Mix(1.0, mixing.plain)),
    }


def make(
    team: Team, options: Train, name: str, norm: bool, stored: bool = False
) -> tuple[step.Steps, list[list[np.ndarray]]]:
    """Return the steps of a case, the same in every process, and the batches of two epochs.

    stored: the images are read batch by batch.
    """
    loss, outputs, mix = cases()[name]
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), COUNTS)
    pixels = rng.integers(0, 256, (len(labels), 8, 8, 1)).astype(np.uint8)
    rows = Stored(pixels, np.arange(len(labels)))
    images = step.Images(rows if stored else torch.from_numpy(pixels), labels)
    recipe = datasets.Recipe((0.5,), (0.25,), pad=1, flip=True)
    cpu = torch.device("cpu")
    counts = np.array(COUNTS)
    setting = step.Setting(images, images, recipe, options, 0, cpu, "fp32", counts, team=team)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Small(outputs, norm)
    phase = Phase(2, loss, samplers.shuffled(32), (), mix=mix)
    parameters = list(net.parameters())
    steps = step.Steps(net, parameters, phase, labels, setting)  # type: ignore[arg-type]
    batches = [rng.permutation(len(labels))[: SIZES[k % len(SIZES)]] for k in range(STEPS)]
    return steps, [batches[: STEPS // 2], batches[STEPS // 2 :]]


def train(
    team: Team, options: Train, name: str, norm: bool, stored: bool = False
) -> dict[str, Tensor]:
    """Take STEPS steps and return the losses and the net's state."""
    steps, epochs = make(team, options, name, norm, stored)
    found = [
        steps.run(batches, k, 0.05, torch.Generator().manual_seed(k))
        for k, batches in enumerate(epochs, 1)
    ]
    return {"losses": torch.cat(found), **steps.net.state_dict()}


def evaluate(team: Team, options: Train, stored: bool) -> tuple[Any, Any]:
    """Return answers and outputs of a network that was not trained."""
    steps, _ = make(team, options, "mean", True, stored)
    pixels, recipe = steps.setting.train.pixels, steps.setting.recipe
    answers = team.answers(steps.net, pixels, recipe, "fp32", "here")
    return answers, team.outputs(steps.net, pixels, recipe, "here")


def main(out: Path, options: Train) -> None:
    """Save what each case gives in this process, and what the evaluation does."""
    with together.joined(1) as team:
        result = {
            f"{name}.{norm}": train(team, options, name, norm)
            for name in cases()
            for norm in (False, True)
        }
        for name in ("mean", "mixed"):
            result[f"{name}.stored"] = train(team, options, name, True, stored=True)
        evaluated = [evaluate(team, options, stored) for stored in (False, True)]
        (answers, outputs), result["stored"] = evaluated
        mine = [f"expert {k}" for k in team.share_out(3)]
        time.sleep(3 * SECOND * team.rank)  # one that has trained for longer
        result["said"] = {"answers": answers, "outputs": outputs, "mine": mine}
        result["said"]["all"] = team.exchange(mine, 3)
        torch.save(result, out / f"{team.rank}.pt")
        team.wait()


if __name__ == "__main__":
    from lt import params_file
    from lt.score import predict

    dist.default_pg_timeout = timedelta(seconds=SECOND)  # type: ignore[attr-defined]
    torch.set_num_threads(1)
    predict.BATCH["cpu"] = 50
    main(Path(sys.argv[1]), params_file.load().train)
