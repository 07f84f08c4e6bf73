"""resolve: params.yaml to what each stage is to do; every problem is told before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lt import files, methods, params
from lt.train import start
from stages import main


def run(overrides: Sequence[str]) -> None:
    """Write resolved/*.json: for each stage what it needs, the profile's values filled in, no more.

    finetune.json is null for a method that starts fresh.
    """
    options = params.load(overrides, check_method=methods.problems)
    start.rehearse(options)
    first, *second = params.trainings(options)
    resolved: dict[str, Any] = {
        "data": options.data,
        "partition": options.partition,
        "train": first,
        "finetune": second[0] if second else None,
        "evaluate": options.evaluate,
    }
    for name, value in resolved.items():
        files.write_json(params.RESOLVED / f"{name}.json", value and asdict(value))


if __name__ == "__main__":
    main(run)
