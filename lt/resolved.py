"""resolved/*.json: what each stage is to do, and with which code.

`resolve` writes them. A stage asks for its own when it starts and before its output takes its
place, and compares with what params.yaml and the code say then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import TypeAdapter

from lt import files, params, params_file, unchanged
from lt.validate import check

T = TypeVar("T")

FOLDER = Path("resolved")
OVERRIDES = FOLDER / "overrides.json"  # those of `python -m stages.resolve key=value`; DVC has none
MOST = 4  # differences that are told
STAGES = {"listing": "listing", "images": "images", "data": "prepare", "partition": "partition"}
STAGES |= {"train": "train", "finetune": "finetune", "evaluate": "evaluate"}
PIPELINES = (Path("dvc.yaml"), Path("data/dvc.yaml"))


def path(name: str) -> Path:
    """Return the file of that name; its stage is STAGES[name]."""
    return FOLDER / f"{name}.json"


def make(options: params.Params, code: Mapping[str, str]) -> dict[str, Any]:
    """Return what the files hold, by their names, as JSON gives it back.

    Each has "what", the section that the stage needs with the profile's values filled in, null
    for a `finetune` with nothing to do, and "code", a hash of the code that the stage runs.

    Args:
        options: params.yaml.
        code: SHA-256 of each file of code (`lt.unchanged.code`).
    """
    first, *second = params.trainings(options)
    what: dict[str, Any] = {
        "listing": asdict(params.listing(options)),
        "images": asdict(options.images),
        "data": asdict(options.data),
        "partition": asdict(options.partition),
        "train": asdict(first),
        "finetune": asdict(second[0]) if second else None,
        "evaluate": asdict(options.evaluate),
    }
    made = {
        name: {"what": value, "code": files.digest(code_of(STAGES[name], code))}
        for name, value in what.items()
    }
    return cast(dict[str, Any], json.loads(json.dumps(made)))


def code_of(stage: str, code: Mapping[str, str]) -> dict[str, str]:
    """Return those entries of `code` that dvc.yaml or data/dvc.yaml says the stage depends on."""
    deps = _deps()[stage]
    return {
        name: sha for name, sha in code.items() if any(f"{name}/".startswith(f"{d}/") for d in deps)
    }


def now(name: str, code: Mapping[str, str]) -> dict[str, Any]:
    """Return what resolved/<name>.json would hold if `resolve` ran now.

    Raises:
        ValueError: if params.yaml has become one that `resolve` would refuse.
    """
    overrides: Sequence[str] = files.read_json(OVERRIDES)
    made: dict[str, Any] = make(params_file.load(overrides), code)[name]
    return made


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say in what two values of such a file differ, a text each: "params.yaml (train.lr: ...)"."""
    found = []
    for one in unchanged.differences(old["what"], new["what"]):
        if one.startswith("code:"):  # of a training: its method's
            found.append(f"lt/methods/{new['what']['model']}.py")
        else:
            found.append(f"params.yaml ({one})")
    return found[:MOST] + ([] if old["code"] == new["code"] else ["the stage's code"])


def read(name: str) -> dict[str, Any]:
    """Read resolved/<name>.json."""
    value: dict[str, Any] = files.read_json(path(name), "what", "code")
    return value


def what(cls: type[T], name: str) -> T:
    """Read what a stage is to do, as `cls`.

    Raises:
        ValueError: if it is not what `resolve` writes.
    """
    value: T | None
    value, problems = check(TypeAdapter(cls), read(name)["what"])
    if problems or value is None:
        raise ValueError(f"{path(name)}: {problems[0]}; {files.AGAIN}")
    return value


def is_null(name: str) -> bool:
    """Check whether resolved/<name>.json says that there is nothing to do."""
    return read(name)["what"] is None


@cache
def _deps() -> dict[str, list[str]]:
    """Return what each stage of the pipeline depends on."""
    return {name: deps for file in PIPELINES for name, deps in _deps_of(file).items()}


def _deps_of(file: Path) -> dict[str, list[str]]:
    try:
        stages = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)["stages"]
        return {name: stage.get("deps", []) for name, stage in stages.items()}
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file in {Path.cwd()}") from None
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: not a pipeline ({' '.join(str(error).split())})") from None
