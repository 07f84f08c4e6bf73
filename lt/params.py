"""params.yaml, checked by pydantic, and what `resolve` makes of it for each stage.

The file is checked as a whole: `load` collects every problem (a key that is missing, unknown or
misspelt, a value of the wrong type or out of range) and raises once, with all of them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from lt import files
from lt.validate import ABSENT, check

T = TypeVar("T")

METHODS_DIR = Path(__file__).parent / "methods"
LARGEST_INT = 2**32 - 1  # of a seed
MAGNITUDES = 1e-30, 1e30
PROFILE = "profile"  # a value that the profile gives
AUTO = "auto"  # of data.imb_type: what suits the dataset
FRESH = "fresh"  # the start of a method that starts from no other
CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100}  # how many there are

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Factor = Annotated[float, Field(gt=0, le=1)]
Part = Annotated[float, Field(gt=0, lt=1)]
Unit = Annotated[float, Field(ge=0, le=1)]
Three = Field(min_length=3, max_length=3)  # one for each colour
Pixels = Annotated[int, Field(ge=8, le=1024)]
Several = Annotated[int, Field(ge=2)]
Networks = Annotated[int, Field(ge=1, le=100)]
Branches = Annotated[int, Field(ge=2, le=100)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]

BACKBONES = ["resnet18", "resnet18_cifar", "resnet20", "resnet32", "resnet50", "resnext50_32x4d"]
BACKBONES += ["mobilenet_v3_small", "convnext_tiny"]
Backbone = Annotated[
    str,
    Field(
        pattern=rf"^({'|'.join(BACKBONES)}|timm:[\w./-]+)$",
        description=f"one of {', '.join(BACKBONES)}, or timm:<a name of timm's>",
    ),
]
Weights = Annotated[
    str,
    Field(pattern=r"\.(safetensors|pth|pt)$", description="a file .safetensors, .pth or .pt"),
]

Rule = Literal[
    "concat",
    "sum",
    "concat_abssum",
    "concat_softmax",
    "concat_zscore",
    "temperature",
    "affine",
    "group_offset",
    "prior_offset",
    "rest",
    "rest_pair",
    "max_confidence",
    "unlabelled",
]


@dataclass(frozen=True, config=STRICT)
class Data:
    """Which long-tailed dataset is made, and how."""

    name: Literal["digits", "cifar10", "cifar100", "images"]
    imb_type: Literal["exp", "step", "none"]
    imb_factor: Factor
    subset: Literal["first_n", "ldam", "random"]
    val_fraction: Fraction
    seed: Seed


@dataclass(frozen=True, config=STRICT)
class Images:
    """Images of one's own: where they are, and in which form they are stored."""

    train: str
    test: str | None
    root: str | None
    classes: str | None
    test_fraction: Part
    size: Pixels
    skip_corrupt: bool
    mean: Annotated[tuple[Unit, ...], Three] | None
    std: Annotated[tuple[Factor, ...], Three] | None
    pad: Annotated[int, Field(ge=0, le=1024)] | None
    flip: bool


@dataclass(frozen=True, config=STRICT)
class Listing:
    """What decides which file is of which class and part: what resolved/listing.json holds."""

    train: str
    test: str | None
    root: str | None
    classes: str | None
    test_fraction: Part
    seed: Seed


@dataclass(frozen=True, config=STRICT)
class Partition:
    """How the classes are cut into groups."""

    criterion: Literal["half", "mass", "shots", "ratio", "thresholds"]
    num_groups: Count
    thresholds: tuple[Count, ...]


@dataclass(frozen=True, config=STRICT)
class Train:
    """The network and its optimisation."""

    backbone: Backbone
    weights: Weights | None
    epochs: Count
    batch_size: Several
    optimizer: Literal["sgd", "adamw"]
    lr: Positive
    schedule: Literal["step", "cosine"]
    momentum: Fraction
    weight_decay: NonNegative
    warmup: Annotated[int, Field(ge=0)]
    step_size: Count | None
    milestones: tuple[Count, ...]
    gamma: Factor
    clip_norm: Positive | None
    augment: Literal["crop", "resized_crop"]
    color_jitter: Unit
    memory: NonNegative
    precision: Literal["auto", "fp32", "bf16"]
    deterministic: bool
    processes: Count
    spread: Literal["images", "experts"]
    sync_batchnorm: bool
    init: Literal["fan_out", "fan_in"]


@dataclass(frozen=True, config=STRICT)
class Evaluate:
    """How the outputs of several experts become one prediction."""

    combine: Rule


@dataclass(frozen=True, config=STRICT)
class Params:
    """The whole of params.yaml.

    Attributes:
        profiles: the values that stand for "profile", by the profile's name and the section's; in
            `data`, `train` and `methods` they are filled in.
        methods: each method's own params.
    """

    model: str
    seed: Seed
    profile: str
    data: Data
    images: Images
    partition: Partition
    train: Train
    evaluate: Evaluate
    profiles: dict[str, dict[str, Any]]
    methods: dict[str, dict[str, Any]]


