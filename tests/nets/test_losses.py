from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lt.data.views import ClassView, Others
from lt.nets import branch_losses, losses
from lt.nets.losses import Loss

COUNTS = (50, 20, 10, 5)
EPOCH = torch.tensor(1)
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(16, 4, generator=GENERATOR) * 3
TARGETS = torch.randint(4, (16,), generator=GENERATOR)


def gradient(loss: Loss, epoch: Tensor = EPOCH) -> Tensor:
    logits = LOGITS.clone().requires_grad_()
    loss(logits, TARGETS, epoch).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    return logits.grad


CE = gradient(losses.cross_entropy)


@pytest.mark.parametrize(
    "loss",
    [
        losses.focal(0.0),
        losses.weighted((1.0,) * 4),
        losses.weighted(losses.effective_number_weights(COUNTS, 0.0)),
        losses.weighted(losses.effective_number_weights((7, 7, 7, 7), 0.9999)),
        losses.adjusted(COUNTS, 0.0),
        losses.adjusted((7, 7, 7, 7), 1.0),
        losses.ldam(COUNTS, 0.0, 30.0, (1.0,) * 4, 5),
        losses.vs(COUNTS, 0.0, 0.0),
        losses.vs((7, 7, 7, 7), 0.3, 1.0),
        branch_losses.opposed((7, 7, 7, 7), 2.0),
    ],
    ids=[
        "focal 0",
        "weights 1",
        "beta 0",
        "equal counts",
        "tau 0",
        "equal prior",
        "no margin",
        "vs 0",
        "vs equal",
        "opposed equal",
    ],
)
def test_what_is_cross_entropy(loss: Loss) -> None:
    torch.testing.assert_close(gradient(loss), CE)


def test_balanced_softmax_is_logit_adjustment_at_tau_1() -> None:
    def balanced(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001
        return functional.cross_entropy(logits + torch.tensor(COUNTS).log(), targets)

    torch.testing.assert_close(gradient(losses.adjusted(COUNTS, 1.0)), gradient(balanced))


def test_vs_without_scales_is_logit_adjustment() -> None:
    adjusted = gradient(losses.adjusted(COUNTS, 1.2))
    torch.testing.assert_close(gradient(losses.vs(COUNTS, 0.0, 1.2)), adjusted)


def test_the_opposite_prior_follows_the_frequency_not_the_label() -> None:
    counts = (8, 64, 16, 32)  # exponential, so that the opposite prior is a larger tau
    three = gradient(losses.adjusted(counts, 3.0))
    torch.testing.assert_close(gradient(branch_losses.opposed(counts, 2.0)), three)
    uneven = (50, 20, 10, 5)  # 5 stands against 50, 10 against 20
    offset = torch.tensor([50 / 5**2, 20 / 10**2, 10 / 20**2, 5 / 50**2]).log()

    def by_hand(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001
        return functional.cross_entropy(logits + offset, targets)

    torch.testing.assert_close(gradient(branch_losses.opposed(uneven, 2.0)), gradient(by_hand))


def test_binary_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]])  # p = 3/4: both outputs say it of the target
    value = losses.binary((2.0, 1.0))(logits, torch.tensor([0]), EPOCH)
    assert value.item() == pytest.approx(-2.0 * math.log(0.75))


@pytest.mark.parametrize("loss", [losses.adjusted(COUNTS, 1.0), losses.vs(COUNTS, 0.3, 1.0)])
def test_a_shared_target_has_the_shared_loss(loss: Loss) -> None:
    others = TARGETS.roll(1)
    shares = 0.3 * functional.one_hot(TARGETS, 4) + 0.7 * functional.one_hot(others, 4)
    expected = 0.3 * loss(LOGITS, TARGETS, EPOCH) + 0.7 * loss(LOGITS, others, EPOCH)
    torch.testing.assert_close(loss(LOGITS, shares, EPOCH), expected)


def test_focal_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]])  # p = 3/4
    value = losses.focal(2.0)(logits, torch.tensor([0]), EPOCH)
    assert value.item() == pytest.approx(0.25**2 * -math.log(0.75))


def test_focal_has_a_slope_where_an_image_is_surely_right() -> None:
    logits = torch.tensor([[100.0, 0.0]], requires_grad=True)
    losses.focal(0.5)(logits, torch.tensor([0]), EPOCH).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999])
def test_class_weights_sum_to_the_number_of_classes(beta: float) -> None:
    weights = losses.effective_number_weights(COUNTS, beta)
    assert sum(weights) == pytest.approx(4)
    assert list(weights) == sorted(weights)


