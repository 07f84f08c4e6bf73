"""What DVC knows of the experiments of this clone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WORKSPACE = "workspace"
ALWAYS = "always changed"  # what DVC says of a stage that runs every time
Experiments = Sequence[Mapping[str, Any]]


def experiments() -> tuple[Experiments, Experiments]:
    """Return DVC's experiments: those whose metrics are of their params, and what was left out.

    That is the workspace, as long as a stage is to run: beside params that have not been run, DVC
    shows the metrics of those before.

    Raises:
        DvcException: outside of a DVC repository.
        SCMError: outside of a git repository.
    """
    from dvc.api import exp_show

    known: Experiments = exp_show()
    left_out = [one for one in known if one["rev"] == WORKSPACE] if _to_run() else []
    return [one for one in known if one not in left_out], left_out


def _to_run() -> bool:
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            found = repo.status(targets=["evaluate"], with_deps=True).values()
            return any(why != [ALWAYS] for why in found)
    except LockError:  # DVC is at work
        return True
