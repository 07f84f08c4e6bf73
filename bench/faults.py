"""Whatever happens to a run, does `dvc repro` end with the metrics that params and code ask for?

In a clone of the working tree, short trainings on the digits meet random faults: a kill, an edit, a
damaged file, a disk on which nothing can be written, and so on (FAULTS), each at a moment drawn
evenly from the time that a run takes. Then `dvc repro` is run until it has nothing to do, and all
metrics are compared byte for byte with those of an undisturbed run, in another clone, of the params
and the code that stand there at the end. Where DVC's cache was damaged and `dvc repro` says so
twice, the cache is cleaned as docs/damage.md says; a dvc.lock that is not whole is checked out, and
DVC's list of who is at work removed, if it was cut short.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from bench import kills, report, setting

EPOCHS, SECONDS = 20, 12.0  # of a training, and about those of a run
STAGES = ["resolve", "download", "prepare", "partition", "train", "finetune", "evaluate", "table"]
TRIES = 8  # of `dvc repro`
COMPARED = ["eval.json", "costs.json", "rules.csv", "per_class.csv", "confusion.csv", "curves.csv"]
COMPARED += ["table.md"]

LOCK = re.compile(r"'(?:\./)?((?:data/)?dvc\.lock)' (?:validation failed|is invalid)")
RWLOCK = "Unable to read RWLock-file"

# the states that a repository can be in: file, what stands there first, and instead of it
PARAMS = [
    ("params.yaml", "  lr: 0.1\n", "  lr: 0.05\n"),
    ("params.yaml", "model: baseline ", "model: ncm "),
]
CODE = [
    ("lt/train/schedules.py", "    return lr * gamma **", "    return lr * 0.5 * gamma **"),
    ("lt/score/metrics.py", "ECE_BINS = 15", "ECE_BINS = 5"),
]

Fault = Callable[[Path, random.Random, "subprocess.Popen[bytes]"], str]


def swap(repo: Path, change: tuple[str, str, str]) -> str:
    """Make one of the changes above, or take it back."""
    name, old, new = change
    text = (repo / name).read_text()
    old, new = (old, new) if old in text else (new, old)
    assert old in text
    (repo / name).write_text(text.replace(old, new, 1))
    return f"{name}: {new.strip()}"


def kill_stage(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    number = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    victims = _children(dvc.pid)
    for pid in victims:
        os.kill(pid, number)
    return f"{number.name} to {len(victims)} process"


def kill_dvc(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    number = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    dvc.send_signal(number)
    return number.name


def edit_params(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    return swap(repo, rng.choice(PARAMS))


def edit_code(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    return swap(repo, rng.choice(CODE))


def checkout(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    branch = rng.choice(["other", "start"])
    return _git(repo, "checkout", "-q", "-f", branch)


def commit(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    return _git(repo, "commit", "-q", "-a", "-m", "meanwhile")


def delete(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    path = _some_file(repo, rng, "models", "data/longtail", "data/raw", "resolved")
    path.unlink(missing_ok=True)
    return str(path.relative_to(repo))


def truncate(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    return _cut(repo, rng, "models", "data/longtail", "data/raw", "resolved")


def damage_cache(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    if rng.random() < 0.5:
        return _cut(repo, rng, ".dvc/cache/files")
    path = _some_file(repo, rng, ".dvc/cache/files")
    path.unlink(missing_ok=True)
    return f"{path.relative_to(repo)} deleted"


def full_disk(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    """Let no file of the run grow beyond some size: what is written fails, as on a full disk."""
    size = rng.choice([100, 10_000, 200_000])
    for pid in [dvc.pid, *_children(dvc.pid)]:
        try:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
        except ProcessLookupError:
            continue
    return f"files of at most {size} bytes"


def second_run(repo: Path, rng: random.Random, dvc: subprocess.Popen[bytes]) -> str:  # noqa: ARG001
    command = rng.choice([["dvc", "repro"], ["python", "-m", "stages.train"]])
    other = kills.start(repo, command, "second.log")
    code = _wait(other)
    return f"{' '.join(command)}: exit status {code}"


FAULTS: dict[str, Fault] = {
    "the stage is killed": kill_stage,
    "DVC is killed": kill_dvc,
    "a param is edited": edit_params,
    "a file of code is edited": edit_code,
    "git checkout of another branch": checkout,
    "git commit": commit,
    "a file of models/, data/, resolved/ is deleted": delete,
    "such a file is cut short": truncate,
    "a file of DVC's cache is deleted or cut": damage_cache,
    "the disk is full": full_disk,
    "two runs at once": second_run,
}


def _children(parent: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(parent).children()]
    except psutil.NoSuchProcess:  # it has just ended
        return []


def _some_file(repo: Path, rng: random.Random, *folders: str) -> Path:
    found = [path for name in folders for path in (repo / name).rglob("*") if path.is_file()]
    return rng.choice(sorted(found)) if found else repo / "none"


def _cut(repo: Path, rng: random.Random, *folders: str) -> str:
    path = _some_file(repo, rng, *folders)
    try:
        size = path.stat().st_size
        os.chmod(path, path.stat().st_mode | 0o200)
        os.truncate(path, rng.randrange(size + 1) if size else 0)
        if "cache" in path.parts:
            os.chmod(path, 0o444)
    except FileNotFoundError:  # DVC has just taken it away
        pass
    return f"{path.relative_to(repo)} cut short"


def _git(repo: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=repo, capture_output=True, text=True)
    return f"git {' '.join(arguments)}: exit status {done.returncode}"


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(7200)  # it may stand still while the machine is measured
    except subprocess.TimeoutExpired:
        process.kill()
        raise RuntimeError("a run hangs") from None


def clean_cache(repo: Path) -> int:
    """Do what docs/damage.md says; return how many files went."""
    bad = 0
    for path in (repo / ".dvc/cache/files/md5").glob("??/*"):
        name = f"{path.parent.name}{path.name.removesuffix('.dir')}"
        if hashlib.md5(path.read_bytes()).hexdigest() != name:
            path.unlink()
            bad += 1
    return bad


def settle(repo: Path) -> tuple[str, list[str], int]:
    """Run `dvc repro` until it has nothing to do; return how it ended, messages, files cleaned."""
    messages: list[str] = []
    cleaned = 0
    for _ in range(TRIES):
        code = _wait(kills.dvc_repro(repo))
        text = kills.log(repo).read_text()
        if _traceback(text):
            return "TRACEBACK", [*messages, text], cleaned
        if code == 0 and "Running stage" not in text:
            return "done", messages, cleaned
        if code:
            ours = [line for line in text.splitlines() if _is_message(line)]
            messages.append(ours[0] if ours else text.strip().splitlines()[-1])
            if len(messages) >= 2:
                cleaned += clean_cache(repo)
            lock = LOCK.search(text)
            if lock:  # DVC was stopped while it wrote it
                messages[-1] = f"{lock[0]}; {_git(repo, 'checkout', 'HEAD', '--', lock[1])}"
            if RWLOCK in text:  # the disk was full when DVC wrote it
                (repo / ".dvc/tmp/rwlock").unlink()
                messages[-1] = f"{RWLOCK}; removed"
    return "NO END", messages, cleaned


def _is_message(line: str) -> bool:
    """Check whether a line is what a stage says when it gives up."""
    name, _, rest = line.partition(": ")
    return name in STAGES and not rest.startswith(("warning", "expert", "no checkpoint"))


def _traceback(text: str) -> bool:
    """Check whether there is a traceback through our code; DVC has its own."""
    return "Traceback" in text and ("/lt/" in text or "/stages/" in text)


def metrics(repo: Path) -> dict[str, bytes]:
    """Read what is compared."""
    return {name: (repo / "metrics" / name).read_bytes() for name in COMPARED}


class Reference:
    """A clone in which nothing goes wrong."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.repo = kills.clone(folder, EPOCHS, "resnet20")
        self.known: dict[str, dict[str, bytes]] = {}

    def metrics(self, repo: Path) -> dict[str, bytes]:
        """Return the metrics of an undisturbed run of the params and code of `repo`."""
        names = sorted({name for name, *_ in (*PARAMS, *CODE)})
        texts = {name: (repo / name).read_text() for name in names}
        key = str(sorted(texts.items()))
        if key not in self.known:
            for name, text in texts.items():
                (self.repo / name).write_text(text)
            kills.finished(kills.dvc_repro(self.repo), self.repo)
            self.known[key] = metrics(self.repo)
        return self.known[key]