def test_ldam_margins_by_hand() -> None:
    counts = (16, 1)  # 16 ** -1/4 = 1/2
    logits = torch.tensor([[3.0, 1.0], [3.0, 1.0]])
    value = losses.ldam(counts, 0.5, 10.0, (1.0, 1.0), 5)(logits, torch.tensor([0, 1]), EPOCH)
    by_hand = [math.log1p(math.exp(1.0 - (3.0 - 2.5))), math.log1p(math.exp(3.0 - (1.0 - 5.0)))]
    assert value.item() == pytest.approx(sum(by_hand) / 2)


def test_drw_switches_after_its_epoch_and_stays() -> None:
    weights = (0.1, 0.4, 1.0, 2.5)
    loss = losses.ldam(COUNTS, 0.5, 30.0, weights, from_epoch=160)
    plain = losses.ldam(COUNTS, 0.5, 30.0, (1.0,) * 4, from_epoch=160)
    weighted = losses.ldam(COUNTS, 0.5, 30.0, weights, from_epoch=0)
    for epoch, expected in ((1, plain), (160, plain), (161, weighted), (100_000, weighted)):
        at = torch.tensor(epoch)
        as_int = loss(LOGITS, TARGETS, epoch)  # type: ignore[arg-type]
        assert torch.equal(as_int, loss(LOGITS, TARGETS, at)), "in a loop of one's own"
        assert torch.equal(gradient(loss, at), gradient(expected, at)), epoch


def test_group_softmax_by_hand() -> None:
    groups = ((0, 2), (1, 3))
    logits = torch.zeros(4, 6)
    logits[:, 0] = math.log(2.0)  # class 0, of the first group: 1/2, and 1/4 each for the others
    targets = torch.tensor([0, 1, 3, 3])
    value = losses.group_softmax(groups, ratio=1.0)(logits, targets, EPOCH)
    first = (math.log(2) + math.log(4)) / 2  # image 0, and one of the three others
    second = (math.log(3) * 4) / 4  # three own ones, and the other one
    assert value.item() == pytest.approx(first + second)


def test_group_softmax_of_one_group_is_the_baseline() -> None:
    logits = torch.randn(16, 5, generator=GENERATOR)
    value = losses.group_softmax(((0, 1, 2, 3),), 8.0)(logits, TARGETS, EPOCH)
    torch.testing.assert_close(value, functional.cross_entropy(logits, TARGETS))


def teachers(others: Others, *groups: tuple[int, ...]) -> list[ClassView]:
    return [ClassView(group, 4, others) for group in groups]


@pytest.mark.parametrize("others", get_args(Others))
@pytest.mark.parametrize("groups", [((0, 1), (2, 3)), ((3, 1), (0, 2)), ((2, 0, 3, 1),)])
def test_a_student_that_agrees_with_its_teachers_has_the_baselines_loss(
    others: Others, groups: tuple[tuple[int, ...], ...]
) -> None:
    """Teachers of every kind, on classes in any order; one group is as wide as a silent one."""
    views = teachers(others, *groups)
    own, blocks = torch.randn(16, 4, generator=GENERATOR), []
    for view in views:
        block = torch.randn(16, view.width, generator=GENERATOR)  # what is heard of no one
        block[:, view.columns] = own[:, view.classes]
        blocks.append(block)
    loss = losses.distilled(views, temperature=2.0, weight=3.0)
    value = loss(torch.cat([own, *blocks], dim=1), TARGETS, EPOCH)
    torch.testing.assert_close(value, functional.cross_entropy(own, TARGETS))
    other = loss(torch.cat([own, *(-block for block in blocks)], dim=1), TARGETS, EPOCH)
    assert other > value


def test_a_teacher_is_heard_on_all_images_by_hand() -> None:
    loss = losses.distilled(teachers("drop", (0, 1), (2, 3)), temperature=2.0, weight=3.0)
    own = torch.zeros(1, 4)
    first = torch.tensor([[2 * math.log(3.0), 0.0]])  # at temperature 2: 3/4, 1/4
    value = loss(torch.cat([own, first, own[:, 2:]], dim=1), torch.tensor([3]), EPOCH)
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert value.item() == pytest.approx(math.log(4.0) + 3.0 * kl)


def test_outputs_that_are_not_those_of_the_teachers_are_an_error() -> None:
    loss = losses.distilled(teachers("silent", (0, 1), (2, 3)), temperature=1.0, weight=1.0)
    with pytest.raises(RuntimeError, match="split"):
        loss(torch.zeros(16, 4 + 2), TARGETS, EPOCH)


def test_a_constant_is_copied_to_a_device_once() -> None:
    make: Callable[[torch.device], Tensor] = losses.constant((1, 2))
    assert make(torch.device("cpu")) is make(torch.device("cpu"))


