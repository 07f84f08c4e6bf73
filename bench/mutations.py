"""Mutated params.yaml: is each refused in a message, or a run that means what it says?

Values of other types and ranges, keys removed, doubled, misspelt and moved, sections swapped, YAML
and bytes broken. `resolve` gets each; what it accepts is compared with a second description of what
is allowed (MEANS), which shares no code with the first.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import random
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from bench import report
from stages import resolve

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "params.yaml").read_text()
# split at spaces; "|" stands for a space
VALUES = r"""0 -1 1 2 0.5 1.0 1.5 -0.1 1e-400 1e400 .nan -.inf .inf 1e-50 1e35 99999999999999999999
0x1F 1_000 0o7 010 1:30 true no null ~ text "" "0.1" [] [1] [a] [[1]] {} {a:|1} {1:|2} {null:|1}
profile fresh baseline crt resnet32 2026-11-25 2026-99-99 !!binary|aGk= !!python/object:os.system
!!set|{a} &a|[*a] *b ? - @ ` % | > \\ 'x "x {a {a:|[1 : é 0.1.2 1e 1e+ +1 .5 5. 1e-3 1,000 1/3 50%
<<""".split()  # noqa: SIM905
LINE = re.compile(r"^( *)(\w+):(.*)$")


def with_value(rng: random.Random, lines: list[str]) -> None:
    k = _some(rng, lines, lambda line: ":" in line and not line.rstrip().endswith(":"))
    value = rng.choice(VALUES).replace("|", " ")
    if "{" in lines[k] and rng.random() < 0.8:  # one of several on a line
        parts = list(re.finditer(r": ([^,{}\[\]]+)(?=[,}])", lines[k])) or [None]
        one = rng.choice(parts)
        if one:
            lines[k] = lines[k][: one.start(1)] + value + lines[k][one.end(1) :]
            return
    lines[k] = lines[k].split(":")[0] + f": {value}"


def without_line(rng: random.Random, lines: list[str]) -> None:
    del lines[_some(rng, lines)]


def doubled(rng: random.Random, lines: list[str]) -> None:
    k = _some(rng, lines)
    lines.insert(_some(rng, lines), lines[k])


def misspelt(rng: random.Random, lines: list[str]) -> None:
    k = _some(rng, lines, lambda line: bool(LINE.match(line)))
    at = lines[k].index(lines[k].strip()[0])
    lines[k] = lines[k][:at] + rng.choice("xX_-1") + lines[k][at + rng.randrange(2) :]


def swapped(rng: random.Random, lines: list[str]) -> None:
    """Swap two keys, or with a section's key what is in it."""
    heads = [k for k, line in enumerate(lines) if LINE.match(line)]
    i, j = rng.sample(heads, 2)
    a, b = (LINE.match(lines[k]) for k in (i, j))
    assert a
    assert b
    lines[i], lines[j] = f"{a[1]}{b[2]}:{a[3]}", f"{b[1]}{a[2]}:{b[3]}"


def moved(rng: random.Random, lines: list[str]) -> None:
    k = _some(rng, lines)
    line = lines.pop(k)
    lines.insert(_some(rng, lines), line)


def indented(rng: random.Random, lines: list[str]) -> None:
    k = _some(rng, lines)
    lines[k] = rng.choice([" ", "  ", "\t", "- ", "# ", "? "]) + lines[k].lstrip(" ")


def cut(rng: random.Random, lines: list[str]) -> None:
    text = "\n".join(lines)
    lines[:] = text[: rng.randrange(len(text))].split("\n")


def character(rng: random.Random, lines: list[str]) -> None:
    k = _some(rng, lines)
    at = rng.randrange(len(lines[k]) + 1)
    lines[k] = lines[k][:at] + rng.choice("{}[]:,&*#?|-<>=!%@\\\"'`\x00\x07é\ufeff") + lines[k][at:]


def _some(
    rng: random.Random, lines: list[str], wanted: Callable[[str], bool] = lambda _line: True
) -> int:
    return rng.choice([k for k, line in enumerate(lines) if line.strip() and wanted(line)] or [0])


