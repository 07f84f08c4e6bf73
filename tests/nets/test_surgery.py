from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lt.data.views import Ints
from lt.nets import backbones, heads, surgery
from lt.nets import net as nets
from lt.nets.surgery import Given

FEATURES = torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, 1.0], [4.0, 4.0]])
TARGETS = np.array([0, 0, 1, 2])


def given(start: tuple[nets.Net, ...] = (), seed: int = 0) -> Given:
    def features() -> tuple[Tensor, Ints]:
        return FEATURES, TARGETS

    return Given(torch.Generator().manual_seed(seed), features, start)


@pytest.fixture
def net() -> nets.Net:
    module, features = backbones.make("resnet20", 1)
    net = nets.Net(module, nn.Linear(features, 3), features)
    return nets.initialise(net, torch.Generator().manual_seed(1))


def small() -> nets.Net:
    return nets.Net(nn.Identity(), nn.Linear(2, 3), 2)


def test_a_new_classifier_is_drawn_from_the_generator_alone() -> None:
    drawn = []
    for seed in (0, 0, 1):
        one = small()
        parameters = surgery.new_classifier(one, given(seed=seed))
        assert parameters == list(one.classifier.parameters())
        drawn.append(one.classifier.weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_frozen_means_all_but_the_classifier(net: nets.Net) -> None:
    for setup in (surgery.new_classifier, surgery.scales_only, surgery.max_norm(1.0)):
        one = copy.deepcopy(net)
        trained = {id(parameter) for parameter in setup(one, given())}
        moving = {id(parameter) for parameter in one.parameters() if parameter.requires_grad}
        assert trained == moving
        assert not any(parameter.requires_grad for parameter in one.backbone.parameters())


def test_the_whole_net_is_trained_after_a_part_of_it(net: nets.Net) -> None:
    surgery.new_classifier(net, given())
    parameters = surgery.everything(net, given())
    assert parameters == list(net.parameters())
    assert all(parameter.requires_grad for parameter in parameters)


def test_a_shift_by_equal_counts_is_the_identity() -> None:
    one = small()
    before = one(FEATURES)
    surgery.shift_bias([0.0] * 3)(one, given())
    assert torch.equal(one(FEATURES), before)
    surgery.shift_bias([1.0, 0.0, -2.0])(one, given())
    torch.testing.assert_close(one(FEATURES), before + torch.tensor([1.0, 0.0, -2.0]))


def test_the_nearest_mean_by_hand() -> None:
    one = small()
    assert surgery.nearest_mean("euclidean")(one, given()) == []
    assert one.classifier.means.tolist() == [[2.0, 0.0], [0.0, 1.0], [4.0, 4.0]]
    image = torch.tensor([[2.0, 2.0]])
    squares = torch.tensor([[4.0, 5.0, 8.0]])
    torch.testing.assert_close(one(image), (image**2).sum() - squares)
    one = small()
    surgery.nearest_mean("cosine")(one, given())
    torch.testing.assert_close(one(image), torch.tensor([[0.5**0.5, 0.5**0.5, 1.0]]))


def test_rows_are_brought_back_to_the_norm() -> None:
    one = small()
    with torch.no_grad():
        one.classifier.weight.copy_(torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 0.0]]))
    surgery.max_norm(0.4)(one, given())  # norms of 5, 1 and 0: the bound is 2
    one(FEATURES)
    rows = one.classifier.classifier.weight
    torch.testing.assert_close(rows, torch.tensor([[1.2, 1.6], [1.0, 0.0], [0.0, 0.0]]))


def test_teachers_come_and_go(net: nets.Net) -> None:
    images = torch.randn(4, 1, 8, 8)
    teachers = tuple(copy.deepcopy(net).requires_grad_(True) for _ in range(2))
    nets.initialise(teachers[1], torch.Generator().manual_seed(2))
    expected = [one.eval()(images) for one in (net, *teachers)]
    before = list(net.state_dict())
    parameters = surgery.learn_from_start(net, given(teachers))
    assert len(parameters) == len(list(teachers[0].parameters()))
    net.eval().backbone.training = True  # the flag alone: batch norm stays as it is
    torch.testing.assert_close(net(images), torch.cat(expected, dim=1))
    assert surgery.forget_teachers(net, given(teachers)) == []
    assert list(net.state_dict()) == before
    torch.testing.assert_close(net.eval()(images), expected[0])


