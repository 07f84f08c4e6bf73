"""train: a cell of the grid. A training that diverges is a result too: it leaves failed.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import device, files, params, provenance, registry, training
from paper import FAILED, load
from stages import Parser, main


def run(arguments: Sequence[str]) -> None:
    """Writes the folder --out as the pipeline's train does, without weights unless asked to."""
    parser = Parser(prog="python -m paper.train")
    for name in ("longtail", "partition", "start", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--weights", action="store_true", help="keep the networks")
    parser.add_argument("--id", required=True, help="of its params, as cells.json has it")
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args(arguments)
    options = load(given.overrides, "train", given.id)
    method = registry.checked(options.model, options.methods[options.model])
    fresh = method["start"] == params.FRESH
    places = training.Places(
        raw=Path("data/raw"),
        longtail=given.longtail,
        partition=given.partition,
        start=None if fresh else given.start,
        out=given.out,
        weights=given.weights,
    )
    if places.start and (places.start / FAILED).exists():
        message = files.read_json(places.start / FAILED)["message"]
        _save_failure(f"{places.start.name}, which it starts from: {message}", options, places)
        return
    try:
        training.run(options, places)
    except FloatingPointError as error:
        _save_failure(str(error), options, places)


def _save_failure(message: str, options: params.Params, places: training.Places) -> None:
    summary = files.read_json(places.longtail / "summary.json")
    chip = device.pick_device(options.train.deterministic)
    precision = device.pick_precision(options.train.precision, chip)
    about = training.about(options, summary, chip, precision) | provenance.revision()
    print(f"train: {message}; kept as the result of this cell", flush=True)
    with files.whole(places.out) as folder:
        folder.mkdir()
        files.write_json(folder / FAILED, {"message": message})
        files.write_json(folder / "run.json", about)


if __name__ == "__main__":
    main(run)
