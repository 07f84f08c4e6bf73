"""undo: params.yaml as in the last commit, and its outputs. No stage: `make undo`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from stages import main

PARAMS = Path("params.yaml")
RESULTS = ("dvc.lock", "metrics")  # which a run writes, and DVC stages
DOWNLOADED = "data/dvc.lock"
EXPERIMENT = "refs/exps/exec"  # DVC's own HEAD while an experiment runs
RWLOCK = Path(".dvc/tmp/rwlock")


def run(arguments: Sequence[str]) -> None:
    """Take back what `dvc exp run -S` has left, also where it was killed.

    It edits params.yaml, and may stage the edit and take outputs away before it is killed.
    """
    if arguments:
        raise ValueError(f"expected no arguments, got {' '.join(arguments)}")
    if _git("ls-files", "-u") or Path(_git("rev-parse", "--git-path", "MERGE_HEAD")).exists():
        raise ValueError(
            "git is in a merge, or has conflicts (`git status`): end that first "
            "(docs/running.md, Share results)"
        )
    _params()
    _head()
    _git("reset", "-q", "HEAD", "--", *RESULTS)  # else DVC refuses the next experiment
    _rwlock()
    except_these = [f":!{name}" for name in (*RESULTS, DOWNLOADED)]
    if others := _git("diff", "--name-only", "HEAD", "--", ".", *except_these):
        print(f"not as in the last commit, and left alone: {' '.join(others.splitlines())}")
    print(
        "outputs that dvc.lock names and that are not there come back from DVC's cache:", flush=True
    )
    _run([sys.executable, "-m", "dvc", "checkout", "--quiet", "--allow-missing"])
    print("  done; `dvc repro` goes on from here")


def _params() -> None:
    """Give params.yaml back as it was, and say what changes."""
    PARAMS.touch()  # git can miss an edit that was made within a tick of the clock
    print("params.yaml goes back to the last commit's; what it loses (-) and gets (+):")
    changes = _git("diff", "--no-color", "-R", "-U0", "HEAD", "--", str(PARAMS)).splitlines()
    lines = [line for line in changes if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    print("\n".join(lines) or "  nothing")
    _git("checkout", "-q", "HEAD", "--", str(PARAMS))


def _head() -> None:
    """Forget what a killed DVC takes for HEAD, and say where git is at no branch."""
    if not _git("branch", "--show-current"):
        print(
            "git is at no branch (a DVC that was killed late leaves it so): "
            "`git switch BRANCH` goes to yours"
        )
    left = _git("for-each-ref", "--format=%(refname)", EXPERIMENT).split()
    _git("worktree", "prune")
    if left and len(_git("worktree", "list").splitlines()) > 1:  # they share it
        print(
            f"{EXPERIMENT} is left alone: an experiment may run in another of `git worktree list`"
        )
        return
    for name in left:
        _git("update-ref", "-d", name)


def _rwlock() -> None:
    """Remove DVC's lock if it is cut short."""
    try:
        json.loads(RWLOCK.read_text())
    except FileNotFoundError:
        pass
    except ValueError:
        RWLOCK.unlink()
        print(f"removed {RWLOCK}, which a full disk has cut short")


def _git(*arguments: str) -> str:
    """Return what git prints, without the last line break."""
    return _run(["git", *arguments], stdout=subprocess.PIPE).rstrip("\n")


def _run(command: Sequence[str], stdout: int | None = None) -> str:
    """Run a command; its own message stands above ours if it fails."""
    done = subprocess.run(command, stdout=stdout, text=True)
    if done.returncode:
        raise ValueError(f"`{' '.join(command)}` failed with exit status {done.returncode}")
    return done.stdout or ""


if __name__ == "__main__":
    main(run)
