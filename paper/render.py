"""render: tables, figures, RESULTS.md and TABLES.md out of the score files that are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import files
from paper import FOLDER, figures, own, page, published, study, tables
from paper.cells import Cells
from stages import Parser, main

TABLES = {
    "datasets": tables.datasets,
    "table2": tables.table2,
    "main": tables.main_table,
    "measures": tables.measures,
    "long": tables.long_table,
    "time": tables.times,
    "short_times": tables.short_times,
    "examples": tables.examples,
    "answers": tables.answers,
    **study.STUDY,
    "published": published.table,
    "every_cell": tables.every_cell,
}


def run(arguments: Sequence[str]) -> None:
    """Write the folders tables and figures, and the pages, in the grid's folder."""
    parser = Parser(prog="python -m paper.render", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the grid")
    cells = Cells(parser.parse_args(arguments).folder)
    drawn = figures.FIGURES if cells.size else figures.OF_ALL
    with files.whole(cells.folder / "tables") as folder:
        folder.mkdir()
        pages = _pages(cells, folder) if cells.size else own.pages(cells, folder)
    with files.whole(cells.folder / "figures") as folder:
        folder.mkdir()
        figures.write(cells, folder, drawn)
    for name, made in pages.items():
        with files.whole(cells.folder / name) as temporary:
            temporary.write_text(made)
    for name in page.PAGES.keys() - pages.keys():  # of the roles that the grid had before
        (cells.folder / name).unlink(missing_ok=True)
    print(f"{cells.folder / 'RESULTS.md'}: {len(cells.scored)} of {len(cells.entries)} cells")


def _pages(cells: Cells, folder: Path) -> dict[str, str]:
    """Write the study's tables into a folder; return its pages, by their file names."""
    rows = {name: make(cells) for name, make in TABLES.items()}
    text = {name: tables.write(one, folder, name) for name, one in rows.items()}
    return page.pages(cells, rows, text)


if __name__ == "__main__":
    main(run, own_help=True)
