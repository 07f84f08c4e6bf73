"""What determinism costs: epochs with deterministic kernels and with the fastest ones."""

from __future__ import annotations

from bench import report, setting, throughput
from lt.train.device import pick_device


def run(small: bool) -> None:
    device = setting.device()
    number, rounds = (20480, 5) if device.type == "cuda" else (2560, 4)
    if small:
        number, rounds = 512, 1
    rows = []
    for name in throughput.BACKBONES:
        where = setting.cifar10(number, name)
        loops = {flag: throughput.ours(where) for flag in (True, False)}

        def epoch(flag: bool) -> float:
            pick_device(flag)
            return report.seconds(loops[flag].__next__)  # noqa: B023

        took = report.race({str(flag): lambda flag=flag: epoch(flag) for flag in loops}, rounds)
        pick_device(True)
        rates = {
            "deterministic (images/s)": number / took["True"],
            "not (images/s)": number / took["False"],
        }
        rows.append({"backbone": name, **rates, "cost": took["True"] / took["False"]})
    report.write(
        "determinism",
        "The cost of determinism",
        f"train.deterministic true against false; median of {rounds} epochs of {number} images.",
        rows,
        device,
        precision=where.precision,
    )
