"""resolve: params.yaml to what each stage is to do; every problem is told before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from lt import files, methods, params, params_file, resolved
from lt.train import start
from stages import CODE, edited, main, refuse_if_changed


def run(overrides: Sequence[str]) -> None:
    """Write resolved/*.json: `python -m stages.resolve [key=value ...]`, as in train.lr=0.05.

    Each file says what a stage needs, the profile's values filled in, no more.
    """
    options = params_file.load(overrides, check_method=methods.problems)
    start.rehearse(options)
    for warning in params.warnings(options):
        print(f"resolve: warning: {warning}", file=sys.stderr)
    made = resolved.make(options, CODE)
    _check(overrides, made)
    files.write_json(resolved.OVERRIDES, list(overrides))
    for name, value in made.items():
        files.write_json(resolved.path(name), value)
    _check(overrides, made)


def _check(overrides: Sequence[str], made: dict[str, Any]) -> None:
    """Raise `unchanged.Changed` if params.yaml or the code are not what they were."""
    found = edited()
    now = resolved.make(params_file.load(overrides), CODE)
    found += [one for name in made for one in resolved.differences(made[name], now[name])]
    refuse_if_changed(list(dict.fromkeys(found)))


if __name__ == "__main__":
    main(run)
