"""What all benchmarks share: taking turns, and results as JSON from which a page is rendered."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from lt import provenance
from lt.score import tables

RESULTS = Path("bench/results")
REVISION = provenance.revision()  # now: results that are written count as changes
PAGE = Path("bench/README.md")
kept = True  # whether results are; those of --small are not
INTRO = """# Benchmarks

Each section is one run on one machine, rendered from its JSON in `bench/results/`. Sections come
from different machines, even where the name is the same: compare figures within one. `python -m
bench` runs all but those beside other scripts, `python -m bench split matmul` some. `--small` takes
minutes, at sizes that say little, and keeps nothing. What exactly is compared stands at the top of
each one's file. Those that need CIFAR-10 take it from `data/archives/`.
"""


def seconds(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def race(runners: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median of the values that each runner returns.

    The runners take turns, and the first round does not count.
    """
    values: dict[str, list[float]] = {name: [] for name in runners}
    for number in range(1 + rounds):
        for name, run in runners.items():
            value = run()
            if number:
                values[name].append(value)
    return {name: statistics.median(list_) for name, list_ in values.items()}


def write(
    name: str, title: str, about: str, rows: list[dict[str, Any]], device: torch.device, **more: Any
) -> None:
    """Print a benchmark's result; unless it is a small one, keep it, and render the page again.

    about: what the rows are, with units; more: what else the JSON should hold.
    """
    info = {**more, **provenance.machine(device), **REVISION}
    result = {"title": title, "about": about, "rows": rows, **info}
    if kept:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
        PAGE.write_text(page())
    print(section(name, result), flush=True)


def page() -> str:
    """Render all results, in the order of their names."""
    paths = sorted(RESULTS.glob("*.json"))
    return "\n".join([INTRO, *(section(p.stem, json.loads(p.read_text())) for p in paths)])


def section(name: str, result: Mapping[str, Any]) -> str:
    """Render one result."""
    changes = " with changes" if result["git_dirty"] else ""
    versions = ", ".join(f"{library} {value}" for library, value in result["versions"].items())
    command = result.get("command", f"python -m bench {name}")
    revision = (result["git"] or "unknown")[:12]
    return (
        f"## {result['title']}\n\n`{command}`: {result['about']}\n\n"
        f"{tables.to_markdown(pd.DataFrame(result['rows']))}\n"
        f"{result['device']}, {result['threads']} threads; {versions}; "
        f"commit {revision}{changes}.\n"
    )
