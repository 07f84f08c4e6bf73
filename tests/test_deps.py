"""dvc.yaml's deps are what a stage imports: a missing one is a stale result waiting to happen."""

from __future__ import annotations

import sys

import pytest
import yaml

from lt import params
from tests.conftest import ROOT, run

# what every stage imports and none depends on: a new param would make all results stale
LEFT_OUT = {
    *("lt/__init__.py", "lt/params.py", "lt/schema.py", "lt/process.py", "lt/methods/__init__.py"),
    "stages/__init__.py",
}
# what these stages import without a trace in their outputs: check's never changes
NO_MATTER = {
    "stages.check": {"lt/files.py", "lt/plan.py", "lt/registry.py", "lt/samplers.py"},
    "stages.download": {"lt/files.py"},
}
IMPORTED = """
import pathlib, sys, importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
for module in list(sys.modules.values()):
    file = getattr(module, "__file__", None)
    if file and module.__name__.split(".")[0] in ("lt", "stages", "paper"):
        print(pathlib.Path(file).relative_to(pathlib.Path.cwd()).as_posix())
"""


def stages() -> dict[str, set[str]]:
    """Module of each stage -> the Python files it depends on."""
    root = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    download = yaml.safe_load((ROOT / "data" / "dvc.yaml").read_text())["stages"]["download"]["do"]
    train = yaml.safe_load((ROOT / "stages" / "dvc.yaml").read_text())["stages"]["train"]["do"]
    stages = {f"stages.{n}": s for n, s in {**root, "download": download, "train": train}.items()}
    paper = yaml.safe_load((ROOT / "paper" / "dvc.yaml").read_text())["stages"]
    stages |= {f"paper.{name}": stage.get("do", stage) for name, stage in paper.items()}
    for name in ("train", "score"):  # whose code is a stage of its own
        code = stages.pop(f"paper.{name}_code")["deps"]
        stages[f"paper.{name}"]["deps"] += code
    return {
        name: {dep for dep in stage["deps"] if dep.endswith(".py")}
        for name, stage in stages.items()
    }


def imports(*modules: str) -> set[str]:
    done = run(sys.executable, "-c", IMPORTED, *modules, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split()) - LEFT_OUT


STAGES = stages()


@pytest.mark.parametrize("name", [name for name in STAGES if not name.endswith(".train")])
def test_deps_are_the_imports(name: str) -> None:
    imported = imports(name)
    assert STAGES[name] | NO_MATTER.get(name, set()) == imported


@pytest.mark.parametrize("method", params.method_names())
def test_deps_of_train_with_each_method(method: str) -> None:
    deps = {dep.replace("${key}", method) for dep in STAGES["stages.train"]}
    imported = imports("stages.train", f"lt.methods.{method}")
    assert deps == imported


def test_deps_of_a_cell_of_the_grid() -> None:
    deps = {dep.replace("${item.model}", "baseline") for dep in STAGES["paper.train"]}
    assert deps == imports("paper.train", "lt.methods.baseline")


def test_no_method_imports_another() -> None:
    for method in params.method_names():
        others = {m for m in imports(f"lt.methods.{method}") if m.startswith("lt/methods/")}
        assert others == {f"lt/methods/{method}.py"}


def test_only_train_starts_torch() -> None:
    code = "import {}, sys; sys.exit('torch' in sys.modules)"
    for name in STAGES:
        done = run(sys.executable, "-c", code.format(name), cwd=ROOT)
        assert done.returncode == name.endswith(".train"), name
