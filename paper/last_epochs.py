"""How much the last epoch is a matter of luck: validation accuracies at the end of trainings."""

from __future__ import annotations

from paper import tables
from paper.cells import Cells
from paper.contests import FALLS, SEEDS, Candidate
from paper.ranking import at_both
from paper.tables import Row


def swings(cells: Cells) -> list[Row]:
    """Tell how much one epoch matters: the validation accuracy of each network at the end."""
    rows = []
    for dataset in cells.size["main"]:
        for model in tables.METHODS:
            networks = ("head", "tail") if model == "split_lws" else ("all classes",)
            for k, network in enumerate(networks):
                names = ("last epoch", "lowest before", "highest before")
                paths = {name: f"last_epochs.{k}.{name}" for name in names}
                row: Row = {"dataset": dataset, "method": model, "network": network}
                rows.append(row | cells.row(dataset, model, "", paths))
    return rows


def spans(cells: Cells) -> dict[str, list[float]]:
    """Return by how much a network's validation accuracy moves in the epochs before the last.

    Returns:
        points between the lowest and the highest, of each network: of "all classes", of the "head"
        and of the "tail" in the main table; at "the seed's" protocol and where "lr falls", of the
        methods that were run at both.
    """
    networks = ("all classes", "head", "tail", SEEDS, FALLS)
    found: dict[str, list[float]] = {network: [] for network in networks}
    for row in swings(cells):
        found[row["network"]] += list(
            (row["highest before"] - row["lowest before"]).by_seed.values()
        )
    for dataset, pair in at_both(cells):
        moves = [_moves(cells, dataset, one) for one in pair]
        for protocol, points in zip((SEEDS, FALLS), moves, strict=True):
            found[protocol] += points if all(moves) else []
    return found


def _moves(cells: Cells, dataset: str, one: Candidate) -> list[float]:
    moves: list[float] = []
    for k in range(2):
        low, high = (
            cells.stat(dataset, one.model, f"last_epochs.{k}.{end} before", one.variation)
            for end in ("lowest", "highest")
        )
        moves += (high - low).by_seed.values()
    return moves