@dataclass(frozen=True, config=STRICT)
class Training:
    """One training: what resolved/train.json and resolved/finetune.json hold.

    Attributes:
        model: the method.
        method: its own params.
        code: SHA-256 of the method's file, so that an edit of it is another training.
        weights: SHA-256 of the file train.weights; None without one, and for a training that starts
            from another.
    """

    model: str
    method: dict[str, Any]
    seed: Seed
    train: Train
    code: str
    weights: str | None = None


# A section's own problems, without its name in front: {key: value} -> texts "key: what is wrong".
Check = Callable[[str, Mapping[str, Any]], list[str]]


class _Loader(yaml.CSafeLoader):
    """A YAML loader that reads 2e-4 and DVC's own 1e-05 as numbers; YAML 1.1 reads them as text.

    It refuses a key that comes twice in a section, of which YAML's loaders take the last.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(keys) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key is no text", node.start_mark)
        for key in keys:
            if keys.count(key) > 1:
                problem = f"the key {key!r} comes twice in a section"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return {str(key): value for key, value in super().construct_mapping(node, deep).items()}


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def method_names() -> list[str]:
    """Return the names of the methods that exist: one file each in lt/methods."""
    return sorted(path.stem for path in METHODS_DIR.glob("[!_]*.py"))


def load(
    overrides: Sequence[str] = (),
    path: str | Path = "params.yaml",
    check_method: Check | None = None,
) -> Params:
    """Read and check params.yaml.

    Args:
        overrides: "key=value" texts such as "train.lr=0.05"; the value is YAML.
        path: the file.
        check_method: gives the problems of a method's own params, by its name; without it they are
            not checked (`lt.methods.problems` checks them, and imports torch).

    Raises:
        ValueError: with every problem found, a line each: key, what is allowed, what was given.
    """
    raw = _read(Path(path))
    for text in overrides:
        _override(raw, text)
    problems = _beyond(raw) + _strays(raw) + _fill_in_profile(raw)
    _fill_in_auto(raw)
    params: Params | None
    params, found = check(_adapter(Params), raw)
    problems += found + _model_problems(raw, check_method) + _too_many(params)
    if problems or params is None:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))
    return params


def warnings(options: Params) -> list[str]:
    """Tell of values that are allowed and have no effect, a line each."""
    train, found = options.train, []
    late = [milestone for milestone in train.milestones if milestone >= train.epochs]
    if late and train.schedule == "step":
        given = ", ".join(map(str, late))
        found.append(
            f"train.milestones: the learning rate does not fall after {given}, since training "
            f"ends with train.epochs, {train.epochs}"
        )
    if train.warmup >= train.epochs:
        found.append(
            f"train.warmup: {train.warmup} epochs of rising lr fill all of train.epochs, "
            f"{train.epochs}"
        )
    return found


def listing(params: Params) -> Listing:
    """Return what the stage `listing` is to do."""
    given = {**asdict(params.images), "seed": params.data.seed}
    return Listing(**{name: given[name] for name in _names(Listing)})


def trainings(params: Params) -> list[Training]:
    """List the trainings that `params.model` needs: the one it starts from, if any, and its own.

    Raises:
        ValueError: if there is no file train.weights.
    """
    start = params.methods[params.model]["start"]
    names = [params.model] if start == FRESH else [start, params.model]
    begins = [_sha256(params.train.weights), None]  # the second one's weights are the first one's
    return [
        Training(name, params.methods[name], params.seed, params.train, method_code(name), weights)
        for name, weights in zip(names, begins, strict=False)
    ]


def _sha256(weights: str | None) -> str | None:
    """Return the hash of the file train.weights."""
    try:
        return weights and files.sha256(weights)
    except OSError as error:
        raise ValueError(
            f"train.weights: expected a file that can be read, got {weights} ({error.strerror})"
        ) from None


def method_code(name: str) -> str:
    """Return the SHA-256 of a method's file."""
    return files.sha256(METHODS_DIR / f"{name}.py")


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
        json.dumps(raw, default=str)  # which a value that holds itself does not survive
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file in {Path.cwd()}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
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


