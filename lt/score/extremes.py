"""The classes that a table of thousands would hide: the worst and the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lt.score import tables

MANY = 200  # classes, from which on they are told
SHOWN = 20  # of each end


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Make a table of the worst and the best classes; an empty text where there are few.

    Ties: the more frequent class is worse where it fails, and better where it does not.

    Args:
        rows: those of per_class.csv, in its order, values as text.
    """
    if len(rows) < MANY:
        return ""
    seen = [row for row in rows if row["accuracy"] not in ("", None)]
    ordered = sorted(seen, key=lambda row: float(row["accuracy"]))
    best = sorted(seen, key=lambda row: -float(row["accuracy"]))[:SHOWN]
    texts = []
    for title, chosen in (("Worst", ordered[:SHOWN]), ("Best", best)):
        cells = [{key: row[key] for key in ("rank", "class", "images")} for row in chosen]
        for cell, row in zip(cells, chosen, strict=True):
            cell["accuracy"] = float(row["accuracy"])
        count = f"{len(chosen)} of {len(rows)} classes"
        texts.append(f"\n{title} {count}\n\n{tables.to_markdown(pd.DataFrame(cells))}")
    return "".join(texts)
