"""DVC's experiments as a table: those that differ in nothing but the seed together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lt import params
from lt.score import tables
from lt.score.stats import MISSING, Stat
from lt.score.tried import CODE

COMPARED = "compared with"  # a column
# params that may differ, and those that always have a column
SECTIONS = ("data.", "images.", "partition.", "train.", "methods.")
OF_DATA = ("name", "imb_type", "imb_factor")
SHOWN = {*(f"data.{key}" for key in OF_DATA), "train.backbone", "train.epochs"}
DECODED = "data/raw/images"  # of which DVC gives the hash: images of one's own
PLACES = {"images.train", "images.test", "images.root"}  # of these images: no matter, by the hash
EXPERIMENT_METRICS = ["accuracy", "balanced_accuracy", "head", "tail", "within_group"]
EXPERIMENT_METRICS += ["group_accuracy", "macro_f1", "val_balanced_accuracy"]
# of a single run: the figures of eval.json and costs.json, without val_classes
RUN_METRICS = ["accuracy", "balanced_accuracy", "head", "tail", "many", "medium", "few"]
RUN_METRICS += ["within_group.accuracy", "within_group.head", "within_group.tail"]
RUN_METRICS += ["group_accuracy", "macro_f1", "ece", "nll", "val_balanced_accuracy"]
RUN_METRICS += ["parameters", "trained_parameters", "updates", "images"]


def rows(experiments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Make a row for all DVC experiments that differ in nothing but the seed of training.

    Args:
        experiments: as `lt.score.tried` gives them: flat, with metrics, params and hashes by name.

    Returns:
        columns by name: params, n, the number of seeds, and the metrics, each a Stat. `photos` is a
        mark of the decoded images, if it differs among experiments with the same params of them;
        `code` is one of the code, if it differs among experiments that are alike but for the seed.
    """
    return [_row(settings, group) for settings, group, _ in _groups(experiments)]


def _row(settings: Mapping[str, Any], group: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        **settings,
        "n": len(group),
        **{name: _stat(group, _metric_key(name)) for name in EXPERIMENT_METRICS},
        "updates": int(next(iter(group.values()))["updates"]),
    }