def test_a_second_stage_wants_a_plain_classifier() -> None:
    one = nets.Net(nn.Identity(), heads.cosine(30.0)(2, 3), 2)
    with pytest.raises(ValueError, match="expected a network with a plain linear classifier"):
        surgery.scales_only(one, given())


def test_outputs_of_groups_are_in_the_order_of_the_classes() -> None:
    classifier = heads.Groups(2, ((2, 0), (1, 3)))
    features = torch.randn(5, 2)
    raw = classifier.train()(features)
    assert raw.shape == (5, 6)
    first, second = (block.log_softmax(1) for block in raw.split(3, dim=1))
    expected = torch.stack([first[:, 1], second[:, 0], first[:, 0], second[:, 1]], dim=1)
    torch.testing.assert_close(classifier.eval()(features), expected)


def test_a_cosine_classifier_gives_cosines() -> None:
    classifier = heads.Cosine(2, 1, scale=30.0)
    with torch.no_grad():
        classifier.linear.weight.copy_(torch.tensor([[0.0, 5.0]]))
    features = torch.tensor([[0.0, 2.0], [1.0, 0.0], [3.0, -4.0]])
    torch.testing.assert_close(classifier(features), torch.tensor([[30.0], [0.0], [-24.0]]))


def test_a_new_classifier_begins_as_torchs_does() -> None:
    net = nets.Net(torch.nn.Identity(), torch.nn.Linear(64, 100), 64)
    surgery.new_classifier(net, given())
    assert net.classifier.weight.abs().max().item() == pytest.approx(64**-0.5, rel=0.01)


@pytest.mark.parametrize(
    "setup",
    [
        surgery.new_classifier,
        surgery.scales_only,
        surgery.tau_normalise(1.0),
        surgery.max_norm(0.1),
        surgery.shift_bias([0.0, 0.0]),
    ],
)
def test_a_setup_that_is_refused_freezes_nothing(setup: surgery.Setup) -> None:
    net = nets.Net(nn.Linear(4, 3), nn.Linear(3, 2, bias=False), 3)
    with pytest.raises(ValueError, match="got Linear without a bias"):
        setup(net, given())
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_offsets_of_another_number_are_refused() -> None:
    net = nets.Net(nn.Linear(4, 3), nn.Linear(3, 2), 3)
    with pytest.raises(ValueError, match="offsets: expected one for each of 2 outputs, got 1"):
        surgery.shift_bias([1.0])(net, given())
    assert net.classifier.weight.requires_grad


@pytest.mark.parametrize("targets", [[0, 2], [0, 1], [1, 2]])
def test_a_mean_needs_an_image(targets: list[int]) -> None:
    net = nets.Net(nn.Linear(4, 3), nn.Linear(3, 3), 3)
    told = surgery.Given(torch.Generator(), lambda: (torch.ones(2, 3), np.array(targets)), ())
    (missing,) = {0, 1, 2} - set(targets)
    with pytest.raises(ValueError, match=f"nearest mean: class {missing} has no image"):
        surgery.nearest_mean("cosine")(net, told)
    assert net.classifier.weight.requires_grad


def test_a_new_classifier_has_the_old_ones_dtype() -> None:
    net = nets.Net(nn.Linear(4, 3), nn.Linear(3, 2), 3).double()
    surgery.new_classifier(net, given())
    assert net(torch.zeros(1, 4, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_cosines_are_fp32_in_networks_of_other_dtypes(dtype: torch.dtype) -> None:
    """Of 30, bf16 has steps of 1/8."""
    features = torch.tensor([[3.0, 4.0]], dtype=dtype)
    cosine = heads.cosine(30.0)(2, 2).to(dtype)
    cosine.linear.weight.data = torch.eye(2, dtype=dtype)
    mean = heads.NearestMean(torch.eye(2, dtype=dtype), "cosine")
    for made, expected in ((cosine, [18.0, 24.0]), (mean, [0.6, 0.8])):
        assert made(features)[0].tolist() == pytest.approx(expected, rel=1e-6)