KINDS = [with_value] * 4 + [without_line, doubled, misspelt, swapped, moved, indented, cut]
KINDS += [character]


def mutants(number: int, seed: int) -> Iterator[tuple[str, str]]:
    """Give mutated texts of params.yaml, each with the kind of its mutation."""
    rng = random.Random(seed)
    for _ in range(number):
        kind, lines = rng.choice(KINDS), TEXT.splitlines()
        kind(rng, lines)
        yield kind.__name__, "\n".join(lines) + "\n"


def outcome(text: str) -> str:
    """Resolve a params.yaml; return "refused: " and the message, or "accepted".

    Anything but a message comes out as it is: it would be a traceback.
    """
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        Path("data").mkdir()
        for file in ("dvc.yaml", "data/dvc.yaml"):
            Path(file).symlink_to(ROOT / file)
        Path("params.yaml").write_text(text)
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # warnings
                resolve.run([])
        except ValueError as error:
            assert not os.path.exists("resolved"), "nothing is left of what is refused"
            return f"refused: {error}"
        files = {path.stem: json.loads(path.read_text()) for path in Path("resolved").iterdir()}
    wrong = [f"{key} = {value!r}" for key, value in _values(files) if not means(key, value)]
    return f"MEANINGLESS: {', '.join(wrong)}" if wrong else "accepted"


