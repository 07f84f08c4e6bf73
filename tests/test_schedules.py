from __future__ import annotations

import pytest
import torch

from lt import schedules


def test_step_is_torchs() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=150, gamma=0.1)
    for epoch in range(1, 302):
        expected = optimizer.param_groups[0]["lr"]
        assert schedules.step(epoch, 0.1, 150, 0.1) == pytest.approx(expected, rel=1e-12)
        optimizer.step()
        scheduler.step()
