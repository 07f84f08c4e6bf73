"""report.html: what a run's numbers say, in one file that needs nothing else."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from lt.data.views import Ints
from lt.score import experiments, extremes, figures, report_figures, suggest, tables
from lt.score.said import Said
from lt.score.stats import MISSING

TEMPLATE = Path(__file__).with_name("report.html.j2")
PAIRS, SHOWN = 10, 5  # most frequent confusions, and pictures of each
THUMBNAIL = 96  # pixels of a picture's longer side, at most
ALWAYS = ("data", "profile", "backbone", "epochs", "rule")  # columns that may say the same in all


@dataclass(frozen=True)
class Pictures:
    """The test images (N, H, W, channels), of which only some are read, and their names."""

    images: NDArray[np.uint8]
    names: Sequence[str]


def thumbnail(pixels: NDArray[np.uint8]) -> str:
    """Return an image (H, W, channels) as a data URI; a large one is made smaller."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    data, kind = BytesIO(), "PNG" if max(pixels.shape) <= THUMBNAIL else "JPEG"
    image.save(data, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"


def confusions(
    predictions: Ints, labels: Ints, classes: Sequence[str], pictures: Pictures | None
) -> list[dict[str, Any]]:
    """Return the most frequent pairs of a class and a wrong answer, with pictures.

    Args:
        predictions: (N,) answers.
        labels: (N,) true classes.
        classes: their names.
        pictures: None: none is shown.
    """
    wrong = np.flatnonzero(predictions != labels)
    pairs = Counter(zip(labels[wrong].tolist(), predictions[wrong].tolist(), strict=True))
    of_class = np.bincount(labels)
    found = []
    for (actual, said), num in sorted(pairs.items(), key=lambda one: (-one[1], one[0]))[:PAIRS]:
        places = wrong[(labels[wrong] == actual) & (predictions[wrong] == said)].tolist()
        shown = [
            {"name": pictures.names[i], "src": thumbnail(np.asarray(pictures.images[i]))}
            for i in places[:SHOWN]
            if pictures
        ]
        of = int(of_class[actual])
        pair = {"actual": classes[actual], "said": classes[said], "num": num, "of": of}
        found.append({**pair, "shown": shown})
    return found


def listed(rows: Sequence[Mapping[str, str]]) -> list[tuple[str, list[Mapping[str, str]]]]:
    """Return the classes that a table lists, under a heading each.

    They are all of them, or the worst and the best where there are many.

    Args:
        rows: those of per_class.csv.
    """
    if len(rows) <= 2 * extremes.SHOWN:
        return [("All classes, the most frequent first", list(rows))]
    ends = extremes.ends(rows)
    return [(f"The {name} {len(chosen)}", chosen) for name, chosen in ends.items()]


def methods(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return a table and a figure of what `lt.score.experiments.rows` has made; None of none.

    What is the same in all rows is said once, above them.
    """
    if not rows:
        return None
    same = [name for name in ALWAYS if len({str(row[name]) for row in rows}) == 1]
    left_out = {*same, "group_accuracy", "macro_f1", "model"}
    header = ["model", *(name for name in rows[0] if name not in left_out)]
    points = experiments.points(rows)
    draw = partial(figures.experiments, points)
    return {
        "same": ", ".join(f"{name} {rows[0][name]}" for name in same),
        "header": header,
        "rows": [[str(row[name]) for name in header] for row in rows],
        "figure": _svg(draw, "Accuracy of each method, of all classes, of head and of tail"),
    }


def make(
    run: Mapping[str, Any],
    scored: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    found: suggest.Numbers,
    *,
    rule: str,
    said: Said,
    labels: Ints,
    pictures: Pictures | None,
    tried: Sequence[Mapping[str, Any]],
) -> str:
    """Return the page.

    Args:
        run: what run.json holds.
        scored: what eval.json holds; its ece is None where scores are no probabilities.
        rows: those of per_class.csv.
        found: the numbers that suggestions go by.
        rule: the one in use.
        said: what it says of the test images.
        labels: (N,) their classes.
        pictures: them; None: none is shown.
        tried: what `lt.score.experiments.rows` has made.
    """
    right = said.answers == labels
    curve = None
    if scored["ece"] is not None:
        draw = partial(report_figures.reliability, said.confidence, right)
        curve = _svg(draw, "How often answers of each confidence are right")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": _percent, "plain": _plain}
    return environment.from_string(TEMPLATE.read_text()).render(
        title=tables.title(run),
        small=pictures is not None and max(pictures.images.shape[1:3]) <= THUMBNAIL,
        pictured=pictures is not None,
        run=run,
        rule=rule,
        scored=scored,
        hits=int(right.sum()),
        tests=len(labels),
        untested=[row["class"] for row in rows if not row["accuracy"]],
        distribution=_svg(partial(report_figures.distribution, rows), "Images of each class"),
        accuracy=_svg(partial(report_figures.accuracy, rows), "Test accuracy of each class"),
        listed=listed(rows),
        methods=methods(tried),
        confusions=confusions(said.answers, labels, run["data"]["classes"], pictures),
        reliability=curve,
        facts=suggest.facts(found),
        gap=suggest.gap(found, run["model"]),
        suggestions=suggest.suggest(found),
    )


def _svg(draw: Any, about: str) -> Markup:
    return Markup(report_figures.svg(draw, about))  # of ours: no name of a class is in it


def _percent(value: Any) -> str:
    return MISSING if value in (None, "") else f"{float(value):.1f}"


def _plain(value: Any) -> str:
    """Write a param as one would say it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) or MISSING
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or MISSING
    return MISSING if value is None else str(value)
