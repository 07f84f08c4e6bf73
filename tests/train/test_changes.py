from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torchvision.transforms import functional, v2

from lt.train import changes

GENERATOR = torch.Generator().manual_seed(2)
SMOOTH = torch.nn.functional.interpolate(
    torch.rand(6, 3, 5, 5, generator=GENERATOR) * 255, size=(24, 32), mode="bilinear"
)
PHOTOS = SMOOTH.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()  # (6, 24, 32, 3)
SHAPE = PHOTOS.shape[1:3]
POLICIES: dict[changes.Policy, Any] = {
    "cifar10": v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10),
    "imagenet": v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET),
    "trivial": v2.TrivialAugmentWide(),
}
OPERATIONS = [
    (policy, name)
    for policy in ("cifar10", "trivial")
    for name in POLICIES[policy]._AUGMENTATION_SPACE
]


def ops(images: torch.Tensor, rows: list[list[float]]) -> torch.Tensor:
    return changes.change(images.float(), torch.tensor(rows, dtype=torch.float64))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("policy", "name"), OPERATIONS)
def test_an_operation_is_torchvisions(policy: changes.Policy, name: str, channels: int) -> None:
    """At every level, with both signs. Pixels halfway between two may go to either."""
    theirs, images = POLICIES[policy], PHOTOS[..., :channels]
    magnitudes, signed = theirs._AUGMENTATION_SPACE[name]
    space = changes.TRIVIAL if policy == "trivial" else changes.AUTO
    sizes = magnitudes(space.levels, *SHAPE)
    for level in range(space.levels):
        size = 0.0 if sizes is None else float(sizes[level])
        for row, sign in zip(changes.rows(name, level, space, SHAPE), (1, -1), strict=True):
            expected = theirs._apply_image_or_video_transform(
                images.permute(0, 3, 1, 2), name, size * (sign if signed else 1), 0, theirs._fill
            )
            got = ops(images, [row] * len(images))
            apart = (got.permute(0, 3, 1, 2) - expected.float()).abs()
            assert (apart > 1).float().mean() < 0.05, (level, sign)
            if name not in ("ShearX", "ShearY", "Rotate"):
                assert apart.max() <= 1, (level, sign)
            if name not in ("ShearX", "ShearY", "Rotate", "Color", "Contrast", "Sharpness"):
                assert torch.equal(got.permute(0, 3, 1, 2), expected.float()), (level, sign)


def test_nothing_is_changed_by_neutral_strengths() -> None:
    every = torch.arange(768).remainder(256).reshape(1, 16, 16, 3)
    neutral = list(changes.NEUTRAL.values())
    assert torch.equal(ops(every, [neutral]), every.float())


def test_each_image_has_its_own_strengths() -> None:
    rows = [changes.rows("Invert", 0, changes.AUTO, SHAPE)[0], list(changes.NEUTRAL.values())]
    rows.append(changes.rows("TranslateX", 9, changes.AUTO, SHAPE)[0])  # 150 / 331 of 32: 14
    inverted, kept, moved = ops(PHOTOS[:3], rows)
    assert torch.equal(inverted, 255 - PHOTOS[0].float())
    assert torch.equal(kept, PHOTOS[1].float())
    assert not moved[:, :14].any()
    assert torch.equal(moved[:, 14:], PHOTOS[2, :, :-14].float())


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_draws_as_torchvision_does(
    policy: changes.Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change as often as theirs, within five deviations; no other change than theirs."""
    number, seen = 4000, Counter[tuple[float, ...]]()
    theirs = POLICIES[policy]
    space = changes.TRIVIAL if policy == "trivial" else changes.AUTO
    magnitudes = theirs._AUGMENTATION_SPACE
    current: list[tuple[float, ...]] = []

    def record(image: torch.Tensor, name: str, size: float, **_: object) -> torch.Tensor:
        sizes, signed = magnitudes[name][0](space.levels, *SHAPE), magnitudes[name][1]
        level = 0 if sizes is None else int((sizes - abs(size)).abs().argmin())
        current.append(tuple(changes.rows(name, level, space, SHAPE)[int(signed and size < 0)]))
        return image

    monkeypatch.setattr(theirs, "_apply_image_or_video_transform", record)
    torch.manual_seed(0)
    image = torch.zeros(3, *SHAPE, dtype=torch.uint8)
    for _ in range(number):
        theirs(image)
    seen.update(current)
    drawn = changes.draw(policy, number, SHAPE, torch.Generator().manual_seed(0))
    neutral = tuple(changes.NEUTRAL.values())
    ours = Counter(map(tuple, drawn.reshape(-1, len(neutral)).tolist()))
    del ours[neutral], seen[neutral]
    assert set(seen) <= set(ours) | {row for row, times in seen.items() if times < 25}
    for row, times in ours.items():
        assert abs(times - seen[row]) < 5 * (times + seen[row]) ** 0.5 + 1, row


def test_an_image_is_turned_as_torchvision_turns_it() -> None:
    angles = torch.tensor([[0.0], [13.0], [-71.5], [90.0], [180.0], [1.25]])
    turned = changes.turn(PHOTOS, angles)
    assert turned.dtype == torch.uint8
    assert torch.equal(turned[0], PHOTOS[0])
    assert torch.equal(turned[4], PHOTOS[4].flip(0, 1))
    for image, angle, got in zip(PHOTOS, angles[:, 0].tolist(), turned, strict=True):
        expected = functional.rotate(image.permute(2, 0, 1), angle).permute(1, 2, 0)
        assert (got != expected).float().mean() < 0.005, "but for pixels halfway between two"
    square = PHOTOS[:1, :, :24]
    quarter = changes.turn(square, torch.tensor([[90.0]]))
    assert torch.equal(quarter[0], square[0].rot90(dims=(0, 1))), "anticlockwise"


def test_a_square_is_covered() -> None:
    images = torch.full((3, 5, 6, 1), 9, dtype=torch.uint8)
    centres = torch.tensor([[2, 3], [0, 0], [4, 5]])
    covered = changes.cut_out(images, centres, 2, torch.tensor([0.5]))
    expected = torch.full((3, 5, 6, 1), 9.0)
    expected[0, 1:3, 2:4] = 0.5
    expected[1, :1, :1] = 0.5
    expected[2, 3:, 4:] = 0.5
    assert torch.equal(covered, expected)
    odd = changes.cut_out(images[:1], centres[:1], 3, torch.tensor([0.5]))
    assert int((odd == 0.5).sum()) == 9


FACTORS = torch.tensor(
    [[1.4, 0.6, 0.7], [0.6, 1.4, 1.3], [1, 1, 1], [0, 1, 1], [1, 0, 1], [1.0, 1.0, 0.0]]
)


def test_colours_are_torchvisions() -> None:
    ours = changes.colour(PHOTOS.float(), FACTORS)
    for image, (brightness, contrast, saturation), got in zip(
        PHOTOS, FACTORS.tolist(), ours, strict=True
    ):
        theirs = image.permute(2, 0, 1) / 255
        theirs = functional.adjust_brightness(theirs, brightness)
        theirs = functional.adjust_contrast(theirs, contrast)
        theirs = functional.adjust_saturation(theirs, saturation)
        torch.testing.assert_close(got.permute(2, 0, 1) / 255, theirs, rtol=0, atol=1e-3)


def test_grey_images_have_no_saturation() -> None:
    grey = PHOTOS[..., :1].float()
    factors = torch.tensor([[1.0, 1.0, 0.0]]).repeat(6, 1)
    assert torch.equal(changes.colour(grey, factors), grey)
