"""Convolutions made for maps of a known size: no tap that meets padding alone, small maps fast.

The results are those of nn.Conv2d, and so are the gradients. A network on 32x32 images ends on maps
of 1x1 to 4x4, where most of a 3x3 kernel meets padding, and where convolution libraries for the
CPU reach a small part of what a matrix product does.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Maps up to this size are convolved as a matrix product, on a CPU. Those of 4x4 gain in bf16 alone,
# where a convolution loses most against a matrix product (LOG.md, 2026-11-25).
LARGEST, LARGEST_BF16 = 3, 4


class Conv(nn.Conv2d):
    """A convolution without bias, for square maps of one size.

    As a parameter it holds those taps of its kernel alone that ever meet a pixel: the others have
    no gradient, and nothing sees them. `state_dict` and `load_state_dict` have the whole kernel,
    with zeros in place of the others, so that weights go from here to torchvision and back.
    """

    def __init__(self, like: nn.Conv2d, size: int) -> None:
        (kernel, _), (stride, _), padding = like.kernel_size, like.stride, like.padding
        assert like.bias is None
        assert isinstance(padding, tuple)
        super().__init__(
            like.in_channels, like.out_channels, kernel, stride, padding[0], bias=False
        )
        self.size, self.taps = size, used_taps(size, kernel, stride, padding[0])
        self.out = (size + 2 * padding[0] - kernel) // stride + 1  # of the map that comes out
        # padding that is left, before the map and after it
        after = (self.out - 1) * stride + self.taps.stop - padding[0] - size
        self.edges = padding[0] - self.taps.start, max(after, 0)
        # With the padding before the map on both sides, no place more comes out.
        assert (size + 2 * self.edges[0] - len(self.taps)) // stride + 1 == self.out
        self.weight = nn.Parameter(self.cut(self.weight.detach()).clone())

    def cut(self, kernel: Tensor) -> Tensor:
        """Return the taps that are used, of a whole kernel."""
        rows = slice(self.taps.start, self.taps.stop)
        return kernel[:, :, rows, rows]

    def whole(self, taps: Tensor | None = None) -> Tensor:
        """Return the whole kernel, zeros where no tap is used."""
        taps = self.weight if taps is None else taps
        left, right = self.taps.start, self.kernel_size[0] - self.taps.stop
        return functional.pad(taps, (left, right, left, right))

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[-1] != self.size or input.shape[-2] != self.size:
            return functional.conv2d(input, self.whole(), None, self.stride, self.padding)
        if input.device.type == "cpu":
            mixed = torch.is_autocast_enabled("cpu")
            dtype = torch.get_autocast_dtype("cpu") if mixed else input.dtype
            if self.size <= (LARGEST_BF16 if dtype == torch.bfloat16 else LARGEST):
                return _multiply(input.to(dtype), self.weight.to(dtype), self)
        return functional.conv2d(input, self.weight, None, self.stride, self.edges[0])

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = self.whole(destination[f"{prefix}weight"])

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        key = f"{prefix}weight"
        if key in state_dict and state_dict[key].shape[2:] == self.kernel_size:
            state_dict = {**state_dict, key: self.cut(state_dict[key])}
        super()._load_from_state_dict(state_dict, prefix, *rest)


def fits(conv: nn.Conv2d, size: int) -> bool:
    """Check whether `Conv` can stand for a convolution: a plain one on square maps, without bias.

    Grouped, dilated and biased ones stay as they are, and so do kinds of their own.
    """
    (kernel, other), padding = conv.kernel_size, conv.padding
    if type(conv) is not nn.Conv2d or conv.bias is not None or conv.groups > 1:
        return False
    if isinstance(padding, str) or conv.dilation != (1, 1) or conv.padding_mode != "zeros":
        return False
    if kernel != other or conv.stride[0] != conv.stride[1] or padding[0] != padding[1]:
        return False
    taps, stride = used_taps(size, kernel, conv.stride[0], padding[0]), conv.stride[0]
    out = (size + 2 * padding[0] - kernel) // stride + 1
    return (size + 2 * (padding[0] - taps.start) - len(taps)) // stride + 1 == out


def used_taps(size: int, kernel: int, stride: int, padding: int) -> range:
    """Return the taps of a kernel, along a side, that ever meet a pixel of a map.

    >>> used_taps(1, 3, 1, 1), used_taps(2, 3, 2, 1), used_taps(2, 3, 1, 1)
    (range(1, 2), range(1, 3), range(0, 3))
    """
    places = range((size + 2 * padding - kernel) // stride + 1)
    used = [
        tap
        for tap in range(kernel)
        if any(0 <= place * stride + tap - padding < size for place in places)
    ]
    return range(used[0], used[-1] + 1)


def _multiply(maps: Tensor, weight: Tensor, conv: Conv) -> Tensor:
    pixels = maps.permute(0, 2, 3, 1)  # (B, s, s, in): in memory, they lie so
    result: Tensor = _Product.apply(pixels, weight, conv)  # type: ignore[no-untyped-call]
    return result.permute(0, 3, 1, 2)


class _Product(torch.autograd.Function):
    """A convolution of pixels (B, s, s, in) to (B, o, o, out) as one matrix product.

    All pixels of a map that is no larger than the kernel are multiplied with a matrix in which each
    tap stands as often as it is used: nothing is multiplied with padding. Of a larger map, the
    patches around each place are multiplied with the kernel.
    """

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, weight: Tensor, conv: Conv) -> Tensor:
        kernel = weight.permute(0, 2, 3, 1)  # (out, k, k, in)
        ctx.conv, ctx.shape, ctx.dense = conv, pixels.shape, conv.size <= len(conv.taps)
        left = pixels.flatten(1) if ctx.dense else _patches(pixels, conv)
        right = _matrix(kernel, conv) if ctx.dense else kernel.flatten(1)
        ctx.save_for_backward(left, right)
        return (left @ right.T).view(len(pixels), conv.out, conv.out, conv.out_channels)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        conv, (left, right) = ctx.conv, ctx.saved_tensors
        slope = slope.flatten(1) if ctx.dense else slope.flatten(0, 2)
        of_kernel, of_pixels = slope.T @ left, None
        shape = conv.out_channels, len(conv.taps), len(conv.taps), conv.in_channels
        of_kernel = _kernel(of_kernel, conv, shape) if ctx.dense else of_kernel.view(shape)
        if ctx.needs_input_grad[0]:
            of_pixels = slope @ right
            of_pixels = (
                of_pixels.view(ctx.shape) if ctx.dense else _fold(of_pixels, conv, ctx.shape)
            )
        return of_pixels, of_kernel.permute(0, 3, 1, 2), None


def _patches(pixels: Tensor, conv: Conv) -> Tensor:
    """Return the patch around each place, (B * o * o, k * k * in)."""
    before, after = conv.edges
    padded = functional.pad(pixels, (0, 0, before, after, before, after)).contiguous()
    number, _, _, channels = padded.shape
    images, rows, columns, _ = padded.stride()
    steps, taps = conv.stride[0], len(conv.taps)
    view = padded.as_strided(
        (number, conv.out, conv.out, taps, taps, channels),
        (images, steps * rows, steps * columns, rows, columns, 1),
    )
    return view.reshape(number * conv.out**2, taps * taps * channels)


def _fold(patches: Tensor, conv: Conv, shape: torch.Size) -> Tensor:
    """Add patches up where they lie over each other: the transpose of `_patches`."""
    number, size, _, channels = shape
    before, after = conv.edges
    taps, steps, span = len(conv.taps), conv.stride[0], (conv.out - 1) * conv.stride[0] + 1
    parts = patches.view(number, conv.out, conv.out, taps, taps, channels)
    side = max(size + before + after, span + taps - 1)
    total = patches.new_zeros(number, side, side, channels)
    for row in range(taps):
        for column in range(taps):
            place = total[:, row : row + span : steps, column : column + span : steps]
            place += parts[:, :, :, row, column]
    return total[:, before : before + size, before : before + size]


def _matrix(kernel: Tensor, conv: Conv) -> Tensor:
    """Return the matrix (o * o * out, s * s * in) that a convolution is."""
    if conv.out == 1 and conv.size == len(conv.taps):
        return kernel.flatten(1)
    outputs, _, _, inputs = kernel.shape
    shape = conv.out, conv.out, outputs, conv.size, conv.size, inputs
    matrix = kernel.new_zeros(shape)
    for (row, rows, row_taps), (column, columns, column_taps) in _meetings(conv):
        matrix[row, column, :, rows, columns] = kernel[:, row_taps, column_taps]
    return matrix.view(conv.out**2 * outputs, -1)


def _kernel(matrix: Tensor, conv: Conv, shape: tuple[int, ...]) -> Tensor:
    """Add up what stands for the same tap: the transpose of `_matrix`."""
    if conv.out == 1 and conv.size == len(conv.taps):
        return matrix.view(shape)
    outputs, _, _, inputs = shape
    parts = matrix.view(conv.out, conv.out, outputs, conv.size, conv.size, inputs)
    kernel = matrix.new_zeros(shape)
    for (row, rows, row_taps), (column, columns, column_taps) in _meetings(conv):
        kernel[:, row_taps, column_taps] += parts[row, column, :, rows, columns]
    return kernel


def _meetings(conv: Conv) -> Any:
    """Return, by row and column of the output, which pixels it sees with which taps."""
    along = []
    for place in range(conv.out):
        start = place * conv.stride[0] - conv.edges[0]  # the pixel of the first tap
        first, last = max(start, 0), min(start + len(conv.taps), conv.size)
        along.append((place, slice(first, last), slice(first - start, last - start)))
    return itertools.product(along, along)
