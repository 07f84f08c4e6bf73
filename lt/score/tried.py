"""What DVC knows of the experiments of this clone."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lt.score import scored

WORKSPACE = "workspace"
ALWAYS = "always changed"  # what DVC says of a stage that runs every time
CODE = "code"
MADE_FROM = Path("metrics") / scored.MADE_FROM
FINISHED = (None, "", "Success")  # what DVC says of the state of an experiment that is done


@dataclass(frozen=True)
class Known:
    """DVC's experiments.

    Attributes:
        shown: those of the last commit whose metrics are of their params, as dvc.api.exp_show gives
            them: flat, with metrics, params and hashes by name; CODE is the hash of the code that
            trained and scored, None where that is not known.
        not_run: the workspace, as long as a stage is to run. Beside params that have not been run,
            DVC shows the metrics of those before.
        unfinished: how many of a queue are in which state. DVC shows the commit's metrics for them.
        others: how many are of other commits.
    """

    shown: Sequence[Mapping[str, Any]]
    not_run: Sequence[Mapping[str, Any]]
    unfinished: Mapping[str, int]
    others: int


def experiments() -> Known:
    """Ask DVC.

    Raises:
        ValueError: if DVC cannot read its queue.
        DvcException: outside of a DVC repository.
        SCMError: outside of a git repository.
    """
    from dvc.repo import Repo

    with Repo() as repo:
        recorded, head = repo.experiments.ls(all_commits=True), repo.scm.get_rev()
        every = _show(head)  # a killed DVC leaves a ref that it takes for HEAD
        known = [one for one in every if one["State"] in FINISHED]
        for one in known:
            one[CODE] = _code(repo, one["rev"])
    not_run = [one for one in known if one["rev"] == WORKSPACE] if _to_run() else []
    return Known(
        shown=[one for one in known if one not in not_run],
        not_run=not_run,
        unfinished=Counter(one["State"].lower() for one in every if one["State"] not in FINISHED),
        others=sum(len(found) for rev, found in recorded.items() if rev != head),
    )


def _show(head: str) -> list[dict[str, Any]]:
    from dvc.api import exp_show
    from dvc.exceptions import NotDvcRepoError

    for last in (False, True):
        try:
            return list(exp_show(revs=head))
        except (FileNotFoundError, NotDvcRepoError) as error:
            if last:
                raise ValueError(
                    f"DVC cannot read its queue ({error}); if `dvc queue status` shows a task "
                    "Running and no worker active, `dvc queue kill NAME` ends it"
                ) from None
            time.sleep(1)  # a task that ends takes its files away
    raise AssertionError


def _code(repo: Any, revision: str) -> str | None:
    """Return the hash of the code that a revision's, or the workspace's, metrics are of."""
    try:
        if revision == WORKSPACE:
            text = MADE_FROM.read_text()
        else:
            with repo.scm.get_fs(revision).open(MADE_FROM.as_posix()) as file:
                text = file.read()
        found: str | None = json.loads(text).get("code")
    except (OSError, ValueError):
        return None
    return found


def _to_run() -> bool:
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            found = repo.status(targets=["evaluate"], with_deps=True).values()
            return any(why != [ALWAYS] for why in found)
    except LockError:  # DVC is at work
        return True
