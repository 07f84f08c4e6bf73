r"""Put networks of several cells into other groups, from what `paper.run --outputs` has kept.

    python -m paper.regroup kept b=cifar10-exp-0.01_ensemble_studytau1 \
        ht=cifar10-exp-0.01_soft_split_studylean2.5 --most 4

A letter before "=" stands for each network of the cell, in their order; a single one stands for all
of them. Every seed of a cell that is in the folder takes part. A row is a kind of group: how many
there are, and their mean accuracy in percent for each rule. That is looked up on the test set, so
that it chooses nothing. No network runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lt.data.views import ClassView, Ints
from lt.score import combine, store, tables
from lt.score.blocks import Floats
from paper import FOLDER
from paper.cells import Cells
from paper.rescore import unpacked
from stages import Parser, main

RULES = ("concat", "group_offset", "prior_offset")


@dataclass(frozen=True)
class Network:
    """A network of a cell: its letter, its classes, and its outputs (N, width) and (M, width)."""

    letter: str
    view: ClassView
    val: Floats
    test: Floats


@dataclass(frozen=True)
class Images:
    """What the outputs are of: the images' classes, (N,) and (M,), and the partition."""

    val_labels: Ints
    test_labels: Ints
    cut: dict[str, Any]

    def accuracies(self, group: Sequence[Network]) -> list[float]:
        """Return the accuracy of these networks together, by the rules."""
        views = [one.view for one in group]
        blocks = [one.val for one in group], [one.test for one in group]
        outputs = store.Outputs(blocks[1], self.test_labels, blocks[0], self.val_labels)
        known = combine.Validation.of(outputs, views, self.cut)
        answers = [combine.make(rule, known)(outputs.test, views).argmax(1) for rule in RULES]
        return [100 * float((one == self.test_labels).mean()) for one in answers]


def read(cells: Cells, kept: Path, given: str) -> list[tuple[Network, Images]]:
    """Return the networks that an argument LETTERS=CELL names, each with its images.

    Raises:
        ValueError: if nothing of that cell is kept, or it has another number of networks.
    """
    letters, _, cell = given.partition("=")
    paths = sorted(kept.glob(f"{cell}_s[0-9]*.zip"))
    if not letters or not cell or not paths:
        raise ValueError(f"{given}: expected LETTERS=CELL with {kept}/CELL_s*.zip, found no file")
    found = []
    for path in paths:
        with unpacked(cells, path) as training:
            outputs, views = store.load_outputs(training.folder), store.load_views(training.folder)
        if len(letters) not in (1, len(views)):
            raise ValueError(f"{given}: expected 1 or {len(views)} letters, for its networks")
        images = Images(outputs.val_labels, outputs.test_labels, training.cut)
        names = letters if len(letters) > 1 else letters * len(views)
        networks = map(Network, names, views, outputs.val, outputs.test)
        found += [(one, images) for one in networks]
    return found


def table(networks: Sequence[Network], images: Images, most: int) -> pd.DataFrame:
    """Score every group of 1 to `most` networks that knows all classes; a row for each kind."""
    of_kind: dict[str, list[list[float]]] = defaultdict(list)
    for size in range(1, most + 1):
        for group in combinations(networks, size):
            known = {label for one in group for label in one.view.classes}
            if len(known) < len(images.cut["counts"]):
                continue
            kind = " ".join(sorted(one.letter for one in group))
            of_kind[kind].append(images.accuracies(group))
    rows = [
        {"networks": kind, "groups": len(each)} | dict(zip(RULES, np.mean(each, 0), strict=True))
        for kind, each in of_kind.items()
    ]
    return pd.DataFrame(rows).round(2)


def run(arguments: Sequence[str]) -> None:
    """Print the table of all groups."""
    parser = Parser(prog="python -m paper.regroup", description=__doc__.split("\n")[0])
    parser.add_argument("kept", type=Path, help="folder of zip files, from paper.run --outputs")
    parser.add_argument("cells", nargs="+", metavar="LETTERS=CELL", help="CELL without its seed")
    parser.add_argument("--most", type=int, default=2, help="networks in a group (2)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the grid")
    given = parser.parse_args(arguments)
    if given.most < 1:
        raise ValueError(f"--most: expected a number of networks, at least 1, got {given.most}")
    cells = Cells(given.folder)
    found = [pair for one in given.cells for pair in read(cells, given.kept, one)]
    first = found[0][1]
    for _, other in found:
        if not np.array_equal(first.val_labels, other.val_labels) or first.cut != other.cut:
            raise ValueError("expected cells of one dataset, validation set and partition")
    print(tables.to_markdown(table([one for one, _ in found], first, given.most)), end="")


if __name__ == "__main__":
    main(run, own_help=True)
