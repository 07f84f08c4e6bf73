from __future__ import annotations

import pytest
import torch
from torch import nn

from lt.nets import backbones, depthwise
from lt.nets.depthwise import Depthwise

FORMS = [(kernel, stride) for kernel in (1, 3, 5, 7) for stride in (1, 2, 3)]


def plain(kernel: int, stride: int, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6, bias=bias)


@pytest.mark.parametrize(("kernel", "stride"), FORMS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (2, 2), (7, 4)])
def test_outputs_and_gradients_are_those_of_a_convolution(
    kernel: int, stride: int, bias: bool, shape: tuple[int, int]
) -> None:
    conv = plain(kernel, stride, bias).double()
    maps = torch.randn(3, 6, *shape, dtype=torch.float64, requires_grad=True)
    given = [maps, *conv.parameters()]
    outputs = conv(maps), depthwise.convolve(maps, conv.weight, conv.bias, stride, kernel // 2)
    torch.testing.assert_close(outputs[1], outputs[0], rtol=0, atol=0)
    seen = torch.randn_like(outputs[0])
    expected, got = ([*torch.autograd.grad(one, given, seen)] for one in outputs)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride"), FORMS)
def test_bf16_is_as_near_to_the_exact_slopes_as_torchs(kernel: int, stride: int) -> None:
    conv = plain(kernel, stride)
    ours, maps = Depthwise(conv), torch.randn(8, 6, 9, 9)
    found = {}
    for name, one, mixed in (("exact", conv, False), ("torch", conv, True), ("ours", ours, True)):
        own = maps.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            out = one(own)
        assert out.dtype == (torch.bfloat16 if mixed else torch.float32)
        slopes = torch.autograd.grad(out.float().square().sum(), [own, *one.parameters()])
        found[name] = [out.float(), *slopes]
    assert torch.equal(found["ours"][0], found["torch"][0])
    for exact, theirs, mine in zip(*found.values(), strict=True):
        bound = 1.05 * (theirs - exact).abs().max() + 2**-9 * exact.abs().max()
        assert (mine - exact).abs().max() <= bound


def test_without_bf16_it_is_the_convolution_bit_for_bit() -> None:
    conv = plain(5, 2)
    maps = torch.randn(2, 6, 9, 9)
    assert torch.equal(Depthwise(conv)(maps), conv(maps))


def test_what_it_cannot_stand_for_stays() -> None:
    assert depthwise.fits(plain(3, 1))
    for other in (
        nn.Conv2d(6, 6, 3, padding=1),
        nn.Conv2d(6, 6, 3, groups=3),
        nn.Conv2d(6, 12, 3, groups=6),
        nn.Conv2d(1, 1, 3),
        nn.Conv2d(6, 6, 3, groups=6, padding="same"),
        nn.Conv2d(6, 6, 3, groups=6, dilation=2),
        nn.Conv2d(6, 6, (1, 3), groups=6),
        nn.Conv2d(6, 6, 3, (1, 2), groups=6),
        nn.Conv2d(6, 6, 3, groups=6, padding=1, padding_mode="reflect"),
    ):
        assert not depthwise.fits(other)


@pytest.mark.parametrize(("name", "number"), [("mobilenet_v3_small", 11), ("convnext_tiny", 18)])
def test_all_of_a_network_are_replaced_and_weights_fit_both_ways(name: str, number: int) -> None:
    module, _ = backbones.make(name, 3)
    made, _ = backbones.make(name, 3, 64)
    assert sum(isinstance(one, Depthwise) for one in made.modules()) == number
    made.load_state_dict(module.state_dict())
    module.load_state_dict(made.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected, got = (one.eval()(images) for one in (module, made))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