def _beyond(value: Any, key: str = "") -> list[str]:
    """Find numbers that mean nothing to single precision, where they become 0 or infinite."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else ((None, one) for one in value)
        found = [_beyond(one, f"{key}.{name}" if name else key) for name, one in items]
        return [problem for several in found for problem in several]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return []
    if isinstance(value, int):
        allowed, fine = f"an integer up to {LARGEST_INT}", abs(value) <= LARGEST_INT
    else:
        low, high = MAGNITUDES
        allowed = f"0 or a magnitude in [{low:g}, {high:g}]"
        fine = not math.isfinite(value) or value == 0 or low <= abs(value) <= high
    return [] if fine else [f"{key.lstrip('.')}: expected {allowed}, got {value!r:.40}"]


def _strays(raw: Mapping[str, Any]) -> list[str]:
    """Find keys of the profiles that give a value to nothing."""
    given = raw.get("profiles")
    wanted = {"data": _names(Data), "train": _names(Train), "methods": method_names()}
    problems = []
    for name, profile in given.items() if isinstance(given, dict) else ():
        for section, values in profile.items() if isinstance(profile, dict) else ():
            place = f"profiles.{name}.{section}"
            if section not in wanted:
                problems.append(f"{place}: unknown key; allowed: {', '.join(wanted)}")
            for key in values if isinstance(values, dict) and section in wanted else ():
                if key not in wanted[section]:
                    allowed = ", ".join(wanted[section])
                    problems.append(f"{place}.{key}: unknown key; allowed: {allowed}")
    return problems


def _names(cls: Any) -> list[str]:
    return [field.name for field in fields(cls)]


def _fill_in_profile(raw: dict[str, Any]) -> list[str]:
    """Put the profile's values where `raw` says "profile".

    Returns:
        the problems: no such profile, or what the profile lacks.
    """
    profiles, name = raw.get("profiles"), raw.get("profile")
    if not isinstance(profiles, dict) or not isinstance(name, str) or name not in profiles:
        exist = ", ".join(profiles) if isinstance(profiles, dict) else "none"
        return [f"profile: no profile {name!r}; those of `profiles` that exist: {exist}"]
    sections: dict[str, Any] = {key: raw[key] for key in ("data", "train", "methods") if key in raw}
    return _fill_in(sections, profiles[name], "", f"profiles.{name}.")


def _fill_in(values: dict[str, Any], profile: Any, prefix: str, place: str) -> list[str]:
    problems = []
    for key, value in values.items():
        given = profile.get(key, ABSENT) if isinstance(profile, dict) else ABSENT
        if isinstance(value, dict):
            problems += _fill_in(value, given, f"{prefix}{key}.", place)
        elif value == PROFILE and given is ABSENT:
            problems.append(f"{place}{prefix}{key}: missing; {prefix}{key} says {PROFILE}")
        elif value == PROFILE:
            values[key] = given
    return problems


def suited(imb_type: Any, name: Any) -> Any:
    """Return the imb_type that "auto" stands for with the dataset `name`; others as they are."""
    if imb_type != AUTO:
        return imb_type
    return "none" if name == "images" else "exp"


def _fill_in_auto(raw: dict[str, Any]) -> None:
    """Put the imb_type that suits the dataset where `raw` says "auto"."""
    data = raw.get("data")
    if isinstance(data, dict) and "imb_type" in data:
        data["imb_type"] = suited(data["imb_type"], data.get("name"))


def _too_many(params: Params | None) -> list[str]:
    """Find more processes, or more groups, than there can be."""
    if not params:
        return []
    problems, train, cut = [], params.train, params.partition
    if train.spread == "images" and train.processes > train.batch_size // 2:
        problems.append(
            f"train.processes: expected at most {train.batch_size // 2}, half of train.batch_size, "
            f"since batch norm needs two images in each; got {train.processes}"
        )
    classes = CLASSES.get(params.data.name, cut.num_groups)  # of one's own they are counted later
    if cut.criterion in ("half", "mass", "ratio") and cut.num_groups > classes:
        problems.append(
            f"partition.num_groups: expected at most {classes}, the number of classes, "
            f"got {cut.num_groups}"
        )
    return problems


def _model_problems(raw: Mapping[str, Any], check_method: Check | None) -> list[str]:
    exist = method_names()
    methods = raw.get("methods")
    listed = methods if isinstance(methods, dict) else {}
    problems = []
    for name, values in listed.items():
        if name not in exist:
            problems.append(f"methods.{name}: no such method; those that exist: {', '.join(exist)}")
        elif check_method and isinstance(values, dict):
            problems += [f"methods.{name}.{problem}" for problem in check_method(name, values)]
    model = raw.get("model")
    if "model" in raw and model not in exist:
        problems.append(f"model: no method {model!r}; those that exist: {', '.join(exist)}")
    elif "model" in raw and model not in listed:
        problems.append(f"methods.{model}: missing; expected the params of the method in use")
    else:
        problems += _start_problems(listed, str(model))
    return problems


def _start_problems(methods: Mapping[str, Any], model: str) -> list[str]:
    """Return what is wrong with the training that `model` starts from.

    At most two trainings follow each other.
    """

    def start(name: str) -> Any:
        values = methods.get(name)
        return values.get("start") if isinstance(values, dict) else None

    first, key = start(model), f"methods.{model}.start"
    if first in (None, FRESH):  # a missing one is found with the method's other params
        return []
    if not isinstance(first, str) or first not in methods:
        return [f"{key}: expected {FRESH} or a method, got {first!r}"]
    if start(first) not in (None, FRESH):
        way = f"{model} -> {first} -> {start(first)}"
        return [f"{key}: a method starts from one that itself starts {FRESH}; got {way}"]
    return []
