"""params.yaml as frozen dataclasses.

The file is checked as a whole: `load` collects every problem (a key that is missing, unknown or
misspelt, a value of the wrong type or out of range) and raises once, with all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from lt import schema
from lt.schema import Count, NonNegative, Positive, Range, Seed

METHODS_DIR = Path(__file__).parent / "methods"
PROFILE = "profile"  # a value that the profile gives
FRESH = "fresh"  # the start of a method that starts from no other

_ABSENT = object()


Rule = Literal[
    "concat",
    "sum",
    "concat_abssum",
    "concat_softmax",
    "concat_zscore",
    "temperature",
    "affine",
    "rest",
    "rest_pair",
    "max_confidence",
]


@dataclass(frozen=True)
class Data:
    """Which long-tailed dataset is made, and how."""

    name: Literal["digits", "cifar10", "cifar100"]
    imb_type: Literal["exp", "step", "none"]
    imb_factor: Annotated[float, Range(0, 1, open_low=True)]
    subset: Literal["first_n", "ldam", "random"]
    val_fraction: Annotated[float, Range(0, 1, open_high=True)]
    seed: Seed


@dataclass(frozen=True)
class Partition:
    """How the classes are cut into groups."""

    criterion: Literal["half", "mass", "shots", "ratio", "thresholds"]
    num_groups: Count
    thresholds: tuple[Count, ...]


@dataclass(frozen=True)
class Train:
    """The network and its optimisation."""

    backbone: Literal["resnet18", "resnet18_cifar", "resnet20", "resnet32"]
    epochs: Count
    batch_size: Annotated[int, Range(2)]
    lr: Positive
    momentum: Annotated[float, Range(0, 1, open_high=True)]
    weight_decay: NonNegative
    warmup: Annotated[int, Range(0)]
    step_size: Count | None
    milestones: tuple[Count, ...]
    gamma: Annotated[float, Range(0, 1, open_low=True)]
    clip_norm: Positive | None
    precision: Literal["auto", "fp32", "bf16"]
    deterministic: bool


@dataclass(frozen=True)
class Evaluate:
    """How the outputs of several experts become one prediction."""

    combine: Rule


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml.

    profiles: the values that stand for "profile", by the profile's name and the section's; in
        `data` and `train` they are filled in.
    methods: each method's own params.
    """

    model: str
    seed: Seed
    profile: str
    data: Data
    partition: Partition
    train: Train
    evaluate: Evaluate
    profiles: dict[str, dict[str, Any]]
    methods: dict[str, dict[str, Any]]


class _Loader(yaml.CSafeLoader):
    """YAML 1.1 reads 2e-4 and DVC's own 1e-05 as text; this reads them as numbers."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def method_names() -> list[str]:
    """The methods that exist: one file each in lt/methods."""
    return sorted(path.stem for path in METHODS_DIR.glob("[!_]*.py"))


def load(overrides: Sequence[str] = (), path: str | Path = "params.yaml") -> Params:
    """Reads and checks params.yaml.

    Args:
        overrides: "key=value" texts such as "train.lr=0.05"; the value is YAML.
        path: the file.

    Raises:
        ValueError: with every problem found, a line each: key, what is allowed, what was given.
    """
    raw = _read(Path(path))
    for text in overrides:
        _override(raw, text)
    problems = _fill_in_profile(raw)
    params = schema.section(Params, raw, "", problems)
    problems += _model_problems(raw)
    if problems or params is None:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))
    return params


def chain(methods: Mapping[str, Mapping[str, Any]], model: str) -> list[str]:
    """The methods that are trained for `model`, in order: those that it starts from, and itself."""
    names = [model]
    while methods[names[-1]]["start"] != FRESH:
        names.append(methods[names[-1]]["start"])
    return names[::-1]


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(), Loader=_Loader)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file in {Path.cwd()}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ValueError(f"{path}: expected key: value lines, got {type(raw).__name__}")
    return raw


def _override(raw: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"override {text!r}: expected key=value, such as train.lr=0.05")
    *sections, last = key.split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise ValueError(f"override {text!r}: {section} is not a section")
    try:
        raw[last] = yaml.load(value, Loader=_Loader)
    except yaml.YAMLError:
        raise ValueError(f"override {text!r}: the value is not valid YAML") from None


def _fill_in_profile(raw: dict[str, Any]) -> list[str]:
    """Puts the profile's values where it says "profile"; what the profile lacks, as problems."""
    profiles, name = raw.get("profiles"), raw.get("profile")
    if not isinstance(profiles, dict) or not isinstance(name, str) or name not in profiles:
        exist = ", ".join(profiles) if isinstance(profiles, dict) else "none"
        return [f"profile: no profile {name!r}; those of `profiles` that exist: {exist}"]
    # those whose stages depend on the profile (dvc.yaml, stages/dvc.yaml)
    sections: dict[str, Any] = {key: raw[key] for key in ("data", "train", "methods") if key in raw}
    return _fill_in(sections, profiles[name], "", f"profiles.{name}.")


def _fill_in(values: dict[str, Any], profile: Any, prefix: str, place: str) -> list[str]:
    problems = []
    for key, value in values.items():
        given = profile.get(key, _ABSENT) if isinstance(profile, dict) else _ABSENT
        if key == "start":  # DVC reads it itself
            continue
        if isinstance(value, dict):
            problems += _fill_in(value, given, f"{prefix}{key}.", place)
        elif value == PROFILE and given is _ABSENT:
            problems.append(f"{place}{prefix}{key}: missing; {prefix}{key} says {PROFILE}")
        elif value == PROFILE:
            values[key] = given
    return problems


def _model_problems(raw: Mapping[str, Any]) -> list[str]:
    exist = method_names()
    methods = raw.get("methods")
    listed = methods if isinstance(methods, dict) else {}
    problems = [
        f"methods.{name}: no such method; those that exist: {', '.join(exist)}"
        for name in listed
        if name not in exist
    ]
    model = raw.get("model")
    if "model" in raw and model not in exist:
        problems.append(f"model: no method {model!r}; those that exist: {', '.join(exist)}")
    elif "model" in raw and model not in listed:
        problems.append(f"methods.{model}: missing; expected the params of the method in use")
    else:
        problems += _start_problems(listed, model)
    return problems


def _start_problems(methods: Mapping[Any, Any], model: object) -> list[str]:
    """Of the chain of methods that `model` starts from; DVC would only say that it has a cycle."""
    chain = [model]
    while True:
        values = methods.get(chain[-1])
        start = values.get("start") if isinstance(values, dict) else None
        if start is None or start == FRESH:  # a missing one is the registry's to report
            return []
        if not isinstance(start, str):
            return [f"methods.{chain[-1]}.start: expected {FRESH} or a method, got {start!r}"]
        if start in chain:
            way = " -> ".join(map(str, [*chain, start]))
            return [f"methods.{chain[-1]}.start: expected {FRESH} or another method, got {way}"]
        if start not in methods:
            return [f"methods.{chain[-1]}.start: expected {FRESH} or a method, got {start!r}"]
        chain.append(start)
