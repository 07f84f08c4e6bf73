"""code: one file with the hashes of the files that a stage of paper/dvc.yaml lists."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import yaml

from lt import files
from stages import main

STAGES = Path("paper/dvc.yaml")


def run(arguments: Sequence[str]) -> None:
    """Writes OUT of the deps of STAGE: `python -m paper.code STAGE OUT`."""
    if len(arguments) != 2:
        raise ValueError(f"expected a stage and a file, got {' '.join(arguments) or 'nothing'}")
    stage, out = arguments
    deps = yaml.safe_load(STAGES.read_text())["stages"][stage]["deps"]
    lines = [f"{hashlib.sha256(Path(dep).read_bytes()).hexdigest()}  {dep}\n" for dep in deps]
    with files.whole(out) as temporary:
        temporary.write_text("".join(lines))


if __name__ == "__main__":
    main(run)