def test_whole_numbers_as_weights_are_no_other_weights() -> None:
    """Nor do they change what the same numbers as floats give afterwards."""
    logits, targets = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    each = [
        losses.weighted(weights)(logits, targets, torch.tensor(1))
        for weights in ((3, 1), (3.0, 1.0))
    ]
    assert torch.equal(*each)


@pytest.mark.parametrize(
    "make",
    [
        lambda counts: losses.adjusted(counts, tau=1.0),
        lambda counts: losses.leaning(counts, ((0,), (1,)), (1.0, 1.0)),
        lambda counts: losses.vs(counts, gamma=0.2, tau=1.2),
        lambda counts: losses.ldam(counts, 0.5, 30.0, (1.0, 1.0), from_epoch=1),
        lambda counts: losses.effective_number_weights(counts, 0.9),
        lambda counts: branch_losses.opposed(counts, strength=2.0),
    ],
)
def test_a_class_without_an_image_is_refused(make: Callable[[tuple[int, ...]], Any]) -> None:
    """Its prior would have no logarithm, and the largest margin no bound."""
    make((3, 1))
    message = r"^counts: expected an image of each class at least; got 0 of class 1$"
    with pytest.raises(ValueError, match=message):
        make((3, 0))


def test_a_batch_without_an_image_of_a_group_has_a_loss() -> None:
    targets = torch.tensor([0, 1, 1])
    value = losses.group_softmax(((0, 1), (2, 3)), 8.0)(torch.zeros(3, 6), targets, EPOCH)
    assert value.item() == pytest.approx(math.log(3))


@pytest.mark.parametrize("name", ["adjusted", "vs", "weighted", "binary", "ldam", "group_softmax"])
@pytest.mark.parametrize("shape", [(4, 5, 5), (4, 1), (4, 10), (5,)])
def test_logits_of_another_shape_are_refused(name: str, shape: tuple[int, ...]) -> None:
    """Of (B, C, C) the prior would go onto the last axis, where it cancels."""
    counts = (100, 50, 20, 5, 2)
    loss = {
        "adjusted": losses.adjusted(counts, 1.0),
        "vs": losses.vs(counts, 0.2, 1.0),
        "weighted": losses.weighted((1.0,) * 5),
        "binary": losses.binary((1.0,) * 5),
        "ldam": losses.ldam(counts, 0.5, 30.0, (1.0,) * 5, 1),
        "group_softmax": losses.group_softmax(((0, 1), (2,)), 8.0),
    }[name]
    with pytest.raises(ValueError, match=r"logits: expected \(B, 5\), got"):
        loss(torch.zeros(shape), torch.full(shape[:1], 4), torch.tensor(1))


def test_a_loss_that_began_in_inference_mode_trains() -> None:
    """A loop that validates first: the constants are kept, and made in that mode."""
    losses._on.cache_clear()
    loss = losses.adjusted((7, 5, 3, 2, 13, 17), 1.0)
    logits = torch.zeros(2, 6, requires_grad=True)
    targets = torch.tensor([0, 5])
    with torch.inference_mode():
        before = loss(logits, targets, torch.tensor(1)).item()
    after = loss(logits, targets, torch.tensor(1))
    after.backward()
    assert after.item() == before
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


def test_constants_are_fp32_whatever_the_default_is() -> None:
    losses._on.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        made = losses.constant((0.123, 0.456))(torch.device("cpu"))
    finally:
        torch.set_default_dtype(torch.float32)
    assert made.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_dtypes_give_what_fp32_gives(dtype: torch.dtype) -> None:
    counts, weights = (9, 4, 1), (0.5, 1.0, 1.5)
    logits = torch.tensor([[1.0, 0.5, -2.0], [0.25, 0.0, 4.0]])  # exact in bf16
    targets, epoch = torch.tensor([0, 1]), torch.tensor(3)
    for loss in (
        losses.weighted(weights),
        losses.ldam(counts, 0.5, 30.0, weights, 1),
        losses.adjusted(counts, 1.0),
    ):
        ours = loss(logits.to(dtype), targets, epoch)
        assert ours.item() == pytest.approx(loss(logits, targets, epoch).item(), rel=1e-6)


def test_counts_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="got nan of class 1"):
        losses.adjusted((3, math.nan, 1), 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got no class"):
        losses.adjusted((), 1.0)
    with pytest.raises(ValueError, match="got 0 of class 0"):
        losses.vs((0, 0), 0.2, 1.0)
    with pytest.raises(ValueError, match="got 0 of class 1"):
        losses.ldam((3, 0), 0.5, 30.0, (1.0, 1.0), 1)
    with pytest.raises(ValueError, match=r"beta: expected a number in \[0, 1\), got 1"):
        losses.effective_number_weights((3, 1), 1.0)
