"""Losses against the authors' own code: values and gradients that it gave, typed in as numbers.

Each repository's function was run once, in float64, on the inputs below. The commits: RIDE
frank-xwang/RIDE-LongTailRecognition ab8be5c, SADE Vanint/SADE-AgnosticLT cba11b8, BalPoE
emasa/BalPoE-CalibratedLT ca607ae, VS orparask/VS-Loss 7ade9c9, weight balancing
ShadeAlsha/LTR-weight-balancing e89f292, LFME xiangly55/LFME 0a18a06, LDAM-DRW, its focal loss and
its weights kaidic/LDAM-DRW 2536330, balanced softmax jiawei-ren/BalancedMetaSoftmax-Classification
34a61e4, group softmax FishYuLi/BalancedGroupSoftmax 90e04fd, Remix ntucllab/imbalanced-DL caa43d9
(not its authors'). SADE and BalPoE add 1e-9 to a prior before its logarithm, which is not done
here.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lt.data.views import ClassView
from lt.nets import branch_losses, losses, mixing, surgery
from lt.nets import net as nets
from lt.nets.losses import Loss
from lt.train import augment
from tests.nets.test_surgery import given

COUNTS, TARGETS, GROUPS = (50, 20, 10, 5), torch.tensor([0, 3, 1]), ((0, 1), (2, 3))
ADJUSTED = [losses.adjusted(COUNTS, tau) for tau in (0.0, 1.0, 2.0)]
WEIGHTS = losses.effective_number_weights(COUNTS, 0.9999)
RIDE = branch_losses.ride(
    losses.ldam(COUNTS, 0.5, 30.0, WEIGHTS, 160), COUNTS, 0.45, 1.0, 0.05, 160
)
SADE = branch_losses.each((*ADJUSTED[:2], branch_losses.opposed(COUNTS, 2.0)), 1.0)
# RIDELoss with additional_diversity_factor -0.45 and reweight_epoch 160, before and after it
RIDE_EARLY = """
    -0.29614851 0.28737355 0.00608095 0.00269401 -0.33120887 0.32182866 0.00413788 0.00524234
    -0.40396503 0.34810476 0.00586851 0.04999176
"""
RIDE_LATE = """
    -0.04432954 0.04022743 0.00050026 0.00150231 -0.0720581 0.06922114 0.00120199 0.00150865
    -0.13875207 0.1329882 0.00190235 0.00832765
"""
# DiverseExpertLoss with tau 2
SADE_SLOPE = """
    -0.31754773 0.30923225 0.00733366 0.00098182 -0.16716144 0.16564605 0.00092461 0.00059078
    -0.00815465 0.00812159 0.00001726 0.0000158
"""
# BSExpertLoss with tau_list 0, 1, 2; and 0.3 of it, with 0.7 of that with the targets before
BALPOE = """
    -0.10584924 0.10307742 0.00244455 0.00032727 -0.05572048 0.05521535 0.0003082 0.00019693
    -0.00433684 0.00426683 0.00001814 0.00005187
"""
BALPOE_MIXED = """
    -0.02807147 0.02529964 0.00244455 0.00032727 0.0220573 -0.02256243 0.0003082 0.00019693
    0.07344093 -0.07351095 0.00001814 0.00005187
