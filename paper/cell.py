"""What a worker does: cells of one chain of trainings, from params to scores.

A cell makes its own subset and its own groups. What starts from another cell's networks runs
right after it, so that no weights travel. Until all scores of a chain are written, what is finished
of it lies in the scratch folder: whoever takes over goes on from there, if the disk is the same.
"""

from __future__ import annotations

import io
import json
import shutil
import traceback
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lt import files, params, process, provenance, unchanged
from lt.data import longtail, partition
from paper import score

CODE = files.digest(unchanged.code(Path(__file__).parents[1], ("lt", "paper", "stages")))
LOCK = ".chain.lock"

Result = dict[str, Any]
Arrays = Mapping[str, NDArray[Any]]


class OtherCode(Exception):  # noqa: N818
    """What is raised on a worker whose code is not that of the run."""


@dataclass(frozen=True)
class Dataset:
    """A dataset as published: the arrays of `lt.data.datasets.Raw`, and the classes' names."""

    arrays: Arrays
    classes: list[str]


@dataclass(frozen=True)
class Cell:
    """A cell to be run: its name, its params, and whether its score is asked for."""

    name: str
    options: params.Params
    wanted: bool


def run_chain(
    cells: Sequence[Cell],
    raw: Dataset,
    keep_outputs: bool,
    code: str,
    deliver: Callable[[str, Result], None],
) -> tuple[dict[str, Result], list[str]]:
    """Run a cell that starts fresh, and then those that start from it.

    Args:
        cells: what to run, in this order.
        raw: their dataset.
        keep_outputs: whether a result holds what the networks say of every image, too.
        code: the CODE of who asks for it.
        deliver: called with each result as soon as it is there.

    Returns:
        for each cell, by name, {"score": ...}, with the bytes of a zip file as "outputs" if they
        are asked for, or {"error": a text}; and the folders of its networks, to be cleared.

    Raises:
        OtherCode: if `code` is not the CODE that this process began with.
    """
    if code != CODE:
        raise OtherCode
    import torch

    torch.set_num_threads(1)  # a worker per core: together they are faster than one that has all
    results: dict[str, Result] = {}
    folders: dict[str, Path] = {}
    with ExitStack() as stack:
        for cell in cells:
            try:
                folders[cell.name] = _folder(cell.options)
                if cell is cells[0]:
                    # a run that was stopped may be at work on it: what it makes is taken
                    stack.enter_context(process.patient_lock(folders[cell.name] / LOCK))
                results[cell.name] = _run(cell, raw, folders, results, cells[0].name, keep_outputs)
            except (ValueError, OSError) as error:
                results[cell.name] = {"error": str(error)}
            except Exception:  # a mistake of ours must not stop the other cells
                results[cell.name] = {"error": traceback.format_exc()}
            if cell.wanted:
                deliver(cell.name, results[cell.name])
    wanted = {cell.name: results[cell.name] for cell in cells if cell.wanted}
    return wanted, [str(folder.absolute()) for folder in folders.values()]


def clear(folders: Sequence[str]) -> None:
    """Remove the networks of a chain, unless another run is at work on it."""
    with suppress(process.Held), process.lock(Path(folders[0]) / LOCK):
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _run(
    cell: Cell,
    raw: Dataset,
    folders: Mapping[str, Path],
    results: Mapping[str, Result],
    first: str,
    keep_outputs: bool,
) -> Result:
    """Run one cell; a training that diverges is a result, too."""
    from lt.train import run as training
    from lt.train.device import pick_device, pick_precision

    before = results.get(first) if cell.name != first else None
    if before and "error" in before:
        raise ValueError(f"{first}, which it starts from, failed")
    options = cell.options
    (*earlier, one), inputs = params.trainings(options), make_inputs(options, raw)
    out = folders[cell.name] / "final"
    message = before and before["score"].get("failed")
    if message:
        message = f"{first}, which it starts from: {message}"
    elif not out.exists():
        try:
            start = folders[first] / "final" if before else None
            training.run(one, inputs, out, start, quiet=True)
        except FloatingPointError as error:
            message = str(error)
    if not message:
        result: Result = {"score": score.score(out, inputs.partition, options)}
        return result | ({"outputs": _zipped(out)} if keep_outputs else {})
    device = pick_device(options.train.deterministic)
    precision = pick_precision(options.train.precision, device)
    about = training.about(one, inputs, device, precision) | provenance.revision()
    for its_start in earlier:
        about["start"] = {"method": its_start.method, "code": provenance.code(its_start.code)}
    return {"score": {**score.about(about, options), "failed": message}}


def make_inputs(options: params.Params, raw: Dataset) -> Any:
    """Make the subset and the groups of a cell, as `lt.train.inputs.Inputs`."""
    from lt.train.inputs import Inputs

    subset, summary = make_subset(options.data, raw)
    cut = partition.describe(summary, options.partition)
    cut = json.loads(json.dumps(cut))  # as if read from a file
    return Inputs(raw.arrays, subset.train, subset.val, summary, cut)


def make_subset(options: params.Data, raw: Dataset) -> tuple[longtail.Subset, dict[str, Any]]:
    """Make a long-tailed subset, and the summary of it."""
    labels = np.asarray(raw.arrays["train_labels"])
    subset = longtail.make(labels, len(raw.classes), options)
    return subset, longtail.summarise(subset, raw.classes, options)


def _folder(options: params.Params) -> Path:
    """Return the folder where a cell is at work, named after its params and its code."""
    from lt.train import checkpoint

    chain = [asdict(one) for one in params.trainings(options)]
    values = [chain, asdict(options.data), asdict(options.partition), provenance.code()]
    return checkpoint.scratch() / "cells" / files.digest(values)[:16]


def _zipped(folder: Path) -> bytes:
    """Zip all that scoring reads, and no weights."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            if path.suffix != ".safetensors":
                archive.writestr(path.name, path.read_bytes())
    return buffer.getvalue()


def read_dataset(folder: Path) -> Dataset:
    """Read data/raw/<name> into memory."""
    from lt.data import datasets

    arrays = {name: np.array(array) for name, array in datasets.load_all(folder).items()}
    return Dataset(arrays, files.read_json(folder / "classes.json"))