def runs(experiments: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a row for each of the DVC experiments, with its params that differ, seed and metrics.

    experiments: as `lt.score.tried` gives them.
    """
    return pd.DataFrame(
        {
            **settings,
            "seed": seed,
            **{name: _number(one.get(name)) for name in RUN_METRICS},
            "experiment": one["Experiment"] or one["rev"],
        }
        for settings, group, _ in _groups(experiments)
        for seed, one in sorted(group.items())
    )


def _groups(
    experiments: Sequence[Mapping[str, Any]],
) -> list[tuple[dict[str, Any], dict[int, Mapping[str, Any]], int]]:
    """Put experiments that differ in nothing but the seed together.

    Returns:
        of each group its params by column, its experiments by seed, and how many groups were run
        after it. Those of one method stand together, by its params; the method that was run last
        stands first.
    """
    found: dict[tuple[str, Any], dict[int, Mapping[str, Any]]] = {}
    for one in experiments:
        if isinstance(one.get("accuracy"), float):  # DVC writes "!" where eval.json is missing
            # the newest of several runs of one seed comes first, and the workspace before all
            group = found.setdefault((_same_but_for_seed(one), one.get(CODE)), {})
            group.setdefault(int(one["seed"]), one)
    firsts = [next(iter(group.values())) for group in found.values()]
    differing, photos = _differing(firsts), _photos_changed(firsts)
    code = len({key for key, _ in found}) < len(found)
    columns = [
        {
            "data": tables.shape(*(str(_param(first, f"data.{key}")) for key in OF_DATA)),
            **({"photos": _text(_photos(first)[:8])} if photos else {}),
            **({CODE: _text((first.get(CODE) or "")[:8])} if code else {}),
            "profile": first["profile"],
            "backbone": _param(first, "train.backbone"),
            "epochs": int(_param(first, "train.epochs")),  # DVC makes every number a float
            "model": first["model"],
            **{name: _text(_param(first, name)) for name in differing},
            "rule": first["evaluate.combine"],
        }
        for first in firsts
    ]
    models = [(one["data"], one["profile"], one["model"]) for one in columns]
    order = sorted(
        range(len(models)),
        key=lambda k: (
            models.index(models[k]),
            [_by_number(columns[k][name]) for name in ("epochs", *differing)],
        ),
    )
    groups = list(found.values())
    return [(columns[k], groups[k], k) for k in order]


def _by_number(value: Any) -> tuple[float, str]:
    """Return what sorts values, numbers by size and before texts."""
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Render what `rows` has made: mean ± standard deviation (of a sample) over n seeds.

    Params that are the same in all rows stand in a line above, where they leave room.
    """
    same = [name for name in _settings(rows) if name not in _that_differ(rows)]
    texts = [
        {
            name: str(value) if isinstance(value, Stat) else value
            for name, value in row.items()
            if name not in same
        }
        for row in rows
    ]
    told = ", ".join(f"{name} {rows[0][name]}" for name in same)
    above = f"In every row: {told}.\n\n" if told else ""
    return above + tables.to_markdown(pd.DataFrame(texts))


def against(experiments: Sequence[Mapping[str, Any]], model: str) -> list[dict[str, Any]]:
    """Compare all other methods with one, by the differences of the same seeds.

    Each row is compared with the one of `model` that has the same images and params of training.
    Where several have them, the rule decides, then the number of seeds that both have, and then
    which was run last.

    Args:
        experiments: as in `rows`, the newest first.
        model: the method's name.

    Returns:
        for each row its params, what it is compared with, n, the number of seeds that both have,
        and the differences as texts: the mean, and of several seeds the 95 % interval (Student's
        t). Rows that nothing can be compared with are left out.

    Raises:
        ValueError: if no row is of `model`.
    """
    known = [(_row(settings, group), age) for settings, group, age in _groups(experiments)]
    every = [row for row, _ in known]
    theirs = [(row, age) for row, age in known if row["model"] == model]
    if not theirs:
        names = ", ".join(dict.fromkeys(row["model"] for row in every))
        raise ValueError(f"--against: expected one of {names}, got {model}")
    settings = _settings(every)
    alike = [name for name in settings if name not in ("rule", CODE) and "methods." not in name]
    found = []
    for row in every:
        same = [
            (one["rule"] != row["rule"], -_shared(row, one), age, k)
            for k, (one, age) in enumerate(theirs)
            if all(one[name] == row[name] for name in alike) and _shared(row, one)
        ]
        if row["model"] == model or not same:
            continue
        other = theirs[min(same)[-1]][0]
        gains = {name: row[name] - other[name] for name in EXPERIMENT_METRICS}
        what = {COMPARED: _named(other, _that_differ([one for one, _ in theirs]))}
        of_both = {"n": _shared(row, other), **{k: _with_interval(v) for k, v in gains.items()}}
        own = {k: v for k, v in row.items() if k in ("model", *settings)}
        found.append(own | what | of_both)
    return found


def _shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """Return how many seeds both have."""
    n: int = (one["accuracy"] - other["accuracy"]).n
    return n


def _named(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """Name a row: its model, rule, and what of `names` is no matter of images or training."""
    own = [name for name in names if "methods." in name or name == CODE]
    told = [f"{name.split('.')[-1]} {row[name]}" for name in own if row[name] != MISSING]
    return f"{row['model']} ({', '.join([*told, row['rule']])})"


def _with_interval(gain: Stat) -> str:
    mean = f"{gain.mean:.2f}" if gain.n else MISSING
    return " ".join(filter(None, (mean, gain.interval_text())))


def points(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Make of what `rows` has made what `lt.score.figures.experiments` draws.

    A row's name is the model, with those params that differ among the rows.
    """
    differing = _that_differ(rows)
    points = []
    for row in rows:
        params_ = [f"{name}={row[name]}" for name in differing if row[name] != MISSING]
        means = {name: row[name].mean for name in EXPERIMENT_METRICS if row[name].n}
        name = "\n".join([row["model"], *params_])
        points.append({"name": name, **dict.fromkeys(EXPERIMENT_METRICS), **means})
    return points


def _settings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the columns of params, all but the model."""
    others = ("model", "n", "updates", COMPARED, *EXPERIMENT_METRICS)
    return [name for name in rows[0] if name not in others]


def _that_differ(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [name for name in _settings(rows) if len({row[name] for row in rows}) > 1]


def _differing(experiments: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the params that differ among experiments and have no column of their own.

    A method's own params are compared among its own experiments, and those of the section `images`
    among experiments with images of one's own.
    """
    names = dict.fromkeys(name for one in experiments for name in one if name.startswith(SECTIONS))
    found = []
    for name in names:
        acting = [one for one in experiments if _acts(one, name)]
        values = {(one["profile"], _text(_param(one, name))) for one in acting}
        differs = len({text for _, text in values}) > 1
        # by the profile's name, where each stands for one value
        told = all(one.get(name) == params.PROFILE for one in acting)
        told &= len({profile for profile, _ in values}) == len(values)
        if differs and not told and name not in SHOWN:
            found.append(name)
    return found


def _photos(experiment: Mapping[str, Any]) -> str:
    """Return the hash of the decoded images; "" for a dataset that does not change."""
    return str(experiment.get(DECODED) or "") if experiment["data.name"] == "images" else ""


def _photos_changed(experiments: Sequence[Mapping[str, Any]]) -> bool:
    """Check whether the same params of `images` stand for several contents."""
    hashes: dict[str, set[str]] = {}
    for one in experiments:
        named = sorted((k, str(v)) for k, v in one.items() if k.startswith("images."))
        hashes.setdefault(str(named), set()).add(_photos(one))
    return any(len(found - {""}) > 1 for found in hashes.values())


def _acts(experiment: Mapping[str, Any], name: str) -> bool:
    """Check whether a param can have an effect.

    Those of other methods than the one at hand and its start have none, nor those of unused images.
    """
    section, _, key = name.partition(".")
    if section == "methods":
        model = experiment["model"]
        start = experiment.get(f"methods.{model}.start")
        return key.startswith((f"{model}.", f"{start}."))
    return section != "images" or experiment["data.name"] == "images"


def _param(experiment: Mapping[str, Any], name: str) -> Any:
    """Return a param, out of the profile where that gives it; None if it has no effect."""
    value = experiment.get(name)
    if not _acts(experiment, name):
        return None
    if value == params.PROFILE:
        return experiment.get(f"profiles.{experiment['profile']}.{name}")
    return value


def _text(value: Any) -> str:
    """Write a param: DVC makes every number a float."""
    if value in (None, "", "None"):  # DVC's null is a text
        return MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same_but_for_seed(experiment: Mapping[str, Any]) -> str:
    """Return what an experiment depends on but its seed: params that act on it, and photos.

    A value that the profile gives is the same as the same one by itself.
    """
    model, profile = experiment["model"], experiment["profile"]
    sections = (*SECTIONS, "evaluate.")
    photos = _photos(experiment)
    acting = {
        k: _param(experiment, k)
        for k in experiment
        if k.startswith(sections) and _acts(experiment, k) and not (photos and k in PLACES)
    }
    params_ = sorted((k, str(v)) for k, v in acting.items())
    return str((model, profile, params_, photos))


def _stat(experiments: Mapping[int, Mapping[str, Any]], key: str) -> Stat:
    """Return a metric by seed."""
    values = {seed: _number(one.get(key)) for seed, one in experiments.items()}
    return Stat({seed: value for seed, value in values.items() if value is not None})


def _number(value: Any) -> float | None:
    """Return a metric; DVC writes a text where it has none."""
    return value if isinstance(value, float) else None


def _metric_key(name: str) -> str:
    return "within_group.accuracy" if name == "within_group" else name
