"""From a method's name to its experts."""

from __future__ import annotations

import ast
import typing
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from lt import params, samplers, schema
from lt.plan import Expert, Task


def experts(name: str, task: Task, values: Mapping[str, Any]) -> tuple[Expert, ...]:
    """The experts of method `name` with its params `values`.

    Raises:
        ValueError: if there is no such method, or its params are missing, misspelt or ill-typed.
    """
    own = checked(name, values)
    own.pop("start")
    result: tuple[Expert, ...] = import_module(f"lt.methods.{name}").experts(task, **own)
    return result


def checked(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The params `values` of method `name`: `start`, and those that the method asks for.

    Raises:
        ValueError: as `experts`, without importing the method, which would start torch.
    """
    if name not in params.method_names():
        exist = ", ".join(params.method_names())
        raise ValueError(f"model: no method {name!r}; those that exist: {exist}")
    start = typing.Literal[(params.FRESH, *params.method_names())]  # type: ignore[valid-type]
    return schema.checked({"start": start, **hints(name)}, values, f"params.yaml: methods.{name}")


def hints(name: str) -> dict[str, Any]:
    """The annotations of a method's own params, out of its source.

    They may use the names of typing and lt.schema, and `samplers.`.
    """
    tree = ast.parse((params.METHODS_DIR / f"{name}.py").read_text())
    (function,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "experts"
    )
    scope = {**vars(typing), **vars(schema), "samplers": samplers}
    return {
        argument.arg: eval(ast.unparse(argument.annotation), scope)
        for argument in function.args.kwonlyargs
        if argument.annotation is not None
    }
