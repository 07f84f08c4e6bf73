"""The tables of docs/ against params.yaml and the annotations."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml

from lt import params, params_file
from lt.train.plan import Task
from tests.conftest import ROOT

RAW: dict[str, Any] = yaml.load((ROOT / "params.yaml").read_text(), params_file._Loader)
SECTIONS = {
    "data": params.Data,
    "images": params.Images,
    "partition": params.Partition,
    "train": params.Train,
    "evaluate": params.Evaluate,
}


def rows(path: Path, columns: int) -> dict[str, list[str]]:
    """Return the cells after the first of each table row, by the name in the first.

    columns: of the tables that are read.
    """
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        match = re.match(r"\| `([\w.]+)` \|(.*)\|$", line)
        if match and match[2].count("|") == columns - 2:
            assert match[1] not in found, f"{match[1]} twice"
            found[match[1]] = [cell.strip() for cell in match[2].split("|")]
    return found


PARAMS, METHODS = rows(ROOT / "docs/params.md", 3), rows(ROOT / "docs/methods.md", 4)


def keys() -> Iterator[tuple[str, Any, Any]]:
    """List every param but the methods' own: name, value, and what the profile default has."""
    default = RAW["profiles"]["default"]
    for name, value in RAW.items():
        if name in SECTIONS:
            for key, inner in value.items():
                yield f"{name}.{key}", inner, default.get(name, {}).get(key)
        elif name not in ("profiles", "methods"):
            yield name, value, None


@pytest.mark.parametrize(("name", "value", "of_profile"), list(keys()))
def test_params(name: str, value: Any, of_profile: Any) -> None:
    default, choices = PARAMS[name]
    if name != "profile" and value == params.PROFILE:
        assert default.startswith("*profile*: ")
        default, value = default.removeprefix("*profile*: "), of_profile
    assert yaml.load(default, params_file._Loader) == value
    section, _, key = name.partition(".")
    if key:
        types = {field.name: field.type for field in dataclasses.fields(SECTIONS[section])}
        kind = eval(str(types[key]), vars(params))
        allowed = [one for one in get_args(kind) if isinstance(one, str)]
        assert all(re.search(rf"\b{one}\b", choices) for one in allowed)


def test_no_other_params() -> None:
    assert set(PARAMS) == {name for name, *_ in keys()}


def test_profiles() -> None:
    assert set(rows(ROOT / "docs/params.md", 2)) == set(RAW["profiles"])


@pytest.mark.parametrize("name", params.method_names())
def test_methods(name: str) -> None:
    """Each param is there with its default in bold."""
    _, own, _ = METHODS[name]
    shown = {
        key: yaml.load(text.strip("`"), params_file._Loader)
        for key, text in re.findall(r"`(\w+)`:[^;]*?\*\*(.+?)\*\*", own)
    }
    assert shown == {key: value for key, value in RAW["methods"][name].items() if key != "start"}


def test_no_other_methods() -> None:
    assert set(METHODS) == set(params.method_names())


def test_rules() -> None:
    assert set(rows(ROOT / "docs/numbers.md", 2)) == set(get_args(params.Rule))


def test_the_readme_counts_the_methods() -> None:
    assert f"compares {len(params.method_names())} methods" in (ROOT / "README.md").read_text()


def test_the_method_of_the_guide() -> None:
    (text,) = re.findall("```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(text, "smooth.py", "exec"), names)
    task = Task((6, 3), ((0,), (1,)), 1, 2, 0.1)
    (expert,) = names["experts"](task, part=0.2)
    logits, target, epoch = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0]), torch.tensor(1)
    by_hand = -0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4)
    assert expert.phases[0].loss(logits, target, epoch).item() == pytest.approx(by_hand)


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have in links, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for at, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
        if not at.startswith("http"):
            target = page.parent / at if at else page
            assert target.exists(), at
            assert not anchor or anchor in anchors(target), f"{at}#{anchor}"
