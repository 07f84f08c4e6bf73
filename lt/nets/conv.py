"""Convolutions made for maps of a known size: no tap that meets padding alone, small maps fast.

The results are those of nn.Conv2d, and so are the gradients. A network on 32x32 images ends on maps
of 1x1 to 4x4, where much of a 3x3 kernel meets padding. On the smallest of them convolution
libraries for the CPU reach a small part of what a matrix product does.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

LARGEST = 3  # pixels along a side of a map, up to which a matrix product is faster, on a CPU


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
        self.edge = padding[0] - self.taps.start  # padding that is left
        # With it on both sides, no place more comes out.
        assert (size + 2 * self.edge - len(self.taps)) // stride + 1 == self.out
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
        if input.device.type == "cpu" and self.size <= min(LARGEST, len(self.taps)):
            pixels = input.permute(0, 2, 3, 1).flatten(1)  # (B, s * s * in), as they lie in memory
            outputs = functional.linear(pixels, self._matrix())  # (B, o * o * out)
            return outputs.view(-1, self.out, self.out, self.out_channels).permute(0, 3, 1, 2)
        return functional.conv2d(input, self.weight, None, self.stride, self.edge)

    def _matrix(self) -> Tensor:
        """Return the matrix (o * o * out, s * s * in) that the convolution is.

        Each tap stands in it as often as it is used: nothing is multiplied with padding.
        """
        kernel = self.weight.permute(0, 2, 3, 1)  # (out, k, k, in)
        if self.out == 1 and self.size == len(self.taps):
            return kernel.flatten(1)
        shape = self.out, self.out, self.out_channels, self.size, self.size, self.in_channels
        matrix = kernel.new_zeros(shape)
        for (row, rows, own), (column, columns, across) in product(self._along(), repeat=2):
            matrix[row, column, :, rows, columns] = kernel[:, own, across]
        return matrix.view(self.out**2 * self.out_channels, -1)

    def _along(self) -> list[tuple[int, slice, slice]]:
        """Return, by place of the output along a side, which pixels it sees with which taps."""
        found = []
        for place in range(self.out):
            start = place * self.stride[0] - self.edge  # the pixel of the first tap
            first, last = max(start, 0), min(start + len(self.taps), self.size)
            found.append((place, slice(first, last), slice(first - start, last - start)))
        return found

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
