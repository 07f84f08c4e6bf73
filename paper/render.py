"""render: tables, figures and RESULTS.md out of the score files that are there."""

from __future__ import annotations

from collections.abc import Sequence

from lt import files
from paper import figures, page, study, tables
from paper.cells import Cells
from stages import main

TABLES = {
    "datasets": tables.datasets,
    "table2": tables.table2,
    "main": tables.main_table,
    "long": tables.long_table,
    "time": tables.times,
    "examples": tables.examples,
    "answers": tables.answers,
    **study.STUDY,
}


def run(arguments: Sequence[str]) -> None:
    """Writes the folders tables and figures, and RESULTS.md, in the grid's folder."""
    if arguments:
        raise ValueError(f"expected no arguments, got {' '.join(arguments)}")
    cells = Cells()
    with files.whole(cells.folder / "tables") as folder:
        folder.mkdir()
        text = {name: tables.write(make(cells), folder, name) for name, make in TABLES.items()}
    with files.whole(cells.folder / "figures") as folder:
        folder.mkdir()
        figures.write(cells, folder)
    with files.whole(cells.folder / "RESULTS.md") as temporary:
        temporary.write_text(page.page(cells, text))


if __name__ == "__main__":
    main(run)
