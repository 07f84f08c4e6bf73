"""What the combined networks say of images, a row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt.data.folders import composed
from lt.data.views import ClassView
from lt.score.said import group_of

Floats = NDArray[np.floating[Any]]

BEST = 5  # answers that are told of an image


@dataclass(frozen=True)
class Answer:
    """Of one image.

    Attributes:
        path: of its file.
        best: the best classes, BEST of them at most, with their probabilities.
        group: of the first of them, as partition.json counts them.
        experts: of each network its best own class and that output.
    """

    path: str
    best: list[tuple[str, float]]
    group: int
    experts: list[tuple[str, float]]


def shown(path: str) -> str:
    """Return a path as text: a name that is no UTF-8 can be neither printed nor written."""
    return path.encode(errors="backslashreplace").decode()


class Hits:
    """How often answers are right, where images lie in folders that are named after classes.

    Args:
        classes: the names of all classes.
        folders: by path, the names of the folders that an image lies in. The first that is a class
            counts.
    """

    def __init__(self, classes: Sequence[str], folders: Mapping[str, Sequence[str]]) -> None:
        self._label = {
            shown(path): label
            for path, names in folders.items()
            if (label := next((name for name in map(composed, names) if name in classes), None))
        }
        self._right: dict[str, list[bool]] = {}  # by class

    def count(self, answer: Answer) -> Answer:
        """Count an answer, and return it."""
        if label := self._label.get(answer.path):
            self._right.setdefault(label, []).append(answer.best[0][0] == label)
        return answer

    def tell(self) -> str:
        """Say how many are right, and the mean over classes; "" if no folder is named so."""
        if not self._right:
            return ""
        every = [one for of_class in self._right.values() for one in of_class]
        means = [sum(one) / len(one) for one in self._right.values()]
        return (
            f"{len(every)} images lie in folders named after classes: {sum(every)} answers are "
            f"right, {100 * sum(every) / len(every):.2f} %; the mean over {len(means)} classes is "
            f"{100 * sum(means) / len(means):.2f} %"
        )


@dataclass(frozen=True)
class Words:
    """What an answer is told in.

    Attributes:
        classes: the names of all classes.
        groups: the classes of each group.
        views: the classes of each expert.
        are_probabilities: whether softmax(scores) is a distribution (`metrics.has_distribution`).
    """

    classes: Sequence[str]
    groups: Sequence[Sequence[int]]
    views: Sequence[ClassView]
    are_probabilities: bool

    def header(self) -> list[str]:
        """Return the columns of `row`."""
        best = [f"{name}_{k + 1}" for k in range(self._best) for name in ("best", "p")]
        experts = [f"expert_{k}" for k in range(len(self.views))]
        return ["path", "answer", "probability", *best, "group", *experts]

    def row(self, answer: Answer) -> list[Any]:
        """Return an answer as a row of a CSV file; without a distribution, probabilities are ""."""
        p = [f"{p:.6f}" if self.are_probabilities else "" for _, p in answer.best]
        names = [name for name, _ in answer.best]
        best = [cell for pair in zip(names, p, strict=True) for cell in pair]
        experts = [name for name, _ in answer.experts]
        return [answer.path, names[0], p[0], *best, answer.group, *experts]

    def cells(self, answer: Answer) -> Mapping[str, Any]:
        """Return an answer as a row of a table for people."""
        (name, p), *_ = answer.best
        row = {"image": answer.path, "answer": name, "p": p if self.are_probabilities else None}
        told = [f"{name} ({output:.2f})" for name, output in answer.experts]
        return row | {f"expert {k}": text for k, text in enumerate(told)}

    def answers(
        self, paths: Sequence[str], probabilities: Floats, logits: Sequence[Floats]
    ) -> Iterator[Answer]:
        """Give the answers of images.

        Args:
            paths: of their files.
            probabilities: (N, C); what equals comes in the order of the classes.
            logits: of each expert (N, width).
        """
        groups = group_of(self.groups, len(self.classes)).tolist()
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : self._best].tolist()
        for i, (path, best) in enumerate(zip(paths, order, strict=True)):
            told = [(self.classes[label], float(probabilities[i, label])) for label in best]
            experts = [
                self._best_own(block[i, view.columns], view)
                for block, view in zip(logits, self.views, strict=True)
            ]
            yield Answer(shown(path), told, groups[best[0]], experts)

    @property
    def _best(self) -> int:
        return min(BEST, len(self.classes))

    def _best_own(self, outputs: Floats, view: ClassView) -> tuple[str, float]:
        best = int(outputs.argmax())
        return self.classes[view.classes[best]], float(outputs[best])
