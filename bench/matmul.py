"""How much of the device the train loop uses: its rate against that of a large matrix product.

Torch counts the multiplications and additions of a step while it runs. The matrix product is
measured in the same process and precision. What bf16 gains over fp32 stands beside it.
"""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import report, setting, throughput
from lt.train import step


def matmul_rate(size: int, precision: str, device: torch.device) -> float:
    """Return the operations per second of a square matrix product, the best of 20."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def product() -> None:
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()

    product()
    return 2 * size**3 / min(report.seconds(product) for _ in range(20))


def operations(where: step.Setting) -> int:
    """Count the operations of an image's step, forward and backward.

    Those of convolutions and matrix products count.
    """
    few = setting.cifar10(128, where.options.backbone)
    with FlopCounterMode(display=False) as counter:
        next(throughput.ours(few))
    return counter.get_total_flops() // 128


def run(small: bool) -> None:
    device = setting.device()
    gpu = device.type == "cuda"
    number, rounds = (20480, 5) if gpu else (2560, 4)
    if small:
        number, rounds = 512, 1
    size = 8192 if gpu else 2048
    rates = {name: matmul_rate(size, name, device) for name in ("fp32", "bf16")}
    rows = []
    for name in throughput.BACKBONES:
        wheres = {p: setting.cifar10(number, name, precision=p) for p in ("fp32", "bf16")}
        loops = {p: throughput.ours(where) for p, where in wheres.items()}
        took = report.race(
            {p: lambda loop=loop: report.seconds(loop.__next__) for p, loop in loops.items()},
            rounds,
        )
        flops = operations(wheres["fp32"])
        for precision, value in took.items():
            rate = number / value
            rows.append(
                {
                    "backbone": name,
                    "precision": precision,
                    "images/s": rate,
                    "Gflop/image": flops / 1e9,
                    "share of matmul (%)": 100 * rate * flops / rates[precision],
                    "over fp32": took["fp32"] / value,
                }
            )
    measured = ", ".join(f"{rate / 1e12:.3f} Tflop/s in {name}" for name, rate in rates.items())
    report.write(
        "matmul",
        "Share of the device's matrix-product rate",
        f"a product of {size} × {size} matrices runs at {measured}. (Above 100 %: convolutions and "
        "products are different libraries.)",
        rows,
        device,
        matmul=rates,
    )
