"""The contract of a method: what it is told, and what it answers.

A method is `experts(task, *, <its params>) -> tuple[Expert, ...]`, a pure function. One network
is one expert; a split is one expert per group. The train loop knows nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lt.data import samplers
from lt.data.samplers import Sampler
from lt.data.views import ClassView
from lt.nets import heads, mixing, surgery
from lt.nets.branches import Fork
from lt.nets.heads import Head
from lt.nets.losses import Loss, Share
from lt.nets.surgery import Setup

__all__ = ["ClassView", "Expert", "Fork", "Mix", "Phase", "Task", "single"]


@dataclass(frozen=True)
class Task:
    """All that a method may know before training.

    Attributes:
        counts: (C,) training images per class, validation images not among them.
        groups: K groups of class ids, from the most frequent to the least.
        epochs: from params.yaml's train section, as are the next two.
        batch_size: the images of a batch.
        lr: the learning rate.
        start: the classes of each network that the method starts from; none if it starts fresh.
    """

    counts: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    epochs: int
    batch_size: int
    lr: float
    start: tuple[ClassView, ...] = ()


@dataclass(frozen=True)
class Mix:
    """The blending of each image of a batch with another of it (mixup; Zhang et al. 2018).

    Attributes:
        alpha: the first image's share is drawn from Beta(alpha, alpha), once for a batch.
        share: what the blend keeps of the first image's target. With a mix, the loss gets targets
            (B, width), the shares of the classes.
    """

    alpha: float
    share: Share

    @classmethod
    def plain(cls, alpha: float) -> Mix | None:
        """Return that of mixup; None where alpha is 0, since it blends nothing."""
        return cls(alpha, mixing.plain) if alpha else None


@dataclass(frozen=True)
class Phase:
    """A stretch of training. 0 epochs is legal: then `setups` alone change the net.

    Attributes:
        epochs: its length.
        loss: see lt/nets/losses.py.
        sampler: see lt/data/samplers.py.
        setups: usually one (lt/nets/surgery.py). If there are several, each is tried on a copy, and
            the copy with the best balanced accuracy on validation images goes on (τ of
            τ-normalisation; `lt.score.validation`); the first wins ties. All of them give the net
            the same form.
        lr: epoch -> learning rate; None: that of params.yaml's train section.
        weight_decay: None: that of params.yaml's train section.
        mix: blends images, if given.
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

    Attributes:
        view: the classes.
        phases: what happens, one after the other.
        head: makes the classifier.
        start: what the networks of a method to start from (`methods.<name>.start`) are to it.
            "free": it can do without; with them, it begins as a copy of the network of the same
            number. "needed": it begins as such a copy, whose classifier its setups change.
            "teachers": it begins fresh, beside those networks, one per group.
        fork: if given, the last two stages are there several times, each with a classifier. In
            training the loss gets (B, branches, width); afterwards each branch is a network of its
            own. Such an expert begins fresh.
    """

    view: ClassView
    phases: tuple[Phase, ...]
    head: Head
    start: Literal["free", "needed", "teachers"] = "free"
    fork: Fork | None = None

    @property
    def views(self) -> tuple[ClassView, ...]:
        """The view of each network that it becomes."""
        return (self.view,) * (self.fork.num if self.fork else 1)


def single(
    task: Task,
    loss: Loss,
    *,
    head: Head = heads.linear,
    sampler: Sampler | None = None,
    mix: Mix | None = None,
    fork: Fork | None = None,
) -> tuple[Expert]:
    """Return one fresh expert for all classes, trained as a whole for `task.epochs`.

    Without a `sampler` it sees every image once an epoch.
    """
    sampler = sampler or samplers.shuffled(task.batch_size)
    phase = Phase(task.epochs, loss, sampler, (surgery.everything,), mix=mix)
    return (Expert(ClassView.all(len(task.counts)), (phase,), head, fork=fork),)
