"""One training on several processes: who takes part, and what they tell each other.

torchrun starts them. Each draws the same batches and takes a contiguous share of every one. The
outputs of all are put together, so that each computes the loss of the whole batch, whatever it
divides by; it goes back through its own images alone, and the sum of all gradients is then that of
one process. Batch norm sees a process's own images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lt.data.datasets import Recipe
from lt.data.stored import Stored
from lt.data.views import Ints
from lt.process import Gone
from lt.score import predict

T = TypeVar("T")

# An expert may wait for all of another's training. Of a process that ends, the others hear at once.
LONGEST_WAIT = timedelta(days=20)  # the most days whose milliseconds an int32 holds are 24


@dataclass(frozen=True)
class Share:
    """The rows [start, stop) of a batch that a process takes.

    counts: False where there are fewer shares than processes, since batch norm needs two images:
        the process then takes the first share, too, and what it finds does not count.
    """

    start: int
    stop: int
    counts: bool = True


@dataclass(frozen=True)
class Team:
    """The processes of a training, seen from one of them; a single one tells nobody anything."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def share(self, size: int) -> Share:
        """Return which rows of a batch of that size this process takes.

        >>> Team(1, 3).share(8), Team(2, 3).share(4)
        (Share(start=3, stop=6, counts=True), Share(start=0, stop=2, counts=False))
        """
        shares = max(1, min(self.size, size // 2))
        own = self.rank if self.rank < shares else 0
        each, more = divmod(size, shares)
        start = own * each + min(own, more)
        return Share(start, start + each + (own < more), self.rank < shares)

    def number(self, size: int) -> int:
        """Return how many rows that is."""
        share = self.share(size)
        return share.stop - share.start

    def own(self, rows: Tensor, mixed: bool) -> Tensor:
        """Return this process's rows of a batch; `mixed`: the one before them first (`blend`)."""
        if self.size == 1:
            return rows
        share = self.share(len(rows))
        own = rows[share.start : share.stop]
        return torch.cat([rows[share.start - 1][None], own]) if mixed else own

    def whole(self, logits: Tensor, size: int) -> Tensor:
        """Put the outputs (b, ...) of all processes together: (size, ...).

        The gradient goes through the own ones alone.
        """
        if self.size == 1:
            return logits
        share = self.share(size)
        every = logits.new_zeros(size, *logits.shape[1:])
        if share.counts:
            every[share.start : share.stop] = logits.detach()
        _all(dist.all_reduce, every)
        if not share.counts:
            return every + 0 * logits.sum()  # a gradient of zeros
        return torch.cat([every[: share.start], logits, every[share.stop :]])

    def add_up(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by the sum over the processes, in one exchange."""
        self._sum([one.grad for one in parameters if one.grad is not None])

    def even_out(self, net: nn.Module) -> None:
        """Replace what batch norm has seen of maps by the mean over the processes."""
        norms = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.training]
        seen = [s for m in norms for s in (m.running_mean, m.running_var) if s is not None]
        self._sum(seen)
        for one in seen:
            one.div_(self.size)

    def answers(
        self, net: nn.Module, pixels: Tensor | Stored, recipe: Recipe, precision: str, place: str
    ) -> Ints:
        """Return the best output (N,) of each image, in every process; see `predict.predict`."""
        if self.size == 1:
            alone: Ints = predict.predict(net, pixels, recipe, precision, place).argmax(1)
            return alone
        device = predict.device_of(net, pixels)
        size = predict.batch_size(pixels, device)
        start, stop = self._images(len(pixels), size)
        found = torch.zeros(2, len(pixels), dtype=torch.int64, device=device)
        if start < stop:
            logits = predict.outputs(net, _some(pixels, start, stop), recipe, precision)
            found[0, start:stop] = torch.from_numpy(logits.argmax(1)).to(found.device)
            bad = ~np.isfinite(logits).all(axis=1)
            found[1, start:stop] = torch.from_numpy(bad).to(found.device)
        _all(dist.all_reduce, found)
        predict.check_finite(found[1].cpu().numpy() == 0, size, place)
        best: Ints = found[0].cpu().numpy()
        return best

    def outputs(
        self, net: nn.Module, pixels: Tensor | Stored, recipe: Recipe, place: str
    ) -> NDArray[np.float32]:
        """Return the outputs (N, width) of each image, in process 0; elsewhere nothing of use."""
        if self.size == 1:
            return predict.predict(net, pixels, recipe, place=place)
        size = predict.batch_size(pixels, predict.device_of(net, pixels))
        start, stop = self._images(len(pixels), size)
        own = np.empty((0, 0), dtype=np.float32)
        if start < stop or self.first:
            own = predict.outputs(net, _some(pixels, start, stop), recipe)
        if not self.first:
            self._send(own)
            return own
        every = np.empty((len(pixels), own.shape[1]), dtype=np.float32)
        every[start:stop] = own
        for rank in range(1, self.size):
            at = slice(*Team(rank, self.size)._images(len(pixels), size))
            self._receive(every[at], rank)
        predict.check_finite(np.isfinite(every).all(axis=1), size, place)
        return every

    def share_out(self, number: int) -> list[int]:
        """Return which of `number` experts this process trains, where these are spread."""
        return list(range(self.rank, number, self.size))

    def exchange(self, own: Sequence[T], number: int) -> list[T]:
        """Return what each expert has become, in every process, out of those of `share_out`."""
        if self.size == 1:
            return list(own)
        found: dict[int, T] = dict(zip(self.share_out(number), own, strict=True))
        for k in range(number):
            one = [found.get(k)]
            _all(dist.broadcast_object_list, one, src=k % self.size)
            found[k] = one[0]  # type: ignore[assignment]
        return [found[k] for k in range(number)]

    def wait(self) -> None:
        """Wait for all others to come here."""
        if self.size > 1:
            here = torch.zeros((), device=_wire())
            _all(dist.all_reduce, here)
            _all(here.item)  # on a GPU, the exchange is only queued until then

    def prepare(self, net: T, sync_batchnorm: bool) -> T:
        """Let batch norm see the maps of all processes, if that is asked for."""
        if self.size == 1 or not sync_batchnorm:
            return net
        return nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-any-return, no-untyped-call]

    def _sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their sums over the processes, in one exchange."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([one.flatten() for one in tensors])
        _all(dist.all_reduce, flat)
        parts = torch.split(flat, [one.numel() for one in tensors])
        for one, part in zip(tensors, parts, strict=True):
            one.copy_(part.view(one.shape))

    def _images(self, number: int, size: int) -> tuple[int, int]:
        """Return which images this process evaluates: whole batches of that size."""
        batches = -(-number // size)
        edges = [min(number, size * (batches * k // self.size)) for k in (self.rank, self.rank + 1)]
        return edges[0], edges[1]

    def _send(self, block: NDArray[np.float32]) -> None:
        if block.size:
            _all(dist.send, torch.from_numpy(block).to(_wire()), 0)

    def _receive(self, into: NDArray[np.float32], rank: int) -> None:
        if into.size:
            buffer = torch.empty(into.shape, device=_wire())
            _all(dist.recv, buffer, rank)
            into[...] = buffer.cpu().numpy()


ALONE = Team()


@contextmanager
def joined(processes: int) -> Iterator[Team]:
    """Take part in the training that torchrun has started; without it, alone.

    Args:
        processes: train.processes. 1 leaves the number to torchrun.

    Raises:
        ValueError: if torchrun has started another number.
        Gone: if another process ends before all are there.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if processes not in (1, size):
        started = f"1 or {size}, as many as torchrun has started" if size > 1 else "1 here"
        raise ValueError(f"train.processes: expected {started}, got {processes}")
    if size == 1:
        yield ALONE
        return
    backend = "gloo"
    if torch.cuda.is_available():
        local, here = (int(os.environ[name]) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
        torch.cuda.set_device(local % torch.cuda.device_count())
        backend = "nccl" if here <= torch.cuda.device_count() else "gloo"
    _all(dist.init_process_group, backend, timeout=LONGEST_WAIT)
    yield Team(dist.get_rank(), size)
    dist.destroy_process_group()


def _some(pixels: Tensor | Stored, start: int, stop: int) -> Tensor | Stored:
    if isinstance(pixels, Stored):
        return pixels.some(np.arange(start, stop))
    return pixels[start:stop]


def _wire() -> torch.device:
    """Return where tensors lie that are sent."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


def _all(call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Do something that all processes take part in.

    Raises:
        Gone: if one does not.
    """
    try:
        call(*arguments, **named)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise Gone(" ".join(str(error).split())) from None
