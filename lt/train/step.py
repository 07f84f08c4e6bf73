"""The optimizer steps of a phase: augment, forward, loss, backward, clip, optimizer.

On a CPU a step runs as it is written. On a GPU, launching a step's hundreds of small kernels
takes longer than running them: there a step is recorded once for each size of batch (a CUDA
graph) and replayed. Sizes that come up once, or too many of them, run as written there too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lt.data.datasets import Recipe
from lt.data.stored import Stored
from lt.data.views import Ints
from lt.nets.net import Net
from lt.params import Train
from lt.score.predict import autocast, normalise, read_ahead
from lt.train import augment
from lt.train.plan import Phase
from lt.train.together import ALONE, Team

MAX_RECORDED = 8  # sizes of batch: those of an epoch, and some of a sampler with varying ones

DIGESTED = 1000  # images at a time
# what an optimizer remembers of a parameter -> its name in a checkpoint
MEMORY = {"momentum_buffer": "momentum", "step": "step", "exp_avg": "mean", "exp_avg_sq": "square"}


@dataclass(frozen=True)
class Images:
    """Images and their labels.

    pixels: uint8 (N, H, W, channels) on the device, or on disk; labels: global ids (N,) on the
        host.
    """

    pixels: Tensor | Stored
    labels: Ints

    def some(self, positions: Ints) -> Tensor | Stored:
        """Return these of the images."""
        if isinstance(self.pixels, Stored):
            return self.pixels.some(positions)
        return self.pixels[torch.from_numpy(positions).to(self.pixels.device)]

    def digest(self) -> str:
        """Return the SHA-256 of pixels and labels."""
        sha = hashlib.sha256()
        if isinstance(self.pixels, Stored):
            for k in range(0, len(self.labels), DIGESTED):
                sha.update(self.pixels.read(slice(k, k + DIGESTED)).data)
        else:
            sha.update(self.pixels.cpu().numpy().data)
        sha.update(self.labels.data)
        return sha.hexdigest()


@dataclass(frozen=True)
class Setting:
    """What all experts of a run share.

    counts: (C,) images per class, as in partition.json.
    weights: those of the file train.weights, for networks that begin afresh.
    """

    train: Images
    val: Images
    recipe: Recipe
    options: Train
    seed: int
    device: torch.device  # where networks are trained, and images lie that are not on disk
    precision: str  # "fp32" or "bf16"
    counts: Ints
    weights: Mapping[str, Tensor] | None = None
    team: Team = ALONE  # the processes that share out each batch


class Steps:
    """The training of `parameters` of `net`, on images with the targets (N,) given."""

    def __init__(
        self,
        net: Net,
        parameters: list[nn.Parameter],
        phase: Phase,
        targets: Ints,
        setting: Setting,
    ) -> None:
        self.net, self.parameters, self.phase, self.setting = net, parameters, phase, setting
        self.device, options = setting.device, setting.options
        self.targets = torch.from_numpy(targets).to(self.device)
        # Tensors, so that a recording made in one epoch reads the values of another.
        self.epoch = torch.tensor(0, device=self.device)
        self.lr = torch.tensor(0.0, device=self.device)
        decay = options.weight_decay if phase.weight_decay is None else phase.weight_decay
        self.optimizer = _optimizer(parameters, options, self.lr, decay)
        self.recorded: dict[int, _Recording] = {}
        self.seen: set[int] = set()
        alone = setting.team.size == 1  # an exchange is not recorded
        on_gpu = self.device.type == "cuda" and alone
        self.pool = torch.cuda.graph_pool_handle() if on_gpu else None

    def run(self, batches: list[Ints], epoch: int, lr: float, generator: torch.Generator) -> Tensor:
        """Train for one epoch.

        Args:
            batches: index arrays into the images.
            epoch: from 1.
            lr: the learning rate.
            generator: of the augmentation, on the device.

        Returns:
            float (len(batches),) the loss of each step, on the device, where the steps may not
            have been computed yet.
        """
        self.epoch.fill_(epoch)
        self.lr.fill_(lr)
        train_mode(self.net)
        order = torch.cat([torch.from_numpy(batch) for batch in batches]).to(self.device)
        setting, (_, *shape, _) = self.setting, self.setting.train.pixels.shape
        draws = augment.draws(len(order), shape, setting.recipe, setting.options, generator)
        rows = torch.cat([order[:, None], draws], dim=1)
        sizes = [len(batch) for batch in batches]
        shares = self._shares(len(sizes), generator)
        steps: Iterator[tuple[Tensor, ...]] = zip(torch.split(rows, sizes), shares, strict=True)
        if isinstance(setting.train.pixels, Stored):
            own = [self._own(torch.from_numpy(batch)).numpy() for batch in batches]
            read = read_ahead(setting.train.pixels, own, self.device)
            steps = ((*step, pixels) for step, pixels in zip(steps, read, strict=True))
        losses = torch.stack([self._step(*step) for step in steps])
        setting.team.even_out(self.net)
        return losses

    def _own(self, rows: Tensor) -> Tensor:
        """Return the rows of a batch that this process computes."""
        return self.setting.team.own(rows, mixed=bool(self.phase.mix))

    def _shares(self, number: int, generator: torch.Generator) -> Tensor:
        """Return shares (number,): for each batch, what an image keeps of itself."""
        shares = np.ones(number)
        if self.phase.mix:
            rng = np.random.default_rng(generator.initial_seed())
            shares = rng.beta(self.phase.mix.alpha, self.phase.mix.alpha, number)
        return torch.from_numpy(shares.astype(np.float32)).to(self.device)

    def state(self) -> dict[str, Tensor]:
        """Return the net's state ("net.<name>") and the optimizer's ("momentum.<number>", ...)."""
        state = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        for number, parameter in enumerate(self.parameters):
            for name, value in self.optimizer.state[parameter].items():
                if value is not None:  # SGD's, without momentum
                    state[f"{MEMORY[name]}.{number}"] = value
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        net = {name: value for name, value in state.items() if name.startswith("net.")}
        self.net.load_state_dict({name.removeprefix("net."): net[name] for name in net})
        for number, parameter in enumerate(self.parameters):
            for name, short in MEMORY.items():
                saved = state.get(f"{short}.{number}")
                if saved is None:
                    continue
                own = torch.empty_like(parameter, requires_grad=False)  # laid out in memory like it
                own = own if saved.shape == own.shape else saved.to(self.device, copy=True)
                self.optimizer.state[parameter][name] = own.copy_(saved)

    def _step(self, *given: Tensor) -> Tensor:
        size = len(given[0])
        if self.pool is None or size not in self.seen:  # the first one also warms up
            self.seen.add(size)
            return self._compute(*given)
        if size not in self.recorded and len(self.recorded) < MAX_RECORDED:
            self.recorded[size] = _Recording(self, *given)
        recording = self.recorded.get(size)
        return recording.replay(*given) if recording else self._compute(*given)

    def _compute(self, rows: Tensor, share: Tensor, pixels: Tensor | None = None) -> Tensor:
        """Take one step.

        Args:
            rows: (B, columns) an image's index, then its draws.
            share: () what an image keeps of itself where images are mixed.
            pixels: uint8 (own, H, W, channels), those of `_own`, of images that lie on disk.

        Returns:
            the loss, a scalar.
        """
        setting, recipe, team = self.setting, self.setting.recipe, self.setting.team
        targets, own = self.targets[rows[:, 0].long()], self._own(rows)
        if pixels is None:
            assert isinstance(setting.train.pixels, Tensor)
            pixels = setting.train.pixels[own[:, 0].long()]
        pixels = augment.augment(pixels, own[:, 1:], recipe, setting.options)
        images = normalise(pixels, recipe)
        if self.phase.mix:
            images = augment.blend_images(images, share)[len(own) - team.number(len(rows)) :]
        with autocast(setting.precision, self.device):
            logits = self.net(images)
        logits = team.whole(logits.float(), len(rows))  # (B, width)
        if self.phase.mix:
            targets = augment.blend(targets, share, self.phase.mix.share, logits.shape[-1])
        loss = self.phase.loss(logits, targets, self.epoch)
        _check_loss(loss)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        team.add_up(self.parameters)
        if setting.options.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, setting.options.clip_norm)
        self.optimizer.step()
        return loss.detach()


def _check_loss(loss: object) -> None:
    """Raise a ValueError if a method's loss gives what cannot be minimised."""
    if not isinstance(loss, Tensor):
        given = f"a {type(loss).__name__}"
    elif loss.ndim:
        given = f"one of shape {tuple(loss.shape)}"
    elif not loss.requires_grad:
        given = "one that does not depend on the logits"
    else:
        return
    raise ValueError(f"the method's loss: expected a scalar tensor made of the logits, got {given}")


