"""Methods that choose on validation images: which do, and whether there are any to choose on."""

from __future__ import annotations

import numpy as np

from lt.data import partition
from lt.data.views import Ints
from lt.score import validation
from lt.train.plan import Expert


def check_images(expert: Expert, number: int, train: Ints, val: Ints, counts: Ints) -> None:
    """Raise a ValueError if an expert has no image, or none to choose on, of head or tail.

    Args:
        expert: one of a method's.
        number: its place among them.
        train: (N,) global labels of the training images.
        val: (M,) those of the validation images.
        counts: (C,) images per class, as in partition.json.
    """
    if not (expert.view.targets(train) >= 0).any():
        raise ValueError(f"expert {number}: none of its classes {expert.view.classes} has an image")
    targets = expert.view.targets(val)
    seen = targets[targets >= 0]
    check_choice(expert, len(seen))
    if chooses(expert):
        val_counts = np.bincount(seen, minlength=expert.view.width)
        validation.check_choice(val_counts, halves(expert, counts))


def halves(expert: Expert, counts: Ints) -> partition.Groups:
    """Return head and tail of the classes that the expert knows, as targets.

    counts: (C,) as in partition.json, by which they are told apart there, too.
    """
    classes = np.array(expert.view.classes)
    targets = expert.view.targets(classes)
    return tuple(tuple(targets[list(half)].tolist()) for half in partition.halves(counts[classes]))


def chooses(expert: Expert) -> bool:
    """Check whether a phase of the expert tries several setups and keeps the best."""
    return any(len(phase.setups) > 1 for phase in expert.phases)


def check_choice(expert: Expert, val_images: float) -> None:
    """Raise a ValueError if the expert chooses on validation images, and there are none."""
    if not val_images and chooses(expert):
        raise ValueError(
            "data.val_fraction: this method chooses on validation images; expected more than 0, "
            "or a single value to choose from; got a split without any"
        )
