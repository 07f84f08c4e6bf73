"""Kill the training or DVC at random moments: does every run end as if undisturbed?

In a clone of the working tree, three methods are each run once undisturbed: one network, two
networks, a second stage. Then, over and over, results and DVC's memory of them are
thrown away, `dvc repro` is started, and at a moment drawn evenly from the time that the train
stage takes, either its process or DVC's gets a SIGKILL. `dvc repro` is started again, and
metrics/eval.json compared byte for byte with that of the undisturbed run.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import yaml

from bench import report, setting

ROOT = Path(__file__).parents[1]
METHODS = ["baseline", "split_lws", "lws"]
GOES_ON = re.compile(r"train: (expert \d+ goes on after phase \d+, epoch \d+)")


def clone(folder: Path, epochs: int, backbone: str) -> Path:
    """Copy the working tree into a repository of its own in `folder`, with a short training."""
    repo = folder / "repo"
    listed = ["git", "ls-files", "-co", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file():
            (repo / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repo / name)
    for name in ("dvc.lock", "paper/dvc.lock"):
        (repo / name).unlink(missing_ok=True)
    params = (
        (repo / "params.yaml").read_text().replace("  epochs: profile", f"  epochs: {epochs}", 1)
    )
    params = params.replace("backbone: profile", f"backbone: {backbone}", 1)
    (repo / "params.yaml").write_text(params)
    for command in (
        "init -q",
        "config user.name bench",
        "config user.email bench@example.org",
        "add -A",
        "commit -q -m start",
    ):
        subprocess.run(["git", *command.split()], cwd=repo, check=True)
    return repo


def dvc_repro(repo: Path) -> subprocess.Popen[bytes]:
    """Start `dvc repro`."""
    return start(repo, ["dvc", "repro"])


def start(repo: Path, command: list[str], output: str = "repro.log") -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, with its output in a file.

    A signal to that session reaches nobody else. A pipe would be open for as long as the training
    lives, also after DVC was killed. The shell is the plainest, which differs from others in who is
    whose parent.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (repo.parent / output).open("w") as file:
        return subprocess.Popen(
            command,
            cwd=repo,
            env={**os.environ, "PATH": path, "SHELL": "/bin/sh"},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def log(repo: Path) -> Path:
    """Return the path of what the last `dvc repro` printed."""
    return repo.parent / "repro.log"


def training(dvc: subprocess.Popen[bytes]) -> int:
    """Wait for the process in which `dvc repro` trains, and return its id."""
    while dvc.poll() is None:
        with suppress(psutil.NoSuchProcess):  # it has just ended
            for child in psutil.Process(dvc.pid).children():
                if "stages.train" in child.cmdline():
                    return child.pid
        time.sleep(0.05)  # a look at every process costs more than a wait
    raise RuntimeError("dvc repro ended without training")


def finished(dvc: subprocess.Popen[bytes], repo: Path) -> str:
    """Wait for the end of `dvc repro`, and return what it printed."""
    if dvc.wait():
        raise RuntimeError(log(repo).read_text())
    return log(repo).read_text()


def undisturbed(repo: Path) -> tuple[bytes, float]:
    """Run without a kill; return the metrics, and the seconds that the train stage takes."""
    dvc = dvc_repro(repo)
    pid, start = training(dvc), time.monotonic()
    while psutil.pid_exists(pid):
        time.sleep(0.01)
    seconds = time.monotonic() - start
    finished(dvc, repo)
    return (repo / "metrics/eval.json").read_bytes(), seconds


def forget(repo: Path) -> None:
    """Make DVC forget that it has trained, and remove what came of it."""
    lock = yaml.safe_load((repo / "dvc.lock").read_text())
    for stage in ("train", "finetune", "evaluate", "table"):
        del lock["stages"][stage]
    (repo / "dvc.lock").write_text(yaml.safe_dump(lock))
    for name in ("models/trained", "models/final", ".dvc/cache/runs"):
        shutil.rmtree(repo / name, ignore_errors=True)
    (repo / "metrics/eval.json").unlink()


def kill(repo: Path, victim: str, after: float) -> list[str] | None:
    """Kill a run and start it again; return where its experts went on.

    None means that the kill came too late.
    """
    forget(repo)
    dvc = dvc_repro(repo)
    pid = training(dvc)
    time.sleep(after)
    if not psutil.pid_exists(pid):
        finished(dvc, repo)
        return None
    os.kill(pid if victim == "stage" else dvc.pid, signal.SIGKILL)
    dvc.wait()
    return GOES_ON.findall(finished(dvc_repro(repo), repo))


def run(small: bool) -> None:
    kills, epochs = (3, 10) if small else (20, 40)
    rng, rows = random.Random(0), []
    with tempfile.TemporaryDirectory() as name:
        repo = clone(Path(name), epochs, "resnet32")
        params = (repo / "params.yaml").read_text()
        known: dict[str, tuple[bytes, float]] = {}
        while len(rows) < kills:
            method = METHODS[len(rows) % len(METHODS)]
            (repo / "params.yaml").write_text(params.replace("model: baseline", f"model: {method}"))
            if method not in known:
                known[method] = undisturbed(repo)
            metrics, seconds = known[method]
            victim, after = rng.choice(["stage", "dvc"]), rng.uniform(0, seconds)
            went_on = kill(repo, victim, after)
            if went_on is None:
                continue
            same = (repo / "metrics/eval.json").read_bytes() == metrics
            rows.append(
                {
                    "method": method,
                    "killed": victim,
                    "after (s)": after,
                    "of (s)": seconds,
                    "went on": "; ".join(went_on) or "from the beginning",
                    "same metrics": "yes" if same else "NO",
                }
            )
            print(rows[-1], flush=True)
    same = sum(row["same metrics"] == "yes" for row in rows)
    report.write(
        "kills",
        "Killed runs",
        f"{same} of {kills} ended with the metrics of the undisturbed run, byte for byte "
        f"({epochs} epochs on the digits).",
        rows,
        setting.device(),
    )
    if same < kills:
        raise SystemExit(f"kills: {kills - same} of {kills} ended differently")