def _values(files: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("listing", "images", "data", "partition", "train", "finetune", "evaluate"):
        for key, value in (files[name]["what"] or {}).items():
            if key in ("code", "weights"):  # hashes
                continue
            inner = value.items() if isinstance(value, dict) else [("", value)]
            yield from ((f"{key}.{own}".rstrip("."), one) for own, one in inner)


def means(key: str, value: Any) -> bool:
    """Check a value against what docs/params.md says of its key."""
    kind, low, high = MEANS.get(key) or MEANS[key.split(".")[-1]]
    values = value if isinstance(value, list) else [value]
    if kind == "texts":
        return bool(value in low)
    if value is None:
        return key.split(".")[-1] in NULL
    if kind == "path":
        return isinstance(value, str)
    if kind == "bool":
        return isinstance(value, bool)
    number = int if kind == "int" else (int, float)
    return all(
        isinstance(one, number)
        and not isinstance(one, bool)
        and math.isfinite(one)
        and low <= one <= high
        for one in values
    )


ANY = 2**32 - 1
NULL = ("step_size", "clip_norm", "test", "root", "classes", "mean", "std", "pad")
METHODS = sorted(path.stem for path in (ROOT / "lt/methods").glob("[!_]*.py"))
RULES = ["concat", "sum", "concat_abssum", "concat_softmax", "concat_zscore", "temperature"]
RULES += ["affine", "group_offset", "prior_offset", "rest", "rest_pair", "max_confidence"]
RULES += ["unlabelled"]
BACKBONES = ["resnet18", "resnet18_cifar", "resnet20", "resnet32", "resnet50", "resnext50_32x4d"]
BACKBONES += ["mobilenet_v3_small", "convnext_tiny"]
INT = dict.fromkeys(
    ("num_groups", "thresholds", "epochs", "step_size", "milestones", "drw_epoch", "scale_epochs"),
    ("int", 1, ANY),
)
POSITIVE = dict.fromkeys(
    (
        "lr",
        "clip_norm",
        "scale",
        "largest_margin",
        "alpha",
        "kappa",
        "max_norm",
        "ratio",
        "first_lr",
    ),
    ("number", 1e-30, 1e30),
) | {"temperature": ("number", 1e-30, 1e30)}
FROM_0 = dict.fromkeys(
    (
        "weight_decay",
        "first_weight_decay",
        "gamma",
        "tau",
        "taus",
        "diversity",
        "weight",
        "mixup",
        "spread",
        "strength",
        "memory",
    ),
    ("number", 0, 1e30),
)
MEANS: dict[str, tuple[str, Any, Any]] = {
    **INT,
    **POSITIVE,
    **FROM_0,
    **dict.fromkeys(("val_fraction", "momentum", "beta"), ("number", 0, math.nextafter(1, 0))),
    **dict.fromkeys(("train", "test", "root", "classes"), ("path", 0, 0)),
    "test_fraction": ("number", 1e-30, math.nextafter(1, 0)),
    "size": ("int", 8, 1024),
    "pad": ("int", 0, 1024),
    "mean": ("number", 0, 1),
    "std": ("number", 1e-30, 1),
    "skip_corrupt": ("bool", 0, 0),
    "flip": ("bool", 0, 0),
    "seed": ("int", 0, ANY),
    "warmup": ("int", 0, ANY),
    "batch_size": ("int", 2, ANY),
    "num": ("int", 1, 100),
    "processes": ("int", 1, ANY),
    "train.spread": ("texts", ["images", "experts"], 0),
    "sync_batchnorm": ("bool", 0, 0),
    "imb_factor": ("number", 1e-30, 1),
    "width": ("number", 1e-30, 1),
    "deterministic": ("bool", 0, 0),
    "remix": ("bool", 0, 0),
    "redraw": ("bool", 0, 0),
    "model": ("texts", METHODS, 0),
    "start": ("texts", ["fresh", *METHODS], 0),
    "name": ("texts", ["digits", "cifar10", "cifar100", "images"], 0),
    "imb_type": ("texts", ["exp", "step", "none"], 0),
    "subset": ("texts", ["first_n", "ldam", "random"], 0),
    "criterion": ("texts", ["half", "mass", "ratio", "shots", "thresholds"], 0),
    "backbone": ("texts", BACKBONES, 0),
    "weights": ("texts", [None], 0),  # no file lies where mutants are resolved
    "freeze": ("texts", ["none", "backbone"], 0),
    "optimizer": ("texts", ["sgd", "adamw"], 0),
    "schedule": ("texts", ["step", "cosine"], 0),
    "augment": ("texts", ["crop", "resized_crop"], 0),
    "color_jitter": ("number", 0, 1),
    "nesterov": ("bool", 0, 0),
    "rotation": ("number", 0, 180),
    "auto_augment": ("texts", ["none", "cifar10", "imagenet", "trivial"], 0),
    "cutout": ("int", 0, 1024),
    "init": ("texts", ["fan_out", "fan_in"], 0),
    "precision": ("texts", ["auto", "fp32", "bf16"], 0),
    "epoch_length": ("texts", ["full", "match"], 0),
    "distance": ("texts", ["cosine", "euclidean"], 0),
    "thin": ("texts", ["mean", "min", "max", "ratio"], 0),
    "others": ("texts", ["silent", "drop"], 0),
    "batches": ("texts", ["own", "shared"], 0),
    "combine": ("texts", RULES, 0),
    "scales": ("texts", ["joint", "two_stage"], 0),
}


def run(small: bool) -> None:
    number = 20 if small else 200
    found = [(kind, outcome(text)) for kind, text in mutants(number, seed=0)]
    rows = [
        {
            "mutation": kind.replace("_", " "),
            "mutants": len(of_kind),
            "refused": sum(one.startswith("refused") for one in of_kind),
            "accepted": of_kind.count("accepted"),
            "meaningless": sum(one.startswith("MEANINGLESS") for one in of_kind),
        }
        for kind in dict.fromkeys(one.__name__ for one in KINDS)
        if (of_kind := [one for name, one in found if name == kind])
    ]
    wrong = [one for _, one in found if one.startswith("MEANINGLESS")]
    report.write(
        "mutations",
        "Mutated params.yaml",
        f"{number} mutants, seeded; no traceback; {len(wrong)} accepted with a value that means "
        "nothing.",
        rows,
        torch.device("cpu"),
        outcomes=[one for _, one in found],
    )
    if wrong:
        raise SystemExit("\n".join(wrong))
