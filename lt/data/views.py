"""Which classes an expert sees, and under which numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

Others = Literal["drop", "rest", "silent"]


@dataclass(frozen=True)
class ClassView:
    """The classes that an expert tells apart, and what becomes of the others.

    classes: global ids, in the order of the expert's outputs ("silent": in any order).
    num_classes: C, the number of all classes.
    others: "drop": neither seen nor given an output. "rest": seen as one extra, last output (the
        seed, section 4.2). "silent": not seen, but with outputs that never get a label (the seed's
        own networks).
    """

    classes: tuple[int, ...]
    num_classes: int
    others: Others = "drop"

    def __post_init__(self) -> None:
        """Raise a ValueError if `others` is another word, or these are no classes of C."""
        if self.others not in get_args(Others):
            raise ValueError(f"others: expected drop, rest or silent, got {self.others!r}")
        found = set(self.classes)
        if len(found) < max(1, len(self.classes)) or not found <= set(range(self.num_classes)):
            raise ValueError(
                f"classes: expected different ids from 0 to {self.num_classes - 1}, "
                f"got {self.classes!s:.100}"
            )

    @classmethod
    def all(cls, num_classes: int) -> ClassView:
        """Return the view of a single network: every class is its own."""
        return cls(tuple(range(num_classes)), num_classes)

    @property
    def width(self) -> int:
        """The number of the expert's outputs."""
        if self.others == "silent":
            return self.num_classes
        return len(self.classes) + (self.others == "rest")

    @property
    def columns(self) -> Ints:
        """The output of each own class, (len(classes),)."""
        if self.others == "silent":
            return np.array(self.classes, dtype=np.int64)
        return np.arange(len(self.classes), dtype=np.int64)

    def targets(self, labels: Ints) -> Ints:
        """Turn global labels (N,) into the expert's targets (N,); -1 for images it does not see.

        Raises:
            ValueError: if a label is none of the classes.
        """
        labels = np.asarray(labels)
        for label in (labels.min(initial=0), labels.max(initial=0)):
            if not 0 <= label < self.num_classes:
                raise ValueError(
                    f"labels: expected class ids from 0 to {self.num_classes - 1}, got {label}"
                )
        unseen = len(self.classes) if self.others == "rest" else -1
        table = np.full(self.num_classes, unseen, dtype=np.int64)
        table[list(self.classes)] = self.columns
        return table[labels]
