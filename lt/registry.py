"""From a method's name to its experts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any, get_type_hints

from lt import params
from lt.plan import Expert, Task


def experts(name: str, task: Task, values: Mapping[str, Any]) -> tuple[Expert, ...]:
    """The experts of method `name` with its params `values`.

    Raises:
        ValueError: if there is no such method, or its params are missing, misspelt or ill-typed.
    """
    if name not in params.method_names():
        exist = ", ".join(params.method_names())
        raise ValueError(f"model: no method {name!r}; those that exist: {exist}")
    method = import_module(f"lt.methods.{name}").experts
    hints = get_type_hints(method, include_extras=True)
    signature = inspect.signature(method).parameters.values()
    own = {p.name: hints[p.name] for p in signature if p.kind is p.KEYWORD_ONLY}
    result: tuple[Expert, ...] = method(
        task, **params.checked(own, values, f"params.yaml: methods.{name}")
    )
    return result
