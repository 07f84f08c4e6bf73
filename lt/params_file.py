"""params.yaml: read, filled in from its profile, and checked by pydantic.

The file is checked as a whole: `load` collects every problem (a key that is missing, unknown or
misspelt, a value of the wrong type or out of range) and raises once, with all of them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from lt import params
from lt.params import Params
from lt.validate import ABSENT, check

LARGEST_INT = 2**32 - 1  # of a seed
MAGNITUDES = 1e-30, 1e30

# (a method's name, its params) -> what is wrong with each, "key: ...", no section in front
Check = Callable[[str, Mapping[str, Any]], list[str]]


class _Loader(yaml.CSafeLoader):
    """A loader that reads numbers and booleans as DVC does, which reads YAML 1.2 (10.3.2).

    PyYAML reads 1.1, where 2e-4 is a text, 010 is 8, 1:30 is 90, and yes is true. What has an _ in
    it, 0b101, and octal or hexadecimal with a sign are numbers for DVC, and texts here: they are
    refused. So is a key that comes twice in a section, of which YAML's loaders take the last.
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


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


KINDS = {  # tag -> the form of its values, the letters that they begin with
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+([eE][-+][0-9]+)?|[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?)"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
TAG = "tag:yaml.org,2002:"
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, form) for tag, form in known if tag.removeprefix(TAG) not in KINDS]
    for letter, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
for _kind, (_form, _letters) in KINDS.items():
    _Loader.add_implicit_resolver(f"{TAG}{_kind}", re.compile(rf"^(?:{_form})$"), list(_letters))
_Loader.add_constructor(f"{TAG}int", _integer)


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
    raw = read(Path(path))
    for text in overrides:
        _override(raw, text)
    no_profile = _no_profile(raw)
    problems = _beyond(raw) + _strays(raw) + (no_profile or _fill_in_profile(raw))
    _fill_in_auto(raw)
    options: Params | None
    options, found = check(_params(), raw)
    found += _model_problems(raw, check_method) + _impossible(options)
    if no_profile:  # all that was to come from there would be a problem of its own
        missed = re.compile(rf"(data|train|methods)\..*, got {params.PROFILE!r}")
        found = [problem for problem in found if not missed.fullmatch(problem)]
    problems += found
    if problems or options is None:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))
    return options


@cache
def _params() -> TypeAdapter[Any]:
    return TypeAdapter(Params)


def read(path: Path) -> dict[str, Any]:
    """Read a YAML file of key: value lines as DVC does.

    Raises:
        ValueError: if it is none, or a key comes twice.
    """
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
    sections = {"data": params.Data, "train": params.Train}
    wanted = {key: params.names(section) for key, section in sections.items()}
    wanted["methods"] = params.method_names()
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


def _no_profile(raw: Mapping[str, Any]) -> list[str]:
    """Return the problem that there is no profile of that name, if there is none."""
    profiles, name = raw.get("profiles"), raw.get("profile")
    if isinstance(profiles, dict) and isinstance(name, str) and name in profiles:
        return []
    exist = ", ".join(profiles) if isinstance(profiles, dict) else "none"
    return [f"profile: no profile {name!r}; those of `profiles` that exist: {exist}"]


def _fill_in_profile(raw: dict[str, Any]) -> list[str]:
    """Put the profile's values where `raw` says "profile"; return what the profile lacks."""
    name: str = raw["profile"]
    sections: dict[str, Any] = {key: raw[key] for key in ("data", "train", "methods") if key in raw}
    return _fill_in(sections, raw["profiles"][name], "", f"profiles.{name}.")


def _fill_in(values: dict[str, Any], profile: Any, prefix: str, place: str) -> list[str]:
    problems = []
    for key, value in values.items():
        given = profile.get(key, ABSENT) if isinstance(profile, dict) else ABSENT
        if isinstance(value, dict):
            problems += _fill_in(value, given, f"{prefix}{key}.", place)
        elif value == params.PROFILE and given is ABSENT:
            problems.append(f"{place}{prefix}{key}: missing; {prefix}{key} says {params.PROFILE}")
        elif value == params.PROFILE:
            values[key] = given
    return problems


def _fill_in_auto(raw: dict[str, Any]) -> None:
    """Put the imb_type that suits the dataset where `raw` says "auto"."""
    data = raw.get("data")
    if isinstance(data, dict) and "imb_type" in data:
        data["imb_type"] = params.suited(data["imb_type"], data.get("name"))


def _impossible(options: Params | None) -> list[str]:
    """Find values that are allowed, but not together or with this dataset."""
    if not options:
        return []
    problems, train, cut = [], options.train, options.partition
    if train.spread == "images" and train.processes > train.batch_size // 2:
        problems.append(
            f"train.processes: expected at most {train.batch_size // 2}, half of train.batch_size, "
            f"since batch norm needs two images in each; got {train.processes}"
        )
    if train.nesterov and not train.momentum:
        problems.append("train.nesterov: expected false with train.momentum 0, got true")
    if train.freeze == "backbone" and train.weights is None:
        problems.append(
            "train.freeze: expected none without train.weights, since weights that are drawn "
            "would stay as they are; got backbone"
        )
    side = params.SIDES.get(options.data.name, options.images.size)
    if train.cutout >= side:
        problems.append(
            f"train.cutout: expected less than {side}, the side of an image, got {train.cutout}"
        )
    # the classes of one's own images are counted later
    classes = params.CLASSES.get(options.data.name, cut.num_groups)
    if cut.criterion in ("half", "mass", "ratio") and cut.num_groups > classes:
        problems.append(
            f"partition.num_groups: expected at most {classes}, the number of classes, "
            f"got {cut.num_groups}"
        )
    given = cut.thresholds
    falling = given and all(a > b for a, b in pairwise(given))
    if cut.criterion == "thresholds" and not falling:
        problems.append(f"partition.thresholds: expected falling image counts, got {list(given)}")
    return problems


def _model_problems(raw: Mapping[str, Any], check_method: Check | None) -> list[str]:
    exist = params.method_names()
    methods = raw.get("methods")
    listed = methods if isinstance(methods, dict) else {}
    problems = []
    for name, values in listed.items():
        if name not in exist:
            problems.append(f"methods.{name}: no such method; those that exist: {', '.join(exist)}")
        elif check_method and isinstance(values, dict):
            problems += [f"methods.{name}.{problem}" for problem in check_method(name, values)]
    model = raw.get("model")
    if not isinstance(model, str):  # missing, or another type: found with the other keys
        return problems
    if model not in exist:
        problems.append(f"model: no method {model!r}; those that exist: {', '.join(exist)}")
    elif model not in listed:
        problems.append(f"methods.{model}: missing; expected the params of the method in use")
    else:
        problems += _start_problems(listed, model)
    return problems


def _start_problems(methods: Mapping[str, Any], model: str) -> list[str]:
    """Return what is wrong with the training that `model` starts from.

    At most two trainings follow each other.
    """

    def start(name: str) -> Any:
        values = methods.get(name)
        return values.get("start") if isinstance(values, dict) else None

    first, key = start(model), f"methods.{model}.start"
    if first in (None, params.FRESH):  # a missing one is found with the method's other params
        return []
    if not isinstance(first, str) or first not in methods:
        return [f"{key}: expected {params.FRESH} or a method, got {first!r}"]
    if start(first) not in (None, params.FRESH):
        way = f"{model} -> {first} -> {start(first)}"
        return [f"{key}: a method starts from one that itself starts {params.FRESH}; got {way}"]
    return []
