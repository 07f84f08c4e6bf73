"""Whether an exported module says what the networks say that it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt.out.formats import Run
from lt.out.networks import Networks
from lt.score import combine

# The same network in another runtime sums in another order. A temperature of 0.01 makes a hundred
# times as much of the last bits of its outputs.
LARGEST = 1e-3  # difference of probabilities; of scores, in parts of the largest
BATCH = 50


@dataclass
class Proof:
    """The comparison.

    Attributes:
        images: that were compared.
        difference: the largest of an image and class.
        answers: images with another answer; our own outputs for the two are then as close as twice
            the difference.
    """

    images: int = 0
    difference: float = 0.0
    answers: int = 0

    def add(self, ours: NDArray[Any], theirs: NDArray[Any]) -> None:
        """Compare outputs (N, C)."""
        self.images += len(ours)
        # a NaN is kept: it is no small difference
        self.difference = float(np.max([self.difference, *np.abs(ours - theirs).max(1)]))
        self.answers += int((ours.argmax(1) != theirs.argmax(1)).sum())


def compare(
    trained: Networks, run: Run, parts: Mapping[str, Iterable[NDArray[np.uint8]]]
) -> dict[str, Proof]:
    """Compare an exported module with the networks on batches of images, by part.

    Raises:
        ValueError: if they are not the same.
    """
    proofs = {}
    for part, batches in parts.items():
        proof, largest = Proof(), 1.0
        for images in batches:
            scores, _ = trained.scores(images)
            if trained.words.are_probabilities:
                scores = np.exp(combine.log_softmax(scores))
            largest = max(largest, float(np.abs(scores).max()))
            proof.add(scores, run(images))
        if not proof.difference <= LARGEST * largest:
            raise ValueError(
                f"the exported module is not the same on {proof.images} {part} images: largest "
                f"difference {proof.difference:.2g}, {proof.answers} answers differ; nothing was "
                "written"
            )
        proofs[part] = proof
    return proofs
