"""predict: what the trained experts, combined, say of image files. Not a stage of dvc.yaml."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from lt import files
from lt.out import decode, given, networks
from lt.out.answers import Answer, Hits
from lt.out.networks import Networks
from lt.score import combine, scored, store, tables
from stages import FINAL, METRICS, PARTITION, Parser, main

LATE_S = 10  # outside of a terminal, a run that takes longer tells how far it is, this often


def run(arguments: Sequence[str]) -> None:
    """Print or write a row per image: the combined answer, and each expert's best own class."""
    parser = Parser(
        "python -m stages.predict",
        description="Say what is on images: a table, or with --csv a file. An image of another "
        "size than those of the training is cut to a square and scaled. Files that cannot be read "
        "are listed at the end; the exit status is then 1.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="image, folder, or list .txt")
    parser.add_argument("--csv", metavar="FILE", help="write the answers to this file")
    asked = parser.parse_args(arguments)
    if not asked.paths:
        raise ValueError("expected image files, got none: python -m stages.predict cat.png")
    if asked.csv is not None and Path(asked.csv).is_dir():
        raise ValueError(f"--csv: expected a file, got the folder {asked.csv}")
    trained = networks.load(FINAL, PARTITION, scored.rule(METRICS, FINAL, store.load_run(FINAL)))
    found, words = given.find(asked.paths), trained.words
    hits = Hits(words.classes, found.folders)
    rows = map(hits.count, _answers(trained, found.paths, found.problems))
    if asked.csv is not None:
        files.write_csv(asked.csv, words.header(), map(words.row, rows))
    elif table := [words.cells(answer) for answer in rows]:
        print(tables.to_markdown(pd.DataFrame(table)), end="")
    if told := hits.tell():
        print(f"predict: {told}", file=sys.stderr)
    if found.problems:
        raise ValueError("\n".join(found.problems))


def _answers(trained: Networks, paths: Sequence[str], problems: list[str]) -> Iterator[Answer]:
    """Give the answers in the order of the paths; add what is wrong with a file to `problems`."""
    scaled, every = 0, LATE_S * (not sys.stderr.isatty())
    with tqdm(
        total=len(paths), desc="predict", unit="image", delay=every, mininterval=every or 0.1
    ) as bar:
        for batch in decode.batches(paths, trained.size, trained.channels):
            if batch.paths:
                scores, logits = trained.scores(batch.pixels)
                p = np.exp(combine.log_softmax(scores))
                yield from trained.words.answers(batch.paths, p, logits)
            problems += batch.problems
            scaled += batch.scaled
            bar.update(len(batch))
    if scaled:
        print(
            f"predict: {scaled} of {len(paths)} images were cut to a square and scaled to "
            f"{trained.size}x{trained.size} pixels, the size of the training",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main(run, own_help=True)
