from __future__ import annotations

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from lt.data.datasets import RECIPES, Recipe
from lt.nets import mixing
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


def timm_mixup() -> Any:
    """timm/data/mixup.py alone: the package's __init__ would import all of its networks."""
    found = find_spec("timm")
    assert found, "requirements.txt has it"
    assert found.origin
    spec = spec_from_file_location("timm_mixup", Path(found.origin).parent / "data" / "mixup.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_blend_is_timms_mixup() -> None:
    """Of two images: theirs blends with the batch in reverse, ours with the image before."""
    theirs = timm_mixup()
    generator = torch.Generator().manual_seed(0)
    for share in torch.rand(5, generator=generator):
        images = torch.rand(2, 3, 8, 8, generator=generator)
        targets = torch.randint(10, (2,), generator=generator)
        ours = augment.blend(targets, share, mixing.plain, 10)
        torch.testing.assert_close(ours, theirs.mixup_target(targets, 10, share.item()))
        mixup = theirs.Mixup(mixup_alpha=1.0, label_smoothing=0.0, num_classes=10)
        mixup._params_per_batch = lambda share=share: (share.item(), False)
        expected, shares = mixup(images.clone(), targets)
        torch.testing.assert_close(augment.blend_images(images, share), expected)
        torch.testing.assert_close(ours, shares)


def test_blended_targets_keep_the_class_frequencies() -> None:
    targets = torch.tensor([0, 0, 0, 1, 1, 2])
    blended = augment.blend(targets, torch.tensor(0.3), mixing.plain, 3)
    torch.testing.assert_close(blended.sum(0), torch.tensor([3.0, 2.0, 1.0]))