class _Recording:
    """A step recorded on the current stream, for batches of one size."""

    def __init__(self, steps: Steps, *given: Tensor) -> None:
        self.given = [tensor.clone() for tensor in given]
        self.graph = torch.cuda.CUDAGraph()
        torch.cuda.empty_cache()  # the memory that the step took as written, before it takes more
        self.graph.capture_begin(steps.pool, capture_error_mode="thread_local")
        try:
            self.loss = steps._compute(*self.given)
        except BaseException:
            with suppress(RuntimeError):  # it would hide what went wrong
                self.graph.capture_end()
            raise
        self.graph.capture_end()

    def replay(self, *given: Tensor) -> Tensor:
        for own, tensor in zip(self.given, given, strict=True):
            own.copy_(tensor)
        self.graph.replay()
        return self.loss.clone()  # the next replay overwrites it


def _optimizer(
    parameters: list[nn.Parameter], options: Train, lr: Tensor, weight_decay: float
) -> torch.optim.Optimizer:
    if options.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=lr,
            momentum=options.momentum,
            nesterov=options.nesterov,
            weight_decay=weight_decay,
            fused=True,
        )
    recordable = lr.device.type == "cuda"
    return torch.optim.AdamW(
        parameters, lr=lr, weight_decay=weight_decay, fused=True, capturable=recordable
    )


def train_mode(net: nn.Module) -> None:
    """Set training mode, but for what is frozen: there batch norm must not move."""
    for module in net.modules():
        own = list(module.parameters())
        module.training = not own or any(parameter.requires_grad for parameter in own)
