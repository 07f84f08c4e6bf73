"""Score cells again, from what `paper.run --outputs` has kept, after a change of rules or metrics.

    python -m paper.rescore kept                    every cell of the grid with a zip file in kept/
    python -m paper.rescore kept --folder paper/small

No network runs. A file that is damaged or of another training than its cell's changes nothing, and
is named at the end.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lt import files, params, process
from lt.data import partition
from lt.score import store
from paper import FOLDER, score
from paper.cells import Cells, belongs
from stages import Parser, main

KEPT = ("experts.json", "history.csv", "outputs.npz", "run.json", "timing.json")


@dataclass(frozen=True)
class Unpacked:
    """The kept files of a cell's training in a folder, the partition, and the cell's params."""

    folder: Path
    cut: dict[str, Any]
    options: params.Params


@contextmanager
def unpacked(cells: Cells, path: Path) -> Iterator[Unpacked]:
    """Unpack a zip file that is named after a cell of the grid; the folder goes afterwards.

    Raises:
        ValueError: if it is no cell of the grid, or the file is damaged or of another training.
    """
    name = path.stem
    if name not in cells.entries:
        raise ValueError(f"{path}: expected the name of a cell of {cells.folder}, got {name}")
    facts, options = cells.datasets[cells.entries[name]["dataset"]], cells.options(name)
    if facts is None:
        raise ValueError(
            f"{path}: nothing is known of its dataset; `python -m paper.run` writes it"
        )
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        try:
            with zipfile.ZipFile(path) as kept:
                for one in KEPT:
                    (folder / one).write_bytes(kept.read(one))
            run = store.load_run(folder)
            hashes = {one: sha for one, sha in run["files"].items() if one in KEPT}
            files.check_manifest(folder, hashes, "run.json")
            told = json.loads(json.dumps(score.about(run, options)))
            if not belongs(told, options, facts):
                raise ValueError("of another method, other params or images than its cell has")
        except Exception as error:  # BadZipFile, zlib.error, KeyError, ...
            raise ValueError(f"{path}: damaged, or not this cell's ({error})") from None
        yield Unpacked(folder, partition.describe(facts, options.partition), options)


def rescored(cells: Cells, path: Path) -> dict[str, Any]:
    """Make the score file of the cell that a zip file is named after.

    Its provenance says which code trained (`git`) and which scored (`scored_by`).

    Raises:
        ValueError: as `unpacked`.
    """
    from lt import provenance  # which imports torch

    with unpacked(cells, path) as training:
        made = score.score(training.folder, training.cut, training.options)
    found: dict[str, Any] = json.loads(json.dumps(made))  # as if read from a file
    found["provenance"]["scored_by"] = provenance.revision()["git"]
    return found


def run(arguments: Sequence[str]) -> None:
    """Write the scores of all cells that have outputs in a folder."""
    parser = Parser(prog="python -m paper.rescore", description=__doc__.split("\n")[0])
    parser.add_argument("kept", type=Path, help="folder of zip files, from paper.run --outputs")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the grid")
    given = parser.parse_args(arguments)
    paths = sorted(given.kept.glob("*.zip"))
    if not paths:
        raise ValueError(f"{given.kept}: expected a folder with zip files of cells, found none")
    refused = []
    with process.lock(given.folder / ".run.lock"):
        cells = Cells(given.folder)
        for path in paths:
            try:
                found = rescored(cells, path)
            except ValueError as error:
                refused.append(str(error))
                continue
            files.write_json(cells.folder / "scores" / f"{path.stem}.json", found)
            print(path.stem, flush=True)
    if refused:
        raise ValueError("\n".join([f"{len(refused)} of {len(paths)} were refused:", *refused]))


if __name__ == "__main__":
    main(run, own_help=True)