def prepare(folder: Path) -> Path:
    """Make the clone that meets the faults, with a second branch of other params."""
    folder.mkdir()
    repo = kills.clone(folder, EPOCHS, "resnet20")
    _git(repo, "branch", "-m", "start")
    kills.finished(kills.dvc_repro(repo), repo)
    _git(repo, "add", "-A")
    _git(repo, "commit", "-q", "-m", "results")
    _git(repo, "checkout", "-q", "-b", "other")
    swap(repo, PARAMS[0])
    kills.finished(kills.dvc_repro(repo), repo)
    _git(repo, "commit", "-q", "-a", "-m", "other")
    return repo


def event(repo: Path, kind: str, rng: random.Random, reference: Reference) -> dict[str, Any]:
    """Let a run meet a fault, and see what comes of it."""
    swap(repo, rng.choice(PARAMS + CODE))
    if rng.random() < 0.7:
        shutil.rmtree(repo / ".dvc/cache/runs", ignore_errors=True)  # so that something is trained
    after = rng.uniform(0, SECONDS)
    dvc, begin = kills.dvc_repro(repo), time.monotonic()
    while time.monotonic() - begin < after and dvc.poll() is None:
        time.sleep(0.01)
    try:
        what = FAULTS[kind](repo, rng, dvc)
    except ProcessLookupError:
        what = "too late"
    _wait(dvc)
    first = [line for line in kills.log(repo).read_text().splitlines() if _is_message(line)]
    traceback = _traceback(kills.log(repo).read_text())
    end, messages, cleaned = settle(repo)
    same = end == "done" and metrics(repo) == reference.metrics(repo)
    return {
        "fault": kind,
        "what": what,
        "after_s": after,
        "said": first,
        "traceback": traceback,
        "end": end,
        "later": messages,
        "cleaned": cleaned,
        "same": same,
    }


