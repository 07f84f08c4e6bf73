r"""Put networks of several cells into other groups, from what `paper.run --outputs` has kept.

    python -m paper.regroup kept b=cifar10-exp-0.01_ensemble_studytau1 \
        ht=cifar10-exp-0.01_soft_split_studylean2.5 --most 4

A letter before "=" stands for each network of the cell, in their order; a single one stands for all
of them. Every seed of a cell that is in the folder takes part. A row is a kind of group: how many
there are, and their mean accuracy in percent for each rule. That is looked up on the test set, so
that it chooses nothing. No network runs.

With --less "b b", only networks of one seed stand together. A row is then mean ± deviation over n
seeds, and what the kind has less the kind b b, paired by seed, with its 95 % interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from lt.data.views import ClassView, Ints
from lt.score import combine, store
from lt.score.blocks import Floats
from lt.score.stats import Stat
from paper import FOLDER, tables
from paper.cells import Cells
from paper.rescore import unpacked
from paper.tables import Row
from stages import Parser, main

RULES = ("concat", "group_offset", "prior_offset")


@dataclass(frozen=True)
class Network:
    """A network of a cell: its letter, seed, classes, and outputs (N, width) and (M, width)."""

    letter: str
    seed: int
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
        seeds = [int(path.stem.rpartition("_s")[2])] * len(views)
        networks = map(Network, names, seeds, views, outputs.val, outputs.test)
        found += [(one, images) for one in networks]
    return found


def table(networks: Sequence[Network], images: Images, most: int) -> list[Row]:
    """Make a row for each kind of group, of networks of any seeds."""
    return [
        {"networks": kind, "groups": len(each)}
        | {rule: f"{mean:.2f}" for rule, mean in zip(RULES, np.mean(each, 0), strict=True)}
        for kind, each in _by_kind(networks, images, most).items()
    ]


def table_by_seed(networks: Sequence[Network], images: Images, most: int, less: str) -> list[Row]:
    """Make a row for each kind of group, of networks of one seed, beside the kind `less`.

    Several groups of a kind are averaged for each seed.

    Raises:
        ValueError: if there is no such kind.
    """
    of_seeds = {
        seed: _by_kind([one for one in networks if one.seed == seed], images, most)
        for seed in sorted({one.seed for one in networks})
    }
    found = {
        kind: {seed: np.mean(known[kind], 0) for seed, known in of_seeds.items() if kind in known}
        for kind in dict.fromkeys(kind for known in of_seeds.values() for kind in known)
    }
    if less not in found:
        raise ValueError(f"--less: expected one of {', '.join(found)}, got {less}")

    def stat(kind: str, rule: int) -> Stat:
        return Stat({seed: float(mean[rule]) for seed, mean in found[kind].items()})

    rows: list[Row] = []
    for kind, by_seed in found.items():
        row: Row = {"networks": kind, "n": len(by_seed)}
        for k, rule in enumerate(RULES):
            difference = stat(kind, k) - stat(less, k)
            row |= {rule: stat(kind, k), f"{rule} less {less}": difference}
            row[f"{rule}, 95 % interval"] = difference.interval_text()
        rows.append(row)
    return rows


def _by_kind(
    networks: Sequence[Network], images: Images, most: int
) -> dict[str, list[list[float]]]:
    """Score every group of 1 to `most` networks that knows all classes, by its letters."""
    found = defaultdict(list)
    for size in range(1, most + 1):
        for group in combinations(networks, size):
            known = {label for one in group for label in one.view.classes}
            if len(known) == len(images.cut["counts"]):
                kind = " ".join(sorted(one.letter for one in group))
                found[kind].append(images.accuracies(group))
    return found


def run(arguments: Sequence[str]) -> None:
    """Print the table of all groups."""
    parser = Parser(prog="python -m paper.regroup", description=__doc__.split("\n")[0])
    parser.add_argument("kept", type=Path, help="folder of zip files, from paper.run --outputs")
    parser.add_argument("cells", nargs="+", metavar="LETTERS=CELL", help="CELL without its seed")
    parser.add_argument("--most", type=int, default=2, help="networks in a group (2)")
    parser.add_argument("--less", metavar="KIND", help="compare with it, paired by seed")
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
    networks = [one for one, _ in found]
    if given.less is not None:
        rows = table_by_seed(networks, first, given.most, given.less)
    else:
        rows = table(networks, first, given.most)
    print(tables.as_text(rows), end="")


if __name__ == "__main__":
    main(run, own_help=True)
