from __future__ import annotations

import pytest
import torch
from torch import nn

from lt.data.datasets import Recipe
from lt.score import predict

RECIPE = Recipe((0.5,) * 3, (0.25,) * 3, pad=1, flip=True)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 8, 8, 3),  # floats, which would be divided by 255 again
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(8, 8, 3, dtype=torch.uint8),
    ],
)
def test_images_in_another_form_are_refused(images: torch.Tensor) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    with pytest.raises(ValueError, match=r"images: expected uint8 \(N, H, W, 3\), got"):
        predict.predict(net, images, RECIPE)


def test_white_is_two_deviations_above_the_mean() -> None:
    net = nn.Flatten()
    white = torch.full((1, 1, 1, 3), 255, dtype=torch.uint8)
    assert predict.predict(net, white, RECIPE).tolist() == [[2.0, 2.0, 2.0]]
