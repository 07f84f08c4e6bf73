"""Time to a trained dataset 1 (CIFAR-10 exp 0.1) with the profile seed, end to end.

The stages run one after the other, without DVC: resnet18 with the ImageNet stem, batch 128, no
validation images, own batches for the split, no clipping. The seed took 1164 s for the baseline on
an RTX 3060 Ti, and 1.61 times as long for its split.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from bench import report, setting
from bench.stage import stage, timing, workplace


def run(small: bool) -> None:
    device = setting.device()
    epochs = 100 if device.type == "cuda" else 1
    factor = 0.01 if small else 0.1
    data = ["data.name=cifar10", "data.val_fraction=0", f"data.imb_factor={factor}"]
    train = ["profile=seed", f"train.epochs={epochs}"]
    methods = {
        "baseline": train,
        "split_lws": [
            *train,
            "methods.split_lws.batches=own",
        ],
    }
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = workplace(Path(name))
        stage(folder, "download", "cifar10")
        for method, overrides in methods.items():
            stage(folder, "resolve", *data, *overrides, f"model={method}")
            for name in ("prepare", "partition"):
                stage(folder, name)
            end_to_end = stage(folder, "train")
            for name in ("finetune", "evaluate"):
                stage(folder, name)
            scores = json.loads((folder / "metrics/eval.json").read_text())
            parts = timing(folder)
            rows.append(
                {
                    "method": method,
                    "epochs": epochs,
                    "train stage (s)": end_to_end,
                    "training (s)": parts["train_s"],
                    "test pass (s)": parts["test_s"],
                    "accuracy (%)": scores["accuracy"],
                    "within_group (%)": scores["within_group"]["accuracy"],
                }
            )
            print(rows[-1], flush=True)
    base, split = rows
    report.write(
        "dataset1",
        f"Training on CIFAR-10 exp {factor}",
        f"{epochs} epoch(s) with the profile seed, own batches, no validation images; split / "
        "baseline: "
        f"{split['training (s)'] / base['training (s)']:.2f} in training, "
        f"{split['test pass (s)'] / base['test pass (s)']:.2f} in the test pass.",
        rows,
        device,
    )
