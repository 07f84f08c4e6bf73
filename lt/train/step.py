"""The optimizer steps of a phase: augment, forward, loss, backward, clip, SGD.

On a CPU a step runs as it is written. On a GPU, launching a step's hundreds of small kernels
takes longer than running them: there a step is recorded once for each size of batch (a CUDA
graph) and replayed. Sizes that come up once, or too many of them, run as written there too.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lt.data.datasets import Recipe
from lt.data.views import Ints
from lt.nets.net import Net
from lt.params import Train
from lt.score.predict import autocast, normalise
from lt.train import augment
from lt.train.plan import Phase
from lt.train.together import ALONE, Team

MAX_RECORDED = 8  # sizes of batch: those of an epoch, and some of a sampler with varying ones


@dataclass(frozen=True)
class Images:
    """Images and their labels.

    pixels: uint8 (N, H, W, channels) on the device; labels: global ids (N,) on the host.
    """

    pixels: Tensor
    labels: Ints

    def digest(self) -> str:
        """Return the SHA-256 of pixels and labels."""
        sha = hashlib.sha256(self.pixels.cpu().numpy().data)
        sha.update(self.labels.data)
        return sha.hexdigest()


@dataclass(frozen=True)
class Setting:
    """What all experts of a run share."""

    train: Images
    val: Images
    recipe: Recipe
    options: Train
    seed: int
    precision: str  # "fp32" or "bf16"
    team: Team = ALONE  # the processes that share out each batch

    @property
    def device(self) -> torch.device:
        """Where the images lie and the networks are trained."""
        return self.train.pixels.device


class Steps:
    """The training of `parameters` of `net` by SGD, on images with the targets (N,) given."""

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
        self.optimizer = torch.optim.SGD(
            parameters,
            lr=self.lr,
            momentum=options.momentum,
            weight_decay=options.weight_decay if phase.weight_decay is None else phase.weight_decay,
            fused=True,
        )
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
        draws = augment.draw(len(order), self.setting.recipe, generator)
        rows = torch.cat([order[:, None], draws], dim=1)
        sizes = [len(batch) for batch in batches]
        shares = self._shares(len(sizes), generator)
        steps = zip(torch.split(rows, sizes), shares, strict=True)
        losses = torch.stack([self._step(*step) for step in steps])
        self.setting.team.even_out(self.net)
        return losses

    def _shares(self, number: int, generator: torch.Generator) -> Tensor:
        """Return shares (number,): for each batch, what an image keeps of itself."""
        shares = np.ones(number)
        if self.phase.mix:
            rng = np.random.default_rng(generator.initial_seed())
            shares = rng.beta(self.phase.mix.alpha, self.phase.mix.alpha, number)
        return torch.from_numpy(shares.astype(np.float32)).to(self.device)

    def state(self) -> dict[str, Tensor]:
        """Return the net's state ("net.<name>") and the optimizer's ("momentum.<number>")."""
        state = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        for number, parameter in enumerate(self.parameters):
            if "momentum_buffer" in self.optimizer.state[parameter]:
                state[f"momentum.{number}"] = self.optimizer.state[parameter]["momentum_buffer"]
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        net = {name: value for name, value in state.items() if name.startswith("net.")}
        self.net.load_state_dict({name.removeprefix("net."): net[name] for name in net})
        for number, parameter in enumerate(self.parameters):
            if f"momentum.{number}" in state:
                momentum = torch.empty_like(parameter, requires_grad=False)
                momentum.copy_(state[f"momentum.{number}"])
                self.optimizer.state[parameter]["momentum_buffer"] = momentum

    def _step(self, rows: Tensor, share: Tensor) -> Tensor:
        size = len(rows)
        if self.pool is None or size not in self.seen:  # the first one also warms up
            self.seen.add(size)
            return self._compute(rows, share)
        if size not in self.recorded and len(self.recorded) < MAX_RECORDED:
            self.recorded[size] = _Recording(self, rows, share)
        recording = self.recorded.get(size)
        return recording.replay(rows, share) if recording else self._compute(rows, share)

    def _compute(self, rows: Tensor, share: Tensor) -> Tensor:
        """Take one step.

        Args:
            rows: (B, 4) an image's index, then its draws.
            share: () what an image keeps of itself where images are mixed.

        Returns:
            the loss, a scalar.
        """
        setting, recipe, team = self.setting, self.setting.recipe, self.setting.team
        targets, own = self.targets[rows[:, 0]], team.own(rows, mixed=bool(self.phase.mix))
        index, draws = own[:, 0], own[:, 1:]
        pixels = augment.crop_and_flip(setting.train.pixels[index], draws, recipe.pad)
        images = normalise(pixels, recipe)
        if self.phase.mix:
            images = augment.blend_images(images, share)[len(own) - team.number(len(rows)) :]
        with autocast(setting.precision, self.device):
            logits = self.net(images)
        logits = team.whole(logits.float(), len(rows))  # (B, width)
        if self.phase.mix:
            targets = augment.blend(targets, share, self.phase.mix.share, logits.shape[-1])
        loss = self.phase.loss(logits, targets, self.epoch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        team.add_up(self.parameters)
        if setting.options.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, setting.options.clip_norm)
        self.optimizer.step()
        return loss.detach()


class _Recording:
    """A step recorded on the current stream, for batches of one size."""

    def __init__(self, steps: Steps, rows: Tensor, share: Tensor) -> None:
        self.rows, self.share = rows.clone(), share.clone()
        self.graph = torch.cuda.CUDAGraph()
        torch.cuda.empty_cache()  # the memory that the step took as written, before it takes more
        self.graph.capture_begin(steps.pool, capture_error_mode="thread_local")
        try:
            self.loss = steps._compute(self.rows, self.share)
        except BaseException:
            with suppress(RuntimeError):  # it would hide what went wrong
                self.graph.capture_end()
            raise
        self.graph.capture_end()

    def replay(self, rows: Tensor, share: Tensor) -> Tensor:
        self.rows.copy_(rows)
        self.share.copy_(share)
        self.graph.replay()
        return self.loss.clone()  # the next replay overwrites it


def train_mode(net: nn.Module) -> None:
    """Set training mode, but for what is frozen: there batch norm must not move."""
    for module in net.modules():
        own = list(module.parameters())
        module.training = not own or any(parameter.requires_grad for parameter in own)
