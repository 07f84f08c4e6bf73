"""report: one page of what a run's numbers say, report.html. Not a stage of dvc.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lt import files, params_file, resolved
from lt.data import datasets, longtail
from lt.data.views import Ints
from lt.score import experiments, metrics, report, scored, store, suggest, tried
from stages import FINAL, METRICS, PARTITION, RAW, Parser, main


def run(arguments: Sequence[str]) -> None:
    """Write the page, and print where it is."""
    parser = Parser("python -m stages.report", description="Write a run as one page of HTML.")
    parser.add_argument("--out", default="report.html", help="the file (report.html)")
    out = Path(parser.parse_args(arguments).out)
    if out.is_dir():
        raise ValueError(f"--out: expected a file, got the folder {out}")
    about, cut = store.check_both(FINAL, PARTITION)
    found, rows, of = scored.load(METRICS, FINAL, about)
    rule = params_file.load(files.read_json(resolved.OVERRIDES)).evaluate.combine
    if of != rule:
        raise ValueError(f"{METRICS} is of the rule {of}, not of {rule}: run `dvc repro`")
    views, outputs = store.load_views(FINAL), store.load_outputs(FINAL)
    _, said = metrics.score(rule, views, outputs, cut)
    page = report.make(
        *(about, found, rows, suggest.numbers(cut, about["data"]["val_counts"], rows)),
        rule=rule,
        said=said,
        labels=outputs.test_labels,
        pictures=_test_images(about["data"], outputs.test_labels),
        tried=_tried(),
    )
    with files.whole(out) as written:
        written.write_text(page, encoding="utf-8")
    print(out)


def _test_images(summary: Mapping[str, Any], labels: Ints) -> report.Pictures | None:
    """Load the test images; they must be those that the networks were tested on.

    It is None if these were images of one's own that are no longer those that are stored.
    """
    folder = RAW / summary["name"]
    try:
        longtail.check_raw(folder, summary, FINAL)
        if not np.array_equal(datasets.load(folder, "test_labels"), labels):
            raise ValueError(f"{folder}: other test images than those of {FINAL}: run `dvc repro`")
    except (OSError, ValueError):
        if summary["name"] in datasets.RECIPES:
            raise
        print(f"report: {folder} has other photos than {FINAL} knows: the page shows none")
        return None
    names = folder / "files.json"
    known = (
        files.read_json(names, "test")["test"] if names.exists() else map(str, range(len(labels)))
    )
    return report.Pictures(datasets.load(folder, "test_images"), list(known))


def _tried() -> list[dict[str, Any]]:
    """Collect the experiments that DVC knows; none outside of DVC or git."""
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    try:
        return experiments.rows(tried.experiments().shown)
    except (DvcException, SCMError):
        return []


if __name__ == "__main__":
    main(run, own_help=True)
