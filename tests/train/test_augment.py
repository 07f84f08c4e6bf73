from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from lt.data.datasets import RECIPES, Recipe
from lt.score import predict
from lt.train import augment

IMAGES = torch.randint(1, 256, (200, 6, 6, 3), generator=torch.Generator().manual_seed(1)).to(
    torch.uint8
)


def crops(pad: int, flip: bool, seed: int = 0) -> torch.Tensor:
    recipe = Recipe((0.5,), (0.5,), pad, flip)
    draws = augment.draw(len(IMAGES), recipe, torch.Generator().manual_seed(seed))
    return augment.crop_and_flip(IMAGES, draws, pad)


def test_nothing_to_do() -> None:
    assert torch.equal(crops(0, False), IMAGES)


def test_flip_mirrors_left_and_right_half_of_the_time() -> None:
    flipped = crops(0, True)
    mirrored = [torch.equal(a, b.flip(1)) for a, b in zip(flipped, IMAGES, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(flipped, IMAGES, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 70 < sum(mirrored) < 130


def test_every_crop_is_a_window_of_the_padded_image_and_all_occur() -> None:
    seen = set()
    padded = np.pad(IMAGES.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)))
    for crop, image in zip(crops(2, False).numpy(), padded, strict=True):
        places = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if np.array_equal(crop, image[y : y + 6, x : x + 6])
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 25


def test_the_generator_decides() -> None:
    assert torch.equal(crops(2, True), crops(2, True))
    assert not torch.equal(crops(2, True), crops(2, True, seed=1))


def test_normalise_is_torchvisions() -> None:
    recipe = RECIPES["cifar10"]
    theirs = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(recipe.mean, recipe.std)]
    )
    expected = torch.stack([theirs(Image.fromarray(image)) for image in IMAGES[:5].numpy()])
    ours = predict.normalise(IMAGES[:5], recipe)
    torch.testing.assert_close(ours, expected)
    assert ours.is_contiguous(memory_format=torch.channels_last)
