"""On a GPU a step is recorded and replayed: nothing in it may wait for the host or the data.

Asked here on a CPU, of what torch is told to compute in each method's steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from lt import params
from lt.nets import conv
from lt.train import changes, step
from lt.train.plan import Task
from tests.conftest import train
from tests.test_methods import METHODS, plan
from tests.test_trained import retrained, started

# reading a number of the device, copying a constant there, shapes that data decide, random numbers
REFUSED = (
    *("_local_scalar_dense", "lift_fresh", "nonzero", "masked_select", "bincount", "_unique"),
    *("equal", "is_nonzero", "unique_", "repeat_interleave"),
    *("multinomial", "rand", "bernoulli", "normal", "uniform", "_standard_gamma", "exponential"),
)


class Recordable(TorchDispatchMode):
    """Fails on what cannot be recorded."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = str(func).removeprefix("aten.")
        assert not name.startswith(REFUSED), f"a recorded step cannot do {name}"
        if name.startswith(("index.", "index_put")):
            kinds = {one.dtype for one in args[1] if one is not None}
            assert not kinds & {torch.bool, torch.uint8}, f"{name} by a mask"
        return func(*args, **(kwargs or {}))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches of steps that were looked at: all but the first one of each size.

    That one is never recorded. Where the code asks for the device, the GPU's way is taken.
    """

    def one_hot(ids: Tensor, width: int) -> Tensor:  # torch's waits for the ids, on a CPU alone
        return (ids[..., None] == torch.arange(width)).long()

    def where_asked(
        operation: Callable[[Tensor, Tensor], Tensor], images: Tensor, strength: Tensor, none: float
    ) -> Tensor:
        asked, strength = strength != none, strength[:, None, None, None].float()
        return torch.where(asked[:, None, None, None], operation(images, strength), images)

    monkeypatch.setattr(functional, "one_hot", one_hot)
    monkeypatch.setattr(changes, "_where_asked", where_asked)
    monkeypatch.setattr(conv, "LARGEST", 0)
    compute, found = step.Steps._compute, []

    def look(steps: step.Steps, *given: Tensor) -> Tensor:
        size = len(given[0])
        if size not in steps.seen:
            steps.seen.add(size)
            return compute(steps, *given)
        found.append(size)
        with Recordable():
            return compute(steps, *given)

    monkeypatch.setattr(step.Steps, "_step", look)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_every_method(
    method: str, task: Task, options: params.Params, setting: step.Setting, computed: list[int]
) -> None:
    start = started(method, task, options, setting)
    computed.clear()
    experts = plan(method, task, options)
    for k, expert in enumerate(experts):
        train(expert, k, setting, start=start)
    if any(phase.epochs for expert in experts for phase in expert.phases):
        assert computed


@pytest.mark.parametrize(
    "values",
    [
        {"auto_augment": "cifar10", "cutout": 4, "nesterov": True},
        {"auto_augment": "imagenet", "clip_norm": None},
        {"auto_augment": "trivial", "rotation": 15.0},
        {"augment": "resized_crop", "color_jitter": 0.4, "optimizer": "adamw", "lr": 1e-3},
    ],
)
def test_every_change_of_the_images(
    values: dict[str, Any],
    task: Task,
    options: params.Params,
    setting: step.Setting,
    computed: list[int],
) -> None:
    changed = dataclasses.replace(setting.options, **values)
    retrained("mixup", task, options, dataclasses.replace(setting, options=changed))
    assert computed


@pytest.mark.parametrize(
    "loss",
    [
        lambda logits, _targets, _epoch: logits.mean() * logits.detach().max().item(),
        lambda logits, targets, _epoch: logits[targets > 2].mean(),
        lambda logits, _targets, _epoch: (logits * torch.tensor([2.0])).mean(),
        lambda logits, _targets, _epoch: functional.dropout(logits).mean(),
    ],
    ids=["item", "mask", "constant", "random"],
)
@pytest.mark.usefixtures("computed")
def test_what_cannot_be_recorded_is_found(
    loss: Any, task: Task, options: params.Params, setting: step.Setting
) -> None:
    (expert,) = plan("baseline", task, options)
    phases = (dataclasses.replace(expert.phases[0], loss=loss),)
    with pytest.raises(AssertionError, match=r"a recorded step cannot do|by a mask"):
        train(dataclasses.replace(expert, phases=phases), 0, setting)
