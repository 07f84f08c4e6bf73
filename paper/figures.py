"""The figures, readable in grey, made from the cells alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.image import imread

from lt.score.figures import save
from lt.score.stats import Stat
from paper import bar, contests, last_epochs, study, tables
from paper.cells import Cells
from paper.tables import PARTS, shown_examples
from paper.wording import seeds

LINES = [
    {"color": color, "linestyle": style, "marker": marker}
    for color, style, marker in (
        ("0.0", "-", "o"),
        ("0.45", "--", "s"),
        ("0.0", ":", "^"),
        ("0.6", "-.", "D"),
    )
]
METHODS = {
    "baseline": "baseline",
    "lws_joint": "lws_joint",
    "split_lws": "split_lws, concat",
    "balanced_softmax": "balanced_softmax",
}
MOST_POINTS = 20  # of a line; of more classes, it shows the means of ten equal parts
BESIDE = 8  # points of an axis that are left beside the outermost means
LEAST_SPAN = 10  # points of an axis: half a point of one seed is not to look like much
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 150,
}


def distribution(cells: Cells) -> Figure:
    """Draw the images per class, a panel for each number of classes.

    Validation images are among them.
    """
    known = {n: facts for n in cells.size["main"] if (facts := cells.datasets[n])}
    sizes = sorted({len(facts["counts"]) for facts in known.values()})
    figure, axes = _panels(max(len(sizes), 1), columns=2, height=2.6)
    for axis, size in zip(axes, sizes, strict=False):
        same = {n: facts for n, facts in known.items() if len(facts["counts"]) == size}
        for style, (name, facts) in zip(LINES * 2, same.items(), strict=False):
            rank = np.arange(1, size + 1)
            every = {"markevery": max(1, size // 10), "markersize": 3, "linewidth": 1.2}
            counts = sorted(facts["counts"], reverse=True)
            axis.plot(rank, counts, label=name, **style, **every)
        axis.set(yscale="log", xlabel="class rank (1 = most images)", ylabel="images")
        axis.legend(frameon=False, loc="lower left", fontsize=7)  # below all falling lines
    return figure


def head_tail(cells: Cells) -> Figure:
    """Draw the head and the tail half of every dataset's classes."""
    names = cells.size["main"]
    figure, axes = _panels(len(names), columns=4, height=1.9)
    for axis, name in zip(axes, names, strict=False):
        facts = cells.datasets[name]
        axis.set_title(name, fontsize=8)
        axis.set(xlabel="class rank", ylabel="images")
        if not facts:
            _not_run(axis)
            continue
        start = 1
        for part, colour in (("head", "0.25"), ("tail", "0.7")):
            counts = [facts["counts"][label] for label in facts[part]]
            rank = np.arange(start, start + len(counts))
            start += len(counts)
            axis.bar(rank, counts, width=1.0, color=colour, label=f"{part}: {sum(counts)}")
        axis.legend(frameon=False, loc="upper right", handlelength=1)
        axis.set_ylim(0, max(facts["counts"]) * 1.45)  # room for the legend
    return figure


