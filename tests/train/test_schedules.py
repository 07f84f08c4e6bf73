from __future__ import annotations

import pytest
import torch
from torch.optim import lr_scheduler

from lt.train import schedules


def theirs(epochs: int, make: str, *arguments: object) -> list[float]:
    """Learning rates of torch's own scheduler, from 0.1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = getattr(lr_scheduler, make)(optimizer, *arguments)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_a_step_size_is_torchs() -> None:
    ours = [schedules.stepped(epoch, 0.1, 0, 150, (), 0.1) for epoch in range(1, 302)]
    assert ours == pytest.approx(theirs(301, "StepLR", 150, 0.1), rel=1e-12)


def test_milestones_are_torchs() -> None:
    ours = [schedules.stepped(epoch, 0.1, 0, None, (160, 180), 0.01) for epoch in range(1, 201)]
    assert ours == pytest.approx(theirs(200, "MultiStepLR", [160, 180], 0.01), rel=1e-12)


def test_a_cosine_is_torchs() -> None:
    ours = [schedules.cosine(epoch, 0.1, 10) for epoch in range(1, 11)]
    assert ours == pytest.approx(theirs(10, "CosineAnnealingLR", 10), rel=1e-9)


def test_the_fields_schedule() -> None:
    expected = {1: 0.02, 5: 0.1, 6: 0.1, 160: 0.1, 161: 1e-3, 180: 1e-3, 181: 1e-5, 200: 1e-5}
    ours = {epoch: schedules.stepped(epoch, 0.1, 5, None, (160, 180), 0.01) for epoch in expected}
    assert ours == pytest.approx(expected)
