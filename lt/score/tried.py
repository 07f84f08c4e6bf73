"""What DVC knows of the experiments of this clone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WORKSPACE = "workspace"
ALWAYS = "always changed"  # what DVC says of a stage that runs every time
FINISHED = (None, "", "Success")  # what DVC says of the state of an experiment that is done


@dataclass(frozen=True)
class Known:
    """DVC's experiments.

    Attributes:
        shown: those of the last commit whose metrics are of their params, as dvc.api.exp_show gives
            them: flat, with metrics, params and hashes by name.
        not_run: the workspace, as long as a stage is to run. Beside params that have not been run,
            DVC shows the metrics of those before.
        unfinished: how many of a queue are in which state. DVC shows the commit's metrics for them.
        earlier: how many are of earlier commits.
    """

    shown: Sequence[Mapping[str, Any]]
    not_run: Sequence[Mapping[str, Any]]
    unfinished: Mapping[str, int]
    earlier: int


def experiments() -> Known:
    """Ask DVC.

    Raises:
        DvcException: outside of a DVC repository.
        SCMError: outside of a git repository.
    """
    from dvc.api import exp_show
    from dvc.repo import Repo

    with Repo() as repo:
        recorded, head = repo.experiments.ls(all_commits=True), repo.scm.get_rev()
    every = exp_show(revs=head)  # a killed DVC leaves a ref that it takes for HEAD
    known = [one for one in every if one["State"] in FINISHED]
    not_run = [one for one in known if one["rev"] == WORKSPACE] if _to_run() else []
    return Known(
        shown=[one for one in known if one not in not_run],
        not_run=not_run,
        unfinished=Counter(one["State"].lower() for one in every if one["State"] not in FINISHED),
        earlier=sum(len(found) for rev, found in recorded.items() if rev != head),
    )


def _to_run() -> bool:
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            found = repo.status(targets=["evaluate"], with_deps=True).values()
            return any(why != [ALWAYS] for why in found)
    except LockError:  # DVC is at work
        return True