def rank(cells: Cells) -> Figure:
    """Draw the test accuracy by class rank, a line per method, no label used."""
    names = [name for name in cells.size["main"] if any(cells.of(name, m) for m in METHODS)]
    figure, axes = _panels(max(len(names), 1), columns=2, height=2.6)
    if not names:
        _not_run(axes[0])
    handles: dict[str, Any] = {}
    for axis, name in zip(axes, names, strict=False):
        axis.set_title(_numbered(cells, name, METHODS), fontsize=8)
        # a little more than 0 to 100, where markers would be cut in half
        axis.set(xlabel="class rank (1 = most images)", ylabel="test accuracy (%)", ylim=(-3, 103))
        if len((cells.datasets[name] or {}).get("counts", [])) > MOST_POINTS:
            axis.set_xlabel("class rank (1 = most images), means of tenths")
        for style, (model, title) in zip(LINES, METHODS.items(), strict=True):
            if cells.finished(name, model):
                each = [cell.score["by_rank"] for cell in cells.finished(name, model)]
                mean = np.mean(each, axis=0)
                at = _thinned(np.arange(1, len(mean) + 1))
                line = axis.plot(at, _thinned(mean), markersize=3, linewidth=1.2, **style)
                handles.setdefault(title, line[0])
    if handles:
        lines, titles = list(handles.values()), list(handles)
        figure.legend(lines, titles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _thinned(values: np.ndarray[Any, Any]) -> list[float]:
    """Return the values as they are, or if they are many, the means of ten equal parts."""
    parts = len(values) if len(values) <= MOST_POINTS else 10
    return [float(part.mean()) for part in np.array_split(values, parts)]


def honest(cells: Cells) -> Figure:
    """Draw the accuracy without a label, and with the true group given, of one network and two."""
    pair = {"baseline": "o", "split_lws": "s"}
    names = [
        name
        for name in reversed(cells.size["main"])
        if any(cells.finished(name, model) for model in pair)
    ]
    figure, (axis,) = _panels(1, columns=1, height=0.36 * max(len(names), 3) + 1.2)
    for k, (model, marker) in enumerate(pair.items()):
        run = [(y, name) for y, name in enumerate(names) if cells.finished(name, model)]
        at = [y + 0.17 - 0.34 * k for y, _ in run]
        own, given = (
            [cells.stat(name, model, f"metrics.{path}").mean for _, name in run]
            for path in ("accuracy", "within_group.accuracy")
        )
        axis.hlines(at, own, given, color="0.6", zorder=1)
        for y, name in run:
            for path in ("accuracy", "within_group.accuracy"):
                stat = cells.stat(name, model, f"metrics.{path}")
                if stat.n > 1:
                    ends = [stat.mean - stat.sd, stat.mean + stat.sd]
                    axis.plot(ends, [y + 0.17 - 0.34 * k] * 2, color="0.8", linewidth=4, zorder=0)
        for values, colour, how in ((own, "0.0", "no label"), (given, "white", "group given")):
            label = f"{METHODS[model]}: {how}"
            axis.scatter(values, at, marker=marker, color=colour, edgecolor="0.0", label=label)
    axis.set_yticks(range(len(names)), [_numbered(cells, name, pair) for name in names])
    title = "test accuracy (%); of several seeds, mean and standard deviation (grey)"
    axis.set(xlabel=title, xlim=(0, 100), ylim=(-0.6, max(len(names), 1) - 0.4))
    return _with_legend(figure, axis, len(names), columns=2)


def _numbered(cells: Cells, name: str, models: Iterable[str]) -> str:
    """Return the dataset with its number of seeds, the fewest and the most of a model."""
    return f"{name} ({seeds(len(cells.finished(name, model)) for model in models) or 'diverged'})"


def confusion(cells: Cells) -> Figure:
    """Draw actual against predicted class on one dataset, of all seeds that were run together."""
    dataset = cells.size["table2"]
    figure, axes = _panels(2, columns=2, height=3.4)
    facts = cells.datasets[dataset]
    for axis, model in zip(axes, ("baseline", "split_lws"), strict=True):
        runs = cells.finished(dataset, model)
        number = f" (n = {len(runs)})" if runs else ""
        axis.set_title(f"{METHODS[model]}\n{dataset}{number}", fontsize=8)
        if not runs or not facts or not runs[0].score["confusion"]:
            _not_run(axis)
            continue
        counts = np.sum([run.score["confusion"] for run in runs], axis=0)
        order = [*facts["head"], *facts["tail"]]
        percent = (100 * counts / counts.sum(1, keepdims=True))[np.ix_(order, order)]
        image = axis.imshow(percent, cmap="Greys", vmin=0, vmax=100)
        names = [facts["classes"][label] for label in order]
        axis.set_xticks(range(len(names)), names, rotation=90)
        axis.set_yticks(range(len(names)), names)
        axis.set(xlabel="predicted (most images first)", ylabel="actual")
        for edge in (axis.axhline, axis.axvline):
            edge(len(facts["head"]) - 0.5, color="0.5", linewidth=0.8, linestyle=":")
        scale = figure.colorbar(image, ax=axis, shrink=0.75)
        scale.set_label("% of the actual class")
    return figure


def examples(cells: Cells) -> Figure:
    """Draw the three example images, and the outputs of both networks."""
    shown, facts = shown_examples(cells)
    if not shown:
        figure, axes = _panels(1, columns=1, height=1.5)
        _not_run(axes[0])
        return figure
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    grid = figure.subplots(2, len(shown), height_ratios=(1, 1.5), squeeze=False)
    names = facts["classes"]
    for (top, bottom), example, image in zip(grid.T, shown, facts["examples"], strict=True):
        pixels = imread(io.BytesIO(base64.b64decode(image["png"])), format="png")
        top.imshow(pixels, cmap="gray", interpolation="nearest")
        top.set_axis_off()
        answer = names[example["answers"]["concat"]]
        top.set_title(
            f"test image {example['index']}\n{names[example['label']]}, predicted {answer}",
            fontsize=8,
        )
        places = np.arange(len(names))
        for k, (title, colour) in enumerate((("head network", "0.25"), ("tail network", "0.7"))):
            heights = example["logits"][k]
            bottom.bar(places + 0.4 * k - 0.2, heights, width=0.4, color=colour, label=title)
        bottom.axhline(0, color="0.0", linewidth=0.6)
        bottom.set_xticks(places, names, rotation=90)
        bottom.set(ylabel="output (logit)")
    handles, labels = grid[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2)
    return figure


def within(cells: Cells) -> Figure:
    """Draw by how much a split is ahead of a baseline, the true group given to both."""
    rows = []
    for name in reversed(cells.size["main"]):
        for ours, control, _ in reversed(study.PAIRS.values()):
            parts = [study.within_difference(cells, name, ours, control, part) for part in PARTS]
            if parts[0].n and control[0] == "baseline":
                title = " ".join(filter(None, ours))
                rows.append((f"{name}, {title} (n = {parts[0].n})", parts))
    figure, (axis,) = _panels(1, columns=1, height=0.3 * max(len(rows), 3) + 1.0)
    for y, (_, parts) in enumerate(rows):
        for k, (difference, marker) in enumerate(zip(parts, "osv", strict=True)):
            at, ends = y - 0.2 * (k - 1), difference.interval()
            if ends:
                axis.plot(ends, [at, at], color="0.6", zorder=1)
            colour = "0.0" if k == 0 else "white"
            label = PARTS[k] if y == 0 else None
            axis.scatter(
                [difference.mean], [at], marker=marker, color=colour, edgecolor="0.0", label=label
            )
    axis.axvline(0, color="0.5", linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(rows)), [name for name, _ in rows])
    means = [one.mean for _, parts in rows for one in parts] or [0.0]
    title = "split – baseline, the true group given (points)"
    axis.set(xlabel=title, ylim=(-0.7, max(len(rows), 1) - 0.3))
    axis.set_xlim(min(means) - BESIDE, max(means) + BESIDE)  # two seeds may differ by a hundred
    return _with_legend(figure, axis, len(rows), columns=3)


