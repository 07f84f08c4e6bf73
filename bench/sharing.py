"""Several trainings on one device: images per second of all together against one alone.

Runs of several seeds take turns, as the experts of a split do. On a GPU, each has a stream of its
own.
"""

from __future__ import annotations

from bench import report, setting
from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.train import loop
from lt.train.plan import ClassView, Expert, Phase


def run(small: bool) -> None:
    device = setting.device()
    gpu = device.type == "cuda"
    number, epochs, counts = (20480, 10, (1, 2, 4, 8)) if gpu else (1280, 1, (1, 2))
    if small:
        number, epochs, counts = 512, 1, (1, 2)
    rows = []
    for backbone in ("resnet32", "resnet18"):
        wheres = [setting.cifar10(number, backbone, seed=seed) for seed in range(max(counts))]
        sampler = samplers.shuffled(128)
        phase = Phase(epochs, losses.cross_entropy, sampler, (surgery.everything,))
        expert = Expert(ClassView.all(10), (phase,), heads.linear)

        def together(count: int) -> float:
            jobs = [loop.Job(expert, 0, where, lambda _: None) for where in wheres[:count]]  # noqa: B023
            return report.seconds(lambda: loop.fit(jobs))

        took = report.race(
            {str(count): lambda count=count: together(count) for count in counts}, 1 if small else 2
        )
        for count in counts:
            rate = count * number * epochs / took[str(count)]
            alone = number * epochs / took["1"]
            rows.append(
                {"backbone": backbone, "runs": count, "images/s": rate, "ratio": rate / alone}
            )
    report.write(
        "sharing",
        "Several runs on one device",
        f"images per second of all runs together, each {epochs} epoch(s) of {number} images.",
        rows,
        device,
        precision=wheres[0].precision,
    )
