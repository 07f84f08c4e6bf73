"""Values out of YAML or JSON against a pydantic type; what is wrong with them, in our words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

ABSENT = object()
_ENDS = ("minimum", "maximum")  # of an interval, as a JSON schema names them


def check(adapter: TypeAdapter[T], raw: Any) -> tuple[T | None, list[str]]:
    """Check `raw`, out of YAML or JSON, against a type.

    Returns:
        the value, lists as tuples and integers as floats where those are wanted, and the problems:
        dotted key, what is allowed, what was given. The value is None where there are problems.
    """
    try:
        # as JSON, of which strict mode takes a list for a tuple and an integer for a float
        return adapter.validate_json(json.dumps(raw, default=str)), []
    except ValidationError as error:
        schema = adapter.json_schema()
        found = [_problem(raw, schema, one) for one in error.errors(include_url=False)]
        return None, list(dict.fromkeys(found))  # once for a list with several bad items


def _problem(raw: Any, schema: Mapping[str, Any], error: Mapping[str, Any]) -> str:
    """Put one of pydantic's errors into our words."""
    keys: list[str] = []
    place, parent, given = schema, schema, raw
    for key in error["loc"]:
        parent = place = _section(schema, place)
        if "anyOf" in place:  # what follows is pydantic's name of one of the types
            break
        if isinstance(key, int):
            place = _section(schema, place["items"])
            if "properties" not in place:  # a list is told as a whole
                place = parent
                break
            given = given[key]
        else:
            place = place.get("properties", {}).get(key, place.get("additionalProperties") or {})
            given = given.get(key, ABSENT) if isinstance(given, dict) else ABSENT
        keys.append(str(key))
    dotted = ".".join(keys)
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        allowed = ", ".join(parent.get("properties", {})) or "no params at all"
        return f"{dotted}: unknown key; allowed: {allowed}"
    expected = _words(schema, place)
    if given is ABSENT:
        return f"{dotted}: missing; expected {expected}"
    if "properties" in _section(schema, place):
        expected = "a section of key: value lines"
    return f"{dotted}: expected {expected}, got {given!r}"


def _section(schema: Mapping[str, Any], place: Any) -> Any:
    """Return what a reference stands for; a place without one stands for itself."""
    name = place.get("$ref", "").rpartition("/")[2]
    return schema["$defs"][name] if name else place


def _words(schema: Mapping[str, Any], place: Any) -> str:
    """Say in words what a JSON schema allows."""
    place = _section(schema, place)
    if "anyOf" in place:
        return " or ".join(_words(schema, one) for one in place["anyOf"])
    if "enum" in place or "const" in place:
        return "one of " + ", ".join(map(str, place.get("enum", [place.get("const")])))
    if "properties" in place:
        return "a section with " + ", ".join(place["properties"])
    kind = place.get("type")
    if "description" in place and kind == "string":
        return str(place["description"])
    if kind == "array":
        number = f" of {place['minItems']}" if "minItems" in place else ""
        return f"a list{number}, each {_words(schema, place['items'])}"
    names = {"integer": "an integer", "number": "a number", "boolean": "true or false"}
    names |= {"string": "a text", "null": "null", "object": "a section with one {...} per name"}
    return f"{names[str(kind)]}{_bounds(place)}"


def _bounds(place: Mapping[str, Any]) -> str:
    """Say an interval in words."""
    low, high = (place.get(key, place.get(f"exclusive{key.title()}")) for key in _ENDS)
    if low is None:
        return ""
    if high is None:
        return f" {'at least' if 'minimum' in place else 'above'} {low}"
    left, right = "[" if "minimum" in place else "(", "]" if "maximum" in place else ")"
    return f" in {left}{low}, {high}{right}"