def swings(cells: Cells) -> Figure:
    """Draw the validation accuracy of each network in its last epochs."""
    rows = [row for row in last_epochs.swings(cells) if row["last epoch"].n]
    names = list(dict.fromkeys(row["dataset"] for row in reversed(rows)))
    networks = list(dict.fromkeys((row["method"], row["network"]) for row in rows))
    figure, (axis,) = _panels(1, columns=1, height=0.5 * max(len(names), 2) + 1.2)
    for k, network in enumerate(networks):
        run = [row for row in rows if (row["method"], row["network"]) == network]
        at = [names.index(row["dataset"]) + 0.3 - 0.2 * k for row in run]
        low, last, high = (
            [row[name].mean for row in run]
            for name in ("lowest before", "last epoch", "highest before")
        )
        label = "the epochs before it, up to 14" if k == 0 else None
        axis.hlines(at, low, high, color="0.75", linewidth=4, label=label)
        label = f"last epoch: {', '.join(network)}"
        axis.scatter(last, at, marker="os^v"[k], color="0.0", s=14, label=label, zorder=2)
    axis.set_yticks(range(len(names)), [_numbered(cells, name, tables.METHODS) for name in names])
    axis.set(xlabel="validation accuracy (%)", ylim=(-0.6, max(len(names), 1) - 0.4))
    return _with_legend(figure, axis, len(rows), columns=2)


def methods(cells: Cells) -> Figure:
    """Draw the accuracy of all methods without a label, at both protocols."""
    panels, protocols = [], []
    for protocol, name, candidates in contests.each(cells):
        run = [
            (one.named(cells, name), _fill(one, name), one.stat(cells, name)) for one in candidates
        ]
        run = [known for known in run if known[2].n]
        if len(run) > 1:
            panels.append((f"{name}, protocol: {protocol}", run))
            protocols.append(protocol)
    figure = dots(panels, protocols)
    if panels:
        filled = "black: built on the split; grey, †: its test set suggested it, no competitor"
        figure.suptitle(filled, fontsize=8)
    return figure


def _fill(one: contests.Candidate, dataset: str) -> str:
    return "0.7" if one.found_on == dataset else "0.0" if one.is_split else "white"