def run(small: bool) -> None:
    number, rng = (11 if small else 100), random.Random(0)
    kinds = [list(FAULTS)[k % len(FAULTS)] for k in range(number)]
    rng.shuffle(kinds)
    with tempfile.TemporaryDirectory() as name:
        repo, reference = prepare(Path(name) / "faults"), Reference(Path(name) / "reference")
        events = []
        for k, kind in enumerate(kinds):
            events.append(event(repo, kind, rng, reference))
            print(f"{k + 1}/{number} {events[-1]}", flush=True)
    rows = [_row(kind, [one for one in events if one["fault"] == kind]) for kind in FAULTS]
    same = sum(one["same"] for one in events)
    report.write(
        "faults",
        "A fault campaign",
        f"{same} of {number} runs that met a fault ended with the metrics of an undisturbed run, "
        f"byte for byte ({EPOCHS} epochs on the digits); tracebacks: "
        f"{sum(one['traceback'] for one in events)}.",
        [row for row in rows if row["events"]],
        setting.device(),
        events=events,
    )
    if same < number:
        raise SystemExit(f"faults: {number - same} of {number} ended differently")


def _row(kind: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "fault": kind,
        "events": len(events),
        "same metrics": sum(one["same"] for one in events),
        "with a message at once": sum(bool(one["said"]) for one in events),
        "with a message later": sum(bool(one["later"]) for one in events),
        "cache cleaned": sum(bool(one["cleaned"]) for one in events),
    }
