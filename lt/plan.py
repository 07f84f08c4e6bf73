"""The contract of a method: what it is told, and what it answers.

A method is `experts(task, *, <its params>) -> tuple[Expert, ...]`, a pure function. One network
is one expert; a split is one expert per group. The train loop knows nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # scoring needs views only, and starts without torch
    import torch
    from torch import Tensor, nn

    from lt.nets import Net

Ints = NDArray[np.int64]

Others = Literal["drop", "rest", "silent"]


@dataclass(frozen=True)
class Task:
    """All that a method may know before training.

    counts: (C,) training images per class, validation images not among them.
    groups: K groups of class ids, from the most frequent to the least.
    epochs, batch_size, lr: of params.yaml's train section.
    """

    counts: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    epochs: int
    batch_size: int
    lr: float


@dataclass(frozen=True)
class ClassView:
    """The classes that an expert tells apart, and what becomes of the others.

    classes: global ids, in the order of the expert's outputs (of "silent": any order).
    num_classes: C.
    others: "drop" neither seen nor given an output; "rest" seen as one extra, last output (the
        seed, section 4.2); "silent" not seen, but with outputs that never get a label (the
        seed's own networks).
    """

    classes: tuple[int, ...]
    num_classes: int
    others: Others = "drop"

    @classmethod
    def all(cls, num_classes: int) -> ClassView:
        """The view of a single network: every class is its own."""
        return cls(tuple(range(num_classes)), num_classes)

    @property
    def width(self) -> int:
        """Outputs of the expert."""
        if self.others == "silent":
            return self.num_classes
        return len(self.classes) + (self.others == "rest")

    @property
    def columns(self) -> Ints:
        """(len(classes),) the output of each own class."""
        if self.others == "silent":
            return np.array(self.classes, dtype=np.int64)
        return np.arange(len(self.classes), dtype=np.int64)

    def targets(self, labels: Ints) -> Ints:
        """Global labels (N,) as the expert's targets (N,); -1 where it does not see the image."""
        unseen = len(self.classes) if self.others == "rest" else -1
        table = np.full(self.num_classes, unseen, dtype=np.int64)
        table[list(self.classes)] = self.columns
        return table[labels]


# (logits (B, width), targets (B,), epoch from 1) -> scalar. The epoch is a scalar tensor on the
# device, since a step is recorded in one epoch and replayed in others: choose with torch.where.
Loss = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
# (targets (N,), -1 where unseen; rng) -> index arrays, one per step of this epoch. All experts
# get the same rng in the same epoch, so that "shared" batches are the same batches.
Sampler = Callable[[Ints, np.random.Generator], list[Ints]]
# Changes the net in place -> the parameters to train; a module of frozen parameters alone stays
# in evaluation mode, so that its batch-norm statistics are frozen too.
Setup = Callable[["Net", "Given"], "list[nn.Parameter]"]
# (targets (B,), the other images' targets (B,), share of the pixels ()) -> that of the targets (B,)
Share = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
# (features, width) -> classifier
Head = Callable[[int, int], "nn.Module"]


@dataclass(frozen=True)
class Given:
    """What a setup may use besides the net.

    generator: on the CPU, for what it draws; another one for every expert and phase.
    features: () -> (N, features) of the net's backbone in evaluation mode, on its device, for
        the training images that the expert sees, and their targets (N,).
    start: the networks that the method starts from (`methods.<name>.start`), none if fresh.
    """

    generator: torch.Generator
    features: Callable[[], tuple[Tensor, Ints]]
    start: tuple[Net, ...]


@dataclass(frozen=True)
class Mix:
    """Each image of a batch blended with another of the batch (mixup; Zhang et al. 2018).

    alpha: the first image's share is drawn from Beta(alpha, alpha), once for a batch.
    share: what the blend keeps of the first image's target. With a mix, the loss gets targets
        (B, width), the shares of the classes.
    """

    alpha: float
    share: Share


@dataclass(frozen=True)
class Phase:
    """A stretch of training. 0 epochs is legal: then `setups` alone change the net.

    lr: epoch -> learning rate; None: that of params.yaml's train section.
    weight_decay: None: that of params.yaml's train section.
    mix: blends images, if given.
    setups: usually one. Of several, each is tried on a copy, and the copy with the best
        class-balanced validation accuracy goes on (τ of τ-normalisation); the first wins ties.
        All of them give the net the same form.
    """

    epochs: int
    loss: Loss
    sampler: Sampler
    setups: tuple[Setup, ...]
    lr: Callable[[int], float] | None = None
    weight_decay: float | None = None
    mix: Mix | None = None


@dataclass(frozen=True)
class Expert:
    """One network: the classes it sees, how it is trained, its classifier.

    start: what a method to start from (`methods.<name>.start`) is to it. "free": it can do without;
        else it begins as a copy of that one's network of the same number. "needed": such a copy,
        whose classifier its setups change. "teachers": it begins fresh, beside those networks,
        one per group.
    """

    view: ClassView
    phases: tuple[Phase, ...]
    head: Head
    start: Literal["free", "needed", "teachers"] = "free"