def dots(
    panels: Sequence[tuple[str, Sequence[tuple[str, str, Stat]]]], kinds: Sequence[str]
) -> Figure:
    """Draw test accuracies as dots, with their deviation: a panel each.

    Args:
        panels: with a title; of each dot its name, its colour and the accuracy.
        kinds: of the panels: within a kind, a point is as long in each.
    """
    if not panels:
        figure, (axis,) = _panels(1, columns=1, height=1.5)
        _not_run(axis)
        return figure
    heights = [0.2 * len(run) + 0.9 for _, run in panels]
    figure = Figure(figsize=(7.5, sum(heights)), layout="constrained")
    axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)
    for axis, (title, run) in zip(axes.flat, panels, strict=True):
        axis.set_title(title, fontsize=8, loc="right")  # long names leave a narrow axis
        for y, (_, colour, stat) in enumerate(reversed(run)):
            if stat.n > 1:
                axis.plot([stat.mean - stat.sd, stat.mean + stat.sd], [y, y], color="0.6", zorder=1)
            axis.scatter([stat.mean], [y], s=20, color=colour, edgecolor="0.0", zorder=2)
        axis.set_yticks(
            range(len(run)), [f"{name} (n = {stat.n})" for name, _, stat in reversed(run)]
        )
        axis.set(xlabel="test accuracy (%), mean ± standard deviation", ylim=(-0.7, len(run) - 0.3))
    for kind in dict.fromkeys(kinds):
        same = [axis for axis, one in zip(axes.flat, kinds, strict=True) if one == kind]
        ends = [axis.get_xlim() for axis in same]
        side = max(*(high - low for low, high in ends), LEAST_SPAN) / 2
        for axis, (low, high) in zip(same, ends, strict=True):
            axis.set_xlim((low + high) / 2 - side, (low + high) / 2 + side)
    return figure


def confirmed(cells: Cells) -> Figure:
    """Draw the differences of what was said beforehand, seed by seed, with mean and interval."""
    rows = [row for row in reversed(bar.confirmed(cells, ())) if row["n"]]
    figure, (axis,) = _panels(1, columns=1, height=0.4 * max(len(rows), 2) + 0.8)
    for y, difference in enumerate(row["accuracy"] for row in rows):
        each = list(difference.by_seed.values())
        label = "a seed" if y == 0 else None
        axis.scatter(each, [y - 0.2] * len(each), s=14, color="white", edgecolor="0.0", label=label)
        if ends := difference.interval():
            axis.plot(ends, [y, y], color="0.6", zorder=1)
        label = "mean, 95 % interval" if y == 0 else None
        axis.scatter([difference.mean], [y], color="0.0", label=label)
    axis.axvline(0, color="0.5", linewidth=0.8, linestyle=":")
    names = [f"{row['this']}\n– {row['compared with']} (n = {row['n']})" for row in rows]
    axis.set_yticks(range(len(rows)), names)
    title = f"difference on {cells.size['confirm']}, no label used (points)"
    axis.set(xlabel=title, ylim=(-0.6, max(len(rows), 1) - 0.5))
    return _with_legend(figure, axis, len(rows), columns=2)


def of_all(cells: Cells) -> Figure:
    """Draw the accuracy of all that was run, a panel for each dataset: of a grid without roles."""
    panels = []
    for dataset, settings in cells.settings().items():
        run = [
            (
                setting.title,
                "0.0",
                cells.stat(dataset, setting.model, "metrics.accuracy", setting.variation),
            )
            for setting in settings
        ]
        if known := [one for one in run if one[2].n]:
            panels.append((dataset, known))
    return dots(panels, [""] * len(panels))


FIGURES: dict[str, Callable[[Cells], Figure]] = {
    "within": within,
    "swings": swings,
    "methods": methods,
    "confirmed": confirmed,
    "distribution": distribution,
    "head_tail": head_tail,
    "rank": rank,
    "honest": honest,
    "confusion": confusion,
    "examples": examples,
}


OF_ALL = {"accuracy": of_all}


def write(cells: Cells, folder: Path, figures: Mapping[str, Callable[[Cells], Figure]]) -> None:
    """Write <name>.png of each figure; the same cells give the same bytes."""
    for name, make in figures.items():
        with rc_context(STYLE):
            save(make(cells), folder / f"{name}.png")


def _panels(number: int, columns: int, height: float) -> tuple[Figure, list[Any]]:
    """Make a figure with `number` axes in rows of `columns`, each `height` inches high."""
    columns = min(columns, number)
    rows = -(-number // columns)
    size = 7.0 if columns > 1 else 6.0, height * rows
    figure = Figure(figsize=size, layout="constrained")
    flat = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in flat[number:]:
        axis.set_visible(False)
    return figure, flat[:number]


def _with_legend(figure: Figure, axis: Any, rows: int, columns: int) -> Figure:
    """Put the legend above the axis, or say that nothing was run."""
    if rows:
        axis.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns)
    else:
        _not_run(axis)
    return figure


def _not_run(axis: Any) -> None:
    axis.text(0.5, 0.5, "not run", ha="center", va="center", transform=axis.transAxes)
    axis.set(xticks=[], yticks=[])
