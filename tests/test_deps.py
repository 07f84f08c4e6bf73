"""dvc.yaml's deps hold what a stage imports: a missing one is a stale result waiting to happen."""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from lt import params, provenance
from tests.conftest import ROOT, run

# what every stage imports and none depends on: a new param would make all results stale; methods
# are told apart by the hashes in resolved/*.json; a wing's __init__.py is a docstring
LEFT_OUT = {f"lt/{name}.py" for name in ("params", "params_file", "validate", "process")}
LEFT_OUT |= {"lt/resolved.py", "lt/unchanged.py"}
LEFT_OUT |= {"stages/__init__.py", "lt/__init__.py"}
LEFT_OUT |= {f"lt/{wing}/__init__.py" for wing in ("data", "nets", "train", "score")}
# what these import without a trace in their outputs
NO_MATTER = {"stages.download": ("lt/files.py",)}
LATER = {"stages.finetune": ["lt.train.run", "lt.train.second_look"]}  # imported when it is needed
IMPORTED = """
import pathlib, sys, importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
print("torch", "torch" in sys.modules)
for module in list(sys.modules.values()):
    file = getattr(module, "__file__", None)
    if file and module.__name__.split(".")[0] in ("lt", "stages", "paper"):
        print(pathlib.Path(file).relative_to(pathlib.Path.cwd()).as_posix())
"""


def stages() -> dict[str, list[str]]:
    """Module of each stage -> the code that it depends on, files and folders."""
    root = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    data = yaml.safe_load((ROOT / "data" / "dvc.yaml").read_text())["stages"]
    data["download"] = data["download"]["do"]
    paper = yaml.safe_load((ROOT / "paper" / "dvc.yaml").read_text())["stages"]
    found = {f"stages.{name}": stage for name, stage in {**root, **data}.items()}
    found["paper.render"] = paper["render"]  # `cells` decides by itself what is to be run again
    return {
        name: [d for d in stage["deps"] if d.endswith(".py") or d.split("/")[0] in ("lt", "stages")]
        for name, stage in found.items()
    }


STAGES = stages()


@cache
def imports(*modules: str) -> tuple[bool, set[str]]:
    """Whether importing these modules starts torch, and the project's files that it reads."""
    done = run(sys.executable, "-c", IMPORTED, *modules, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (_, torch), *lines = (line.split() for line in done.stdout.splitlines())
    return torch == "True", {path for (path,) in lines}


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_the_imports(name: str) -> None:
    _, found = imports(name, *LATER.get(name, []))
    found -= LEFT_OUT
    deps = tuple(STAGES[name])
    outside = {path for path in found if not path.startswith(deps)}
    assert {path for path in outside if not path.startswith(NO_MATTER.get(name, ()))} == set()
    used = {dep for dep in deps if any(path.startswith(dep) for path in found)}
    assert set(deps) - used <= LEFT_OUT | {"lt/methods"}, "a dep that nothing imports"


def test_checkpoints_depend_on_the_code_that_training_does() -> None:
    """Else one would go on from networks that other code has trained."""
    no_matter = {"stages/train.py", "lt/files.py", "lt/provenance.py", "lt/score/store.py"}
    of_training = set(STAGES["stages.train"]) - no_matter
    assert of_training == {*provenance.TRAINING, *provenance.OTHERS}


def test_no_method_imports_another() -> None:
    code = "import importlib, sys; importlib.import_module(sys.argv[1]); "
    code += "print(*[m for m in sys.modules if m.startswith('lt.methods.')])"
    names = {name: f"lt/methods/{name}.py" for name in params.method_names()}
    for name, path in names.items():
        text = (ROOT / path).read_text()
        assert not any(f"methods import {other}" in text for other in names), name
        assert "lt.methods" not in text, name
    done = run(sys.executable, "-c", code, "lt.methods.distill", cwd=ROOT)
    assert done.stdout.split() == ["lt.methods.distill"]


def test_who_starts_torch() -> None:
    starting = {name for name in STAGES if imports(name)[0]}
    assert starting == {"stages.resolve", "stages.train"}


def test_no_stage_imports_what_a_machine_without_dvc_lacks() -> None:
    text = (ROOT / "docs/scale.md").read_text()
    (there,) = re.findall(r"no other packages than (.+?), and what these", text, re.DOTALL)
    (named,) = re.findall(r"for stage in (.+); do", text)
    lacking = {"dvc", "onnx", "onnxruntime", "onnxscript", "timm", "distributed", "bokeh"}
    assert not lacking & set(re.findall(r"[\w-]+", there))
    modules = ["stages.download", *(f"stages.{name}" for name in named.split())]
    later = [name for of_stage in LATER.values() for name in of_stage]
    code = f"import sys; sys.modules |= dict.fromkeys({lacking}); {IMPORTED}"
    done = run(sys.executable, "-c", code, *modules, *later, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_report_and_suggest_start_no_torch() -> None:
    assert not imports("stages.report", "stages.suggest", "dvc.api")[0]


def test_scoring_and_data_start_no_torch() -> None:
    wings = ("lt/data", "lt/score")
    paths = [path.relative_to(ROOT) for wing in wings for path in (ROOT / wing).glob("[!_]*.py")]
    modules = [".".join(path.with_suffix("").parts) for path in paths]
    modules.remove("lt.score.predict")
    assert len(modules) > 10
    assert not imports(*modules)[0]


def imported(path: Path) -> set[str]:
    """The wings and files of lt that a file names in its imports, wherever they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "lt":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lt."):
            found.add(str(node.module).split(".")[1])
    return found


@pytest.mark.parametrize("wing", ["data", "nets", "train", "score", "out", "methods"])
def test_arrows_run_one_way(wing: str) -> None:
    """stages -> train -> score -> nets | data -> the files that all share."""
    allowed = {
        "data": {"data"},
        "nets": {"nets", "data"},
        "score": {"score", "nets", "data"},
        "out": {"out", "score", "nets", "data"},
        "train": {"train", "score", "nets", "data", "methods"},
        "methods": {"train", "nets", "data"},
    }[wing]
    shared = {path.stem for path in (ROOT / "lt").glob("*.py")}
    for path in (ROOT / "lt" / wing).glob("*.py"):
        assert imported(path) <= allowed | shared, path


def test_the_committed_state_is_that_of_the_committed_code(tmp_path: Path) -> None:
    """Else a fresh clone shows figures that its code does not make.

    It is one that is asked: here, an experiment may have left its params and networks.
    """
    run("git", "clone", "-q", str(ROOT), str(tmp_path / "clone"), cwd=ROOT).check_returncode()
    done = run("dvc", "repro", "--allow-missing", "--dry", cwd=tmp_path / "clone")
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stdout + done.stderr, done.stdout


def test_the_lock_of_the_datasets_is_of_the_committed_code() -> None:
    """Else every run on CIFAR changes a file that git tracks."""
    lock = yaml.safe_load((ROOT / "data" / "dvc.lock").read_text())["stages"]
    assert set(lock) == {f"download@{name}" for name in ("digits", "cifar10", "cifar100")}
    for stage in lock.values():
        for dep in stage["deps"]:
            assert dep["md5"] == hashlib.md5((ROOT / dep["path"]).read_bytes()).hexdigest()
