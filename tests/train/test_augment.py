from __future__ import annotations

import dataclasses
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision import transforms
from torchvision.transforms import functional

from lt import params
from lt.data.datasets import RECIPES, Recipe
from lt.nets import mixing
from lt.score import predict
from lt.train import augment, changes

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


PHOTOS = torch.randint(0, 256, (6, 20, 20, 3), generator=torch.Generator().manual_seed(2))
PHOTOS = PHOTOS.to(torch.uint8)
BOXES = torch.tensor(
    [
        [0, 0, 0, 20, 20],
        [0, 3, 5, 9, 7],
        [1, 0, 12, 20, 8],
        [1, 19, 0, 1, 1],
        [0, 7, 7, 6, 13],
        [1, 2, 1, 18, 19],
    ],
    dtype=torch.float64,
)


def test_a_resized_crop_is_torchvisions() -> None:
    ours = augment.resized_crop(PHOTOS, BOXES)
    for image, (mirrored, *box), got in zip(PHOTOS, BOXES.int().tolist(), ours, strict=True):
        theirs = functional.resized_crop(image.permute(2, 0, 1).float(), *box, [20, 20])
        expected = functional.hflip(theirs) if mirrored else theirs
        torch.testing.assert_close(got.permute(2, 0, 1), expected, rtol=1e-5, atol=1e-3)


def test_the_whole_image_is_itself() -> None:
    boxes = torch.tensor([[0, 0, 0, 20, 20]], dtype=torch.float64).repeat(6, 1)
    assert torch.equal(augment.resized_crop(PHOTOS, boxes), PHOTOS.float())


def test_boxes_are_distributed_as_torchvisions() -> None:
    """Each column, and the area, against as many of theirs (Kolmogorov and Smirnov's test)."""
    number, side = 4000, 32
    generator = torch.Generator().manual_seed(0)
    ours = augment.draw_boxes(number, (side, side), True, generator)
    torch.manual_seed(0)
    image = torch.zeros(3, side, side)
    get = transforms.RandomResizedCrop.get_params
    theirs = torch.tensor([get(image, augment.AREA, augment.RATIO) for _ in range(number)])
    mirrored, *columns = ours.T
    assert 0.47 < mirrored.mean() < 0.53
    pairs = list(zip(columns, theirs.T, strict=True))
    pairs.append((ours[:, 3] * ours[:, 4], theirs[:, 2] * theirs[:, 3]))
    for one, other in pairs:
        assert stats.ks_2samp(one.numpy(), other.numpy()).pvalue > 0.01
    top, left, height, width = columns
    assert (torch.stack([top, left, height - 1, width - 1]) >= 0).all()
    assert ((top + height <= side) & (left + width <= side)).all()


def test_boxes_of_digits_are_not_mirrored() -> None:
    boxes = augment.draw_boxes(100, (8, 8), False, torch.Generator().manual_seed(0))
    assert not boxes[:, 0].any()


JITTER = {"color_jitter": 0.5}
ALL = {**JITTER, "rotation": 30.0, "auto_augment": "cifar10", "cutout": 6}


@pytest.mark.parametrize("given", [{}, JITTER, ALL, {"auto_augment": "trivial", "rotation": 5.0}])
@pytest.mark.parametrize("kind", ["crop", "resized_crop"])
def test_params_choose(kind: str, given: dict[str, Any], options: params.Params) -> None:
    chosen = dataclasses.replace(options.train, augment=kind, **given)
    recipe = RECIPES["cifar10"]

    def draws() -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return augment.draws(len(PHOTOS), (20, 20), recipe, chosen, generator)

    drawn = draws()
    assert torch.equal(drawn, draws())
    images = augment.augment(PHOTOS, drawn, recipe, chosen)
    assert images.shape == PHOTOS.shape
    columns, rest = {"crop": 3, "resized_crop": 5}[kind], drawn
    crop, rest = rest[:, :columns], rest[:, columns:]
    if kind == "crop":
        first = augment.draw(6, recipe, torch.Generator().manual_seed(0))
        assert torch.equal(crop, first.to(drawn.dtype)), "the draws of a crop stay"
        moved = given.keys() <= {"rotation"}
        assert images.dtype == (torch.uint8 if moved else torch.float32)
        images_now = augment.crop_and_flip(PHOTOS, crop.long(), recipe.pad)
    else:
        images_now = augment.resized_crop(PHOTOS, crop)
    if "color_jitter" in given:
        factors, rest = rest[:, :3], rest[:, 3:]
        assert 0.5 <= factors.min() < factors.max() <= 1.5
        assert (factors.std(0) > 0.05).all(), "each image its own"
    if "rotation" in given:
        angles, rest = rest[:, :1], rest[:, 1:]
        assert 0 < angles.abs().max() <= given["rotation"]
        assert angles.min() < 0 < angles.max()
        images_now = changes.turn(images_now, angles)
    if "auto_augment" in given:
        width = len(changes.NEUTRAL)
        images_now = images_now.float().round()
        for _ in range(1 if given["auto_augment"] == "trivial" else 2):
            images_now = changes.change(images_now, rest[:, :width])
            rest = rest[:, width:]
    if "color_jitter" in given:
        images_now = changes.colour(images_now.float(), factors)
    if "cutout" in given:
        centres, rest = rest[:, :2], rest[:, 2:]
        assert 0 <= centres.min() < centres.max() < 20
        mean = 255 * torch.tensor(recipe.mean)
        images_now = changes.cut_out(images_now, centres.long(), given["cutout"], mean)
    assert rest.shape == (6, 0)
    assert torch.equal(images, images_now)


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


def test_images_and_targets_are_blended_with_the_same_neighbour() -> None:
    share = torch.tensor(0.3)
    targets = augment.blend(torch.arange(3), share, mixing.plain, 3)
    torch.testing.assert_close(augment.blend_images(torch.eye(3), share), targets)
