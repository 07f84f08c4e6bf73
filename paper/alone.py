"""Train one network of split cells alone, as the cell trains it: same images, seed and batches.

    python -m paper.alone 1 cifar10-step-0.01_split_lws_clipnull_s0 cifar10-step-0.01_split_lws_s0

Networks are counted from 0, so that 1 is the tail network. Its cell trains the head network first:
an hour, where the tail network may take a minute. A row is a cell, with the epochs that went well,
and how the training ended. It writes no score.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lt import methods, params
from lt.score import tables
from paper import FOLDER, cell
from paper.cells import Cells
from stages import RAW, Parser, download, main


def train(options: params.Params, raw: cell.Dataset, number: int) -> dict[str, Any]:
    """Train network `number`, from 0, of a cell that starts fresh.

    Returns:
        epochs: how many ended with finite losses.
        largest_loss, last_loss: mean training losses of an epoch; None without any.
        val_accuracy: after the last of them, in percent.
        ended: "finished", or where the loss was not finite.

    Raises:
        ValueError: if the cell starts from another one, or has no such network.
    """
    import torch

    from lt.train import loop
    from lt.train.inputs import make_task, on_device
    from lt.train.together import ALONE

    one, *more = params.trainings(options)
    if more:
        raise ValueError(f"expected a cell that starts fresh; {more[-1].model} starts from another")
    torch.set_num_threads(1)  # as a worker does
    inputs = cell.make_inputs(options, raw)
    setting, _ = on_device(one, inputs, ALONE)
    experts = methods.experts(one.model, make_task(one.train, inputs, ()), one.method)
    if not 0 <= number < len(experts):
        raise ValueError(f"number: expected 0 to {len(experts) - 1} for {one.model}, got {number}")
    rows: list[dict[str, Any]] = []
    ended = "finished"
    try:
        loop.fit([loop.Job(experts[number], number, setting, rows.append)])
    except FloatingPointError as error:
        ended = str(error).split(";")[0]
    losses = [row["train_loss"] for row in rows] or [None]
    return {
        "epochs": len(rows),
        "largest_loss": max(losses),
        "last_loss": losses[-1],
        "val_accuracy": rows[-1]["val_accuracy"] if rows else None,
        "ended": ended,
    }


def run(arguments: Sequence[str]) -> None:
    """Print how the trainings ended."""
    parser = Parser(prog="python -m paper.alone", description=__doc__.split("\n")[0])
    parser.add_argument("number", type=int, help="of the network: 0 is the head's, 1 the tail's")
    parser.add_argument("cells", nargs="+", metavar="CELL", help="names, with their seeds")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the grid")
    given = parser.parse_args(arguments)
    cells = Cells(given.folder)
    unknown = [name for name in given.cells if name not in cells.entries]
    if unknown:
        raise ValueError(f"{given.folder} has no cell {', '.join(unknown)}")
    rows = []
    for name in given.cells:
        options = cells.options(name)
        if not (RAW / options.data.name).exists():
            download.run([options.data.name])
        raw = cell.read_dataset(RAW / options.data.name)
        rows.append({"cell": name} | train(options, raw, given.number))
    print(tables.to_markdown(pd.DataFrame(rows)), end="")


if __name__ == "__main__":
    main(run, own_help=True)
