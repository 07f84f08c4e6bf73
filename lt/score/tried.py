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
MADE_FROM = f"metrics/{scored.MADE_FROM}"
LOCK, PARAMS = "dvc.lock", "params.yaml"
FINISHED = (None, "", "Success")  # what DVC says of the state of an experiment that is done


@dataclass(frozen=True)
class Known:
    """DVC's experiments.

    Attributes:
        shown: those whose metrics are of their params, as dvc.api.exp_show gives them: flat, with
            metrics, params and hashes by name; CODE is the hash of the code that trained and
            scored, None where that is not known. Commits that have experiments are among them.
        not_run: the workspace, as long as a stage is to run. Beside params that have not been run,
            DVC shows the metrics of those before.
        unfinished: how many of a queue are in which state. DVC shows the commit's metrics for them.
        others: how many are of other commits, and not shown.
        not_proved: how many are not shown since their dvc.lock does not say that their params were
            run.
    """

    shown: Sequence[Mapping[str, Any]]
    not_run: Sequence[Mapping[str, Any]]
    unfinished: Mapping[str, int]
    others: int
    not_proved: int


def experiments(all_commits: bool = False) -> Known:
    """Ask DVC.

    Args:
        all_commits: those of all commits, and not of the last one only. The last commit comes
            first, then the others, the newest first.

    Raises:
        ValueError: if DVC cannot read its queue or dvc.lock.
        DvcException: outside of a DVC repository.
        SCMError: outside of a git repository.
    """
    from dvc.utils.serialize import YAMLFileCorruptedError

    try:
        return _known(all_commits)
    except YAMLFileCorruptedError as error:
        raise ValueError(f"{error}; is a merge under way?") from None


def _known(all_commits: bool) -> Known:
    from dvc.repo import Repo

    with Repo() as repo:
        # the last commit by name: a killed DVC leaves a ref that it takes for HEAD
        recorded, head = repo.experiments.ls(all_commits=True), repo.scm.get_rev()
        others = recorded.keys() - {head}
        shown = sorted(others, key=lambda rev: -_time(repo, rev)) if all_commits else []
        every = _show([head, *shown])
        finished = [one for one in every if one["State"] in FINISHED]
        known = [one for one in finished if _params_were_run(repo, one["rev"])]
        for one in known:
            one[CODE] = _code(repo, one["rev"])
    not_run = [one for one in known if one["rev"] == WORKSPACE] if _to_run() else []
    return Known(
        shown=[one for one in known if one not in not_run],
        not_run=not_run,
        unfinished=Counter(one["State"].lower() for one in every if one["State"] not in FINISHED),
        others=0 if all_commits else sum(len(recorded[rev]) for rev in others),
        not_proved=len(finished) - len(known),
    )


def _time(repo: Any, revision: str) -> float:
    return float(repo.scm.resolve_commit(revision).commit_time)


def _show(commits: list[str]) -> list[dict[str, Any]]:
    from dvc.api import exp_show
    from dvc.exceptions import NotDvcRepoError

    for last in (False, True):
        try:
            return list(exp_show(revs=commits))
        except (FileNotFoundError, NotDvcRepoError) as error:
            if last:
                raise ValueError(
                    f"DVC cannot read its queue ({error}); if `dvc queue status` shows a task "
                    "Running and no worker active, `dvc queue kill NAME` ends it"
                ) from None
            time.sleep(1)  # a task that ends takes its files away
    raise AssertionError


def _params_were_run(repo: Any, revision: str) -> bool:
    """Check whether a revision's params are those that its dvc.lock says were run.

    A commit may hold params that were edited and not run, and so may `dvc exp save`. Of the
    workspace DVC knows more.
    """
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

    if revision == WORKSPACE:
        return True
    try:
        lock, given = (parse_yaml(_read(repo, revision, name), name) for name in (LOCK, PARAMS))
        stages = lock["stages"]
        run = stages["resolve"]["params"][PARAMS]
        if any(given.get(name) != value for name, value in run.items()):
            return False
        # of these params `resolve` may have run and the rest not
        made = {out["path"]: out["md5"] for one in stages.values() for out in one.get("outs", ())}
        used = [dep for one in stages.values() for dep in one.get("deps", ())]
        return all(made[dep["path"]] == dep["md5"] for dep in used if dep["path"] in made)
    except (OSError, YAMLFileCorruptedError, AttributeError, KeyError, TypeError):
        return False


def _code(repo: Any, revision: str) -> str | None:
    """Return the hash of the code that a revision's, or the workspace's, metrics are of."""
    try:
        found: str | None = json.loads(_read(repo, revision, MADE_FROM)).get("code")
    except (OSError, ValueError):
        return None
    return found


def _read(repo: Any, revision: str, path: str) -> str:
    if revision == WORKSPACE:
        return Path(path).read_text()
    folder = Path(repo.root_dir).relative_to(repo.scm.root_dir)  # DVC's may be one of git's
    with repo.scm.get_fs(revision).open((folder / path).as_posix()) as file:
        text: str = file.read()
    return text


def _to_run() -> bool:
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            found = repo.status(targets=["evaluate"], with_deps=True).values()
            return any(why != [ALWAYS] for why in found)
    except LockError:  # DVC is at work
        return True
