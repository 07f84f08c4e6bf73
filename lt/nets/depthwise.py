"""Depthwise convolutions whose slopes are computed fast in bf16 on a CPU.

The results are those of nn.Conv2d, and so are the gradients. In bf16 oneDNN falls back to plain
loops for the slope of the maps where the stride is not 1, and for that of kernels above 3x3: these
took three quarters of a step of mobilenet_v3_small (LOG.md, 2026-11-27).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

FAST = 3  # the largest side of a kernel whose slope oneDNN computes fast


class Depthwise(nn.Conv2d):
    """A depthwise convolution, with the parameters of the one that it is made of."""

    def __init__(self, like: nn.Conv2d) -> None:
        (side, _), (stride, _), padding = like.kernel_size, like.stride, like.padding
        assert isinstance(padding, tuple)
        width, bias = like.in_channels, like.bias is not None
        super().__init__(width, width, side, stride, padding[0], groups=width, bias=bias)
        self.weight, self.bias = like.weight, like.bias
        self.form = stride, padding[0]

    def forward(self, input: Tensor) -> Tensor:
        mixed = input.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if mixed else input.dtype
        if input.device.type != "cpu" or dtype != torch.bfloat16:
            return super().forward(input)
        bias = None if self.bias is None else self.bias.to(dtype)
        return convolve(input.to(dtype), self.weight.to(dtype), bias, *self.form)


def fits(conv: nn.Conv2d) -> bool:
    """Check whether `Depthwise` can stand for a convolution: a plain one, of each channel alone."""
    (kernel, other), padding = conv.kernel_size, conv.padding
    if type(conv) is not nn.Conv2d or not conv.groups == conv.in_channels == conv.out_channels:
        return False
    if isinstance(padding, str) or conv.dilation != (1, 1) or conv.padding_mode != "zeros":
        return False
    square = kernel == other and conv.stride[0] == conv.stride[1] and padding[0] == padding[1]
    return square and conv.groups > 1


def convolve(
    maps: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int
) -> Tensor:
    """Convolve maps (B, C, H, W) with kernels (C, 1, k, k), each channel with its own."""
    given = maps, weight, bias, stride, padding
    result: Tensor = _Convolution.apply(*given)  # type: ignore[no-untyped-call]
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int
    ) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.form = stride, padding
        return functional.conv2d(maps, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        (maps, weight), (stride, padding) = ctx.saved_tensors, ctx.form
        of_maps = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            dtype = maps.dtype if stride == 1 else torch.promote_types(maps.dtype, torch.float32)
            given = slope.to(dtype), maps.to(dtype), weight.to(dtype)
            of_maps = _slope(*given, stride, padding, of_maps=True).to(maps.dtype)
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(slope, maps, weight, stride, padding)
        if ctx.needs_input_grad[2]:
            of_bias = slope.sum((0, 2, 3))
        return of_maps, of_weight, of_bias, None, None


def _of_weight(slope: Tensor, maps: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Return the slope of the kernels, of parts of them one after the other where they are large.

    A part of a kernel meets the pixels that the whole one meets, but for the first and last few.
    """
    side = weight.shape[2]
    if side <= FAST:
        return _slope(slope, maps, weight, stride, padding, of_maps=False)
    padded, reach = functional.pad(maps, (padding,) * 4), (slope.shape[2] - 1) * stride
    across = (slope.shape[3] - 1) * stride
    cuts = [(start, min(start + FAST, side)) for start in range(0, side, FAST)]
    rows = []
    for top, bottom in cuts:
        row = []
        for left, right in cuts:
            seen = padded[:, :, top : reach + bottom, left : across + right]
            part = weight[:, :, top:bottom, left:right]
            seen, part = (t.contiguous(memory_format=torch.channels_last) for t in (seen, part))
            row.append(_slope(slope, seen, part, stride, 0, of_maps=False))
        rows.append(torch.cat(row, 3))
    return torch.cat(rows, 2)


def _slope(
    slope: Tensor, maps: Tensor, weight: Tensor, stride: int, padding: int, of_maps: bool
) -> Tensor:
    """Return the slope of the maps, or that of the kernels."""
    form = [stride, stride], [padding, padding], [1, 1], False, [0, 0], len(weight)
    wanted = [of_maps, not of_maps, False]
    found = torch.ops.aten.convolution_backward(slope, maps, weight, None, *form, wanted)
    result: Tensor = found[0 if of_maps else 1]
    return result
