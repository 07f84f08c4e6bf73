"""params.yaml as frozen dataclasses.

The file is checked as a whole: `load` collects every problem (a key that is missing, unknown or
misspelt, a value of the wrong type or out of range) and raises once, with all of them.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

METHODS_DIR = Path(__file__).parent / "methods"
PROFILE = "profile"  # a value that the profile gives
FRESH = "fresh"  # the start of a method that starts from no other

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """An interval of allowed numbers; closed, unless a side is declared open."""

    low: float
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and abs(value) != float("inf")

    def __str__(self) -> str:
        if self.high == float("inf"):
            return f"{'above' if self.open_low else 'at least'} {self.low}"
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"in {left}{self.low}, {self.high}{right}"


Positive = Annotated[float, Range(0, open_low=True)]
NonNegative = Annotated[float, Range(0)]
Count = Annotated[int, Range(1)]
Seed = Annotated[int, Range(0, 2**32 - 1)]

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


class _Loader(yaml.SafeLoader):
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
    params = _section(Params, raw, "", problems)
    problems += _model_problems(raw)
    if problems or params is None:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))
    return params


def checked(hints: Mapping[str, Any], values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Checks a flat mapping against type hints; returns it with lists as tuples, ints as floats.

    Raises:
        ValueError: with every problem, a line each.
    """
    problems: list[str] = []
    result = _mapping(hints, values, prefix, problems)
    if problems:
        raise ValueError("\n".join(problems))
    return result


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
        given = profile.get(key, _MISMATCH) if isinstance(profile, dict) else _MISMATCH
        if key == "start":  # DVC reads it itself
            continue
        if isinstance(value, dict):
            problems += _fill_in(value, given, f"{prefix}{key}.", place)
        elif value == PROFILE and given is _MISMATCH:
            problems.append(f"{place}{prefix}{key}: missing; {prefix}{key} says {PROFILE}")
        elif value == PROFILE:
            values[key] = given
    return problems


def _section(cls: type[T], raw: object, prefix: str, problems: list[str]) -> T | None:
    """One dataclass from one mapping; None, and entries in `problems`, where that fails."""
    if not isinstance(raw, dict):
        problems.append(f"{prefix}: expected a section of key: value lines, got {raw!r}")
        return None
    before = len(problems)
    hints = get_type_hints(cls, include_extras=True)
    values = _mapping(hints, raw, prefix, problems)
    return cls(**values) if len(problems) == before else None


def _mapping(
    hints: Mapping[str, Any], raw: Mapping[str, Any], prefix: str, problems: list[str]
) -> dict[str, Any]:
    dot = f"{prefix}." if prefix else ""
    for key in raw:
        if key not in hints:
            allowed = ", ".join(hints) or "no params at all"
            problems.append(f"{dot}{key}: unknown key; allowed: {allowed}")
    result = {}
    for key, hint in hints.items():
        if key not in raw:
            problems.append(f"{dot}{key}: missing; expected {_describe(hint)}")
        elif is_dataclass(hint):
            result[key] = _section(hint, raw[key], f"{dot}{key}", problems)  # type: ignore[arg-type]
        else:
            result[key] = _value(hint, raw[key], f"{dot}{key}", problems)
    return result


def _value(hint: Any, value: Any, key: str, problems: list[str]) -> Any:
    """`value` as `hint` wants it, or an entry in `problems`."""
    converted = _convert(hint, value)
    if converted is _MISMATCH:
        problems.append(f"{key}: expected {_describe(hint)}, got {value!r}")
    return converted


_MISMATCH = object()


def _convert(hint: Any, value: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        number = _convert(args[0], value)
        return number if number is not _MISMATCH and number in args[1] else _MISMATCH
    if origin in (Union, types.UnionType):
        options = (_convert(option, value) for option in args)
        return next((option for option in options if option is not _MISMATCH), _MISMATCH)
    if origin is Literal:
        return value if value in args and not isinstance(value, bool) else _MISMATCH
    if origin is tuple:
        items = [_convert(args[0], item) for item in value] if isinstance(value, list) else []
        fits = isinstance(value, list) and _MISMATCH not in items
        return tuple(items) if fits else _MISMATCH
    if origin is dict:
        fits = isinstance(value, dict) and all(isinstance(v, dict) for v in value.values())
        return value if fits else _MISMATCH
    if hint is float and type(value) is int:
        return float(value)
    return value if type(value) is hint else _MISMATCH


def _describe(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{_describe(args[0])} {args[1]}"
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(option) for option in args)
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin is tuple:
        return f"a list, each {_describe(args[0])}"
    if origin is dict:
        return "a section with one {...} per method"
    if is_dataclass(hint):
        return "a section with " + ", ".join(field.name for field in fields(hint))
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}
    return names.get(hint, "null")


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
