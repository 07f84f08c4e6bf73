"""Images per second of somebody else's training script, unchanged, beside ours.

    python -m bench.peer ../LDAM-DRW/cifar_train.py --backbone resnet32 -- --arch resnet32 -j 2

The script runs in its own folder with the arguments after `--`, in a process of its own. Where
there is no GPU, `.cuda()` leaves everything where it is: that is all that is changed. Time is taken
between its optimizer's steps, loading and augmentation included. Its process and ours take turns.
What the script imports must be installed; its data are the CIFAR files in `data/archives`, which it
finds as `./data`, if it looks there.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

ROOT = Path(__file__).parents[1]
WARM_UP, STEPS, ROUNDS = 3, 20, 3  # steps that do not count, steps that do, turns of each


def watch(script: str, arguments: list[str]) -> None:
    """Run a script until it has done enough steps, and print the seconds between them."""
    if not torch.cuda.is_available():
        torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
        torch.nn.Module.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
        torch.cuda.set_device = lambda *_: None  # type: ignore[assignment]
    times: list[float] = []

    def step(*_: Any) -> None:
        times.append(time.perf_counter())
        if len(times) == WARM_UP + STEPS:
            print(
                "\n"
                + json.dumps(
                    [b - a for a, b in zip(times[WARM_UP:-1], times[WARM_UP + 1 :], strict=True)]
                ),
                flush=True,
            )
            os._exit(0)  # it would train on for hours

    register_optimizer_step_post_hook(step)
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name="__main__")


def theirs(script: Path, arguments: list[str], batch: int) -> float:
    """Return a script's images per second."""
    command = [sys.executable, str(Path(__file__)), "--watch", script.name, *arguments]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{script}: {done.stderr.strip()[-2000:]}")
    return batch / statistics.median(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    from bench import report, setting, throughput

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("script", type=Path)
    parser.add_argument("--backbone", default="resnet32", help="ours that is the same")
    parser.add_argument("--batch", type=int, default=128, help="images of a batch of the script")
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, arguments = parser.parse_args(sys.argv[1:at]), sys.argv[at + 1 :]
    data = given.script.parent / "data"
    if not data.exists():
        data.symlink_to((ROOT / "data/archives").resolve())
    number = STEPS * 128
    loop = throughput.ours(setting.cifar10(number, given.backbone))
    next(loop)
    rates: dict[str, list[float]] = {"theirs": [], "ours": []}
    for _ in range(ROUNDS):
        rates["theirs"].append(theirs(given.script, arguments, given.batch))
        rates["ours"].append(number / report.seconds(loop.__next__))
        print({name: round(values[-1], 1) for name, values in rates.items()}, flush=True)
    own, other = (statistics.median(rates[name]) for name in ("ours", "theirs"))
    row = {
        "script": f"{given.script.parent.name}/{given.script.name}",
        "backbone": given.backbone,
        "ours (images/s)": own,
    }
    row |= {"theirs (images/s)": other, "ratio": own / other}
    report.write(
        f"peer_{given.script.parent.name}_{given.backbone}",
        f"Beside {given.script.parent.name}",
        f"images per second, median of {ROUNDS} turns of {STEPS} steps; its arguments: "
        f"{' '.join(arguments)}.",
        [row],
        setting.device(),
        command=f"python -m bench.peer .../{given.script.name}",
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watch"]:
        watch(sys.argv[2], sys.argv[3:])
    else:
        main()