"""


LDAM = losses.ldam(COUNTS, 0.5, 30.0, WEIGHTS, 160)
BALANCED = losses.adjusted(COUNTS, 1.0)
# GSBBoxHeadWith0 without its bin of foreground and background, the first others kept
GROUPED = "-0.15875055 0.15507289 0.00367766"


def inputs(*shape: int) -> Tensor:
    numbers = torch.arange(torch.Size(shape).numel(), dtype=torch.float32)
    return (3 * torch.sin(1.7 * numbers)).view(shape)


def teachers() -> list[Tensor]:
    return [(3 * torch.sin(torch.arange(6) * 2.3 + k)).view(3, 2) for k in range(2)]


@pytest.mark.parametrize(
    ("loss", "epoch", "shares", "value", "slope"),
    [
        (RIDE, 160, None, 40.0367304, RIDE_EARLY),
        (RIDE, 161, None, 44.52911919, RIDE_LATE),
        (SADE, 1, None, 8.95243552, SADE_SLOPE),
        (branch_losses.each(ADJUSTED, 1 / 3), 1, None, 2.7861889, BALPOE),
        (branch_losses.each(ADJUSTED, 1 / 3), 1, 0.3, 1.58332956, BALPOE_MIXED),
    ],
    ids=["ride", "ride late", "sade", "balpoe", "balpoe mixup"],
)
def test_branches(loss: Loss, epoch: int, shares: float | None, value: float, slope: str) -> None:
    logits, targets = inputs(3, 3, 4).requires_grad_(), TARGETS
    if shares is not None:
        one, other = (functional.one_hot(ids, 4) for ids in (TARGETS, TARGETS.roll(1)))
        targets = shares * one + (1 - shares) * other
    result = loss(logits, targets, torch.tensor(epoch))
    check(result, logits, value, slope)


@pytest.mark.parametrize(
    ("loss", "value", "slope"),
    [
        (losses.vs(COUNTS, 0.3, 1.0), 3.14963571, "-0.26643425 0.19480226 0.00514427 0.00083344"),
        (losses.vs(COUNTS, 0.2, 1.2), 3.41419105, "-0.26743443 0.21749066 0.00397202 0.00045478"),
        (losses.binary(WEIGHTS), 1.35287317, "-0.02818968 0.03306981 -0.00430301 -0.00057712"),
        (BALANCED, 3.64312620, "-0.29602662 0.29232819 0.00346638 0.00023204"),
        (losses.focal(1.0), 2.93324240, "-0.34837640 0.33925362 0.00804564 0.00107714"),
        (losses.focal(2.0), 2.78685932, "-0.37557302 0.36573804 0.00867374 0.00116123"),
        (losses.weighted(WEIGHTS), 3.94260322, "-0.07070344 0.06885196 0.00163287 0.00021861"),
    ],
    ids=["vs", "vs of the README", "weight_balance", "balanced", "focal 1", "focal 2", "weighted"],
)
def test_single(loss: Loss, value: float, slope: str) -> None:
    logits = inputs(3, 4).requires_grad_()
    check(loss(logits, TARGETS, torch.tensor(1)), logits, value, slope)


@pytest.mark.parametrize(
    ("epoch", "value", "slope"),
    [
        (160, 14.35906664, "-0.33332974 0.32460098 0.00769814 0.00103062"),
        (161, 17.59093723, "-0.07421737 0.07227387 0.00171403 0.00022947"),
    ],
)
def test_ldam_before_and_after_its_weights(epoch: int, value: float, slope: str) -> None:
    """LDAMLoss with max_m 0.5 and s 30, of cosines that are these logits over 30."""
    logits = inputs(3, 4).requires_grad_()
    check(LDAM(logits, TARGETS, torch.tensor(epoch)), logits, value, slope)


@pytest.mark.parametrize(
    ("ratio", "value", "others"),
    [
        (8.0, 6.05528894, "0.00067144 0.04753465 -0.04820609"),
        (0.5, 5.87870586, "0.00134289 0.09506930 -0.09641219"),
    ],
)
def test_group_softmax(ratio: float, value: float, others: str) -> None:
    logits, targets = inputs(6, 6).requires_grad_(), torch.tensor([0, 3, 1, 0, 0, 2])
    result = losses.group_softmax(GROUPS, ratio)(logits, targets, torch.tensor(1))
    check(result, logits, value, f"{GROUPED} {others}")


@pytest.mark.parametrize(("share", "value"), [(0.3, 3.65233138), (0.6, 3.49963127)])
def test_remix(share: float, value: float) -> None:
    """remix_criterion with kappa 3 and tau 0.5, each image paired with the one before."""
    logits, targets = inputs(5, 4).requires_grad_(), torch.tensor([0, 3, 1, 2, 0])
    mixed = augment.blend(targets, torch.tensor(share), mixing.remix(COUNTS, 3.0, 0.5), 4)
    result = losses.cross_entropy(logits, mixed, torch.tensor(1))
    check(result, logits, value, "-0.19052864 0.18553935 0.00440020 0.00058909")


def test_lfme() -> None:
    """batch_loss with T 2, all weights 1 and the logits not paced."""
    logits = inputs(3, 4).requires_grad_()
    views = [ClassView(group, 4) for group in GROUPS]
    loss = losses.distilled(views, temperature=2.0, weight=1.0)
    result = loss(torch.cat([logits, *teachers()], dim=1), TARGETS, torch.tensor(1))
    check(result, logits, 3.34074657, "-0.32787793 0.31956245 -0.00687937 0.01519485")


def test_max_norm() -> None:
    """MaxNorm_via_PGD with thresh 0.1."""
    linear = nn.Linear(2, 3)
    linear.weight.data = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]])
    net = nets.Net(nn.Identity(), linear, 2)
    surgery.max_norm(0.1)(net, given())
    net(torch.zeros(1, 2))
    expected = torch.tensor([[0.84, 1.12], [1.0, 0.0], [0.0, 1.4]])
    torch.testing.assert_close(linear.weight.data, expected)


def check(result: Tensor, logits: Tensor, value: float, slope: str) -> None:
    """Hold the value, and the gradient of the first image, against the authors'."""
    result.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert result.item() == pytest.approx(value, rel=2e-6)
    expected = torch.tensor([float(number) for number in slope.split()])
    torch.testing.assert_close(logits.grad[0].flatten(), expected, rtol=1e-4, atol=2e-7)
