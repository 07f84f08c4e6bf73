"""Values out of YAML against type hints: what fits, and what is wrong with the rest."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

MISMATCH = object()


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


def section(cls: type[T], raw: object, prefix: str, problems: list[str]) -> T | None:
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
            result[key] = section(hint, raw[key], f"{dot}{key}", problems)  # type: ignore[arg-type]
        else:
            result[key] = _value(hint, raw[key], f"{dot}{key}", problems)
    return result


def _value(hint: Any, value: Any, key: str, problems: list[str]) -> Any:
    """`value` as `hint` wants it, or an entry in `problems`."""
    converted = _convert(hint, value)
    if converted is MISMATCH:
        problems.append(f"{key}: expected {_describe(hint)}, got {value!r}")
    return converted


def _convert(hint: Any, value: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        number = _convert(args[0], value)
        return number if number is not MISMATCH and number in args[1] else MISMATCH
    if origin in (Union, types.UnionType):
        options = (_convert(option, value) for option in args)
        return next((option for option in options if option is not MISMATCH), MISMATCH)
    if origin is Literal:
        return value if value in args and not isinstance(value, bool) else MISMATCH
    if origin is tuple:
        items = [_convert(args[0], item) for item in value] if isinstance(value, list) else []
        fits = isinstance(value, list) and MISMATCH not in items
        return tuple(items) if fits else MISMATCH
    if origin is dict:
        fits = isinstance(value, dict) and all(isinstance(v, dict) for v in value.values())
        return value if fits else MISMATCH
    if hint is float and type(value) is int:
        return float(value)
    return value if type(value) is hint else MISMATCH


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
