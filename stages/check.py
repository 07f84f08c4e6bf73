"""check: every problem of params.yaml, before anything runs or is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lt import files, params, registry
from stages import main

OUT = Path("data/checked.txt")


def run(overrides: Sequence[str]) -> None:
    """Writes always the same text, so that what follows is not run again because of it."""
    options = params.load(overrides)
    for name, values in options.methods.items():
        registry.checked(name, values)
    if options.methods[options.model]["start"] != params.FRESH:
        from lt import models  # starts torch: seconds, where a refusal could come after hours

        models.rehearse(options)
    with files.whole(OUT) as temporary:
        temporary.write_text("params.yaml is well-formed\n")


if __name__ == "__main__":
    main(run)
