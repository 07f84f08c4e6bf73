"""Score cells again, from what `paper.run --outputs` has kept, after a change of rules or metrics.

    python -m paper.rescore kept                    every cell of the grid with a zip file in kept/
    python -m paper.rescore kept --folder paper/small

No network runs. A zip file of outputs that are not those of its cell's params is refused.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lt import files
from lt.data import partition
from paper import FOLDER, score
from paper.cells import Cells, belongs
from stages import Parser, main


def rescored(cells: Cells, path: Path) -> dict[str, Any]:
    """Make the score file of the cell that a zip file is named after.

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
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as kept:
                kept.extractall(folder)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path}: damaged ({error})") from None
        made = score.score(Path(folder), partition.describe(facts, options.partition), options)
    found: dict[str, Any] = json.loads(json.dumps(made))  # as if read from a file
    if not belongs(found, options, facts):
        raise ValueError(f"{path}: its training had other params or images than {name} has")
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
    cells = Cells(given.folder)
    for path in paths:
        found = rescored(cells, path)
        files.write_json(cells.folder / "scores" / f"{path.stem}.json", found)
        print(path.stem, flush=True)


if __name__ == "__main__":
    main(run, own_help=True)
