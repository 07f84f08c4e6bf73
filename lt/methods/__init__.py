"""One file per method: here they are found, loaded, and their params checked.

lt/train/plan.py holds the contract.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from pydantic import TypeAdapter, create_model

from lt import params
from lt.validate import check

if TYPE_CHECKING:
    from lt.train.plan import Expert, Task


def experts(name: str, task: Task, values: Mapping[str, Any]) -> tuple[Expert, ...]:
    """Return the experts of method `name`; `values` are its params, `start` among them.

    Raises:
        ValueError: if there is no such method, or its params are missing, misspelt or ill-typed.
    """
    if name not in params.method_names():
        exist = ", ".join(params.method_names())
        raise ValueError(f"model: no method {name!r}; those that exist: {exist}")
    own, found = check(_form(name), dict(values))
    if own is None:
        raise ValueError("\n".join(f"params.yaml: methods.{name}.{one}" for one in found))
    result: tuple[Expert, ...] = _function(name)(
        task, **{key: getattr(own, key) for key in values if key != "start"}
    )
    _check_made(name, result)
    return result


def _check_made(name: str, made: Any) -> None:
    """Raise a ValueError if a method's file gives no experts."""
    from lt.train.plan import Expert, Phase

    def several(values: Any, kind: type) -> bool:
        return isinstance(values, tuple) and bool(values) and isinstance(values[0], kind)

    if not several(made, Expert):
        wanted = "experts() to return a tuple of Expert"
    elif not all(several(one.phases, Phase) for one in made):
        wanted = "the phases of an Expert to be a tuple of Phase"
    elif not all(several(phase.setups, object) for one in made for phase in one.phases):
        wanted = "the setups of a Phase to be a tuple of functions"
    else:
        return
    raise ValueError(f"lt/methods/{name}.py: expected {wanted}, got {made!r:.200}")


def problems(name: str, values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the params `values` of method `name`.

    Each problem says the key, what is allowed and what was given.
    """
    return check(_form(name), dict(values))[1]


def _function(name: str) -> Callable[..., tuple[Expert, ...]]:
    function: Callable[..., tuple[Expert, ...]] = import_module(f"lt.methods.{name}").experts
    return function


@cache
def _form(name: str) -> TypeAdapter[Any]:
    """Make the type of a method's params: the annotations of its `experts`, and `start`."""
    function = _function(name)
    hints, given = get_type_hints(function, include_extras=True), inspect.getfullargspec(function)
    if len(given.args) != 1 or given.kwonlydefaults or not set(given.kwonlyargs) <= set(hints):
        raise ValueError(
            f"lt/methods/{name}.py: expected experts(task, *, ...) with a type for each param and "
            f"no default, got experts{inspect.signature(function)}"
        )
    own = {key: (hints[key], ...) for key in given.kwonlyargs}
    start = Literal[(params.FRESH, *params.method_names())]  # type: ignore[valid-type]
    fields: dict[str, Any] = {"start": (start, ...), **own}
    return TypeAdapter(create_model(name, __config__=params.STRICT, **fields))
