"""The classes that a table of thousands would hide: the worst and the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from lt.score import tables

Row = Mapping[str, str]

MANY = 200  # classes, from which on they are told
SHOWN = 20  # of each end
COLUMNS = ["rank", "class", "images", "accuracy"]


def ends(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the worst classes and the best of the others, each with the more frequent first.

    Args:
        rows: those of per_class.csv, in its order.
    """
    tested = sorted((row for row in rows if row["accuracy"]), key=lambda r: float(r["accuracy"]))
    others = sorted(tested[SHOWN:], key=lambda row: -float(row["accuracy"]))
    return {"worst": tested[:SHOWN], "best": others[:SHOWN]}


def table(rows: Sequence[Row]) -> str:
    """Make a table of the worst and the best classes; an empty text where there are few.

    Args:
        rows: those of per_class.csv, in its order.
    """
    if len(rows) < MANY:
        return ""
    texts = []
    for title, chosen in ends(rows).items():
        frame = pd.DataFrame(chosen, columns=COLUMNS).astype({"accuracy": float})
        count = f"{len(chosen)} of {len(rows)} classes"
        texts.append(f"\n{title.title()} {count}\n\n{tables.to_markdown(frame)}")
    return "".join(texts)
