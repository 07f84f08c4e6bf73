from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from lt.score import experiments, tables

METRICS = {
    "accuracy": 70.0,
    "balanced_accuracy": 69.5,
    "head": 75.5,
    "tail": None,
    "within_group": {"accuracy": 80.0, "head": 81.0, "tail": 79.0},
    "group_accuracy": 85.0,
    "val_classes": {"head": 5, "tail": 4},
}
DATA = {
    "name": "cifar10",
    "imb_type": "exp",
    "imb_factor": 0.1,
    "subset": "first_n",
    "images": 20431,
    "classes": [str(k) for k in range(10)],
}
RUN = {
    "model": "split_lws",
    "seed": 0,
    "data": DATA,
    "train": {"backbone": "resnet18", "epochs": 100},
}


def test_the_seeds_totals_are_the_means_of_its_halves() -> None:
    seed = pd.read_csv(tables.SEED_FIGURES)
    assert len(seed) == 4 + 24 + 3
    # printed with two decimals; every half is a multiple of 1/5000
    assert ((seed["head"] + seed["tail"]) / 2).tolist() == pytest.approx(
        seed["accuracy"].tolist(), abs=0.0051
    )
    for half in ("head", "tail"):
        steps = seed[half] / 0.02
        assert steps.tolist() == pytest.approx(steps.round().tolist(), abs=1e-6)


def test_beside_the_seeds_figures() -> None:
    lines = tables.run_table(METRICS, RUN, "concat").splitlines()
    assert lines[0].startswith("**split_lws** on cifar10 exp 0.1 (first_n, 20431 images), resnet18")
    assert lines[0].endswith(", seed 0, rule concat, n = 1; percent of the test images")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:-2]]
    assert lines[-1] == ("Validation images show 5 of 5 head classes and 4 of 5 tail classes."), (
        "whatever is fitted or chosen says on what"
    )
    assert rows == [
        ["accuracy (no label used)", "70.00", "75.50", "–"],
        ["within_group (the true group is given)", "80.00", "81.00", "79.00"],
        ["balanced_accuracy (mean of the classes)", "69.50", "–", "–"],
        ["group_accuracy", "85.00", "–", "–"],
        ["the seed's within_group (the true group is given), Table 2", "80.36", "80.56", "80.16"],
        [
            "the seed's within_group (the true group is given), main table, 100 epochs",
            "82.06",
            "83.66",
            "80.46",
        ],
    ]


@pytest.mark.parametrize(
    "change", [{"model": "ros_"}, {"data": {**DATA, "imb_factor": 0.02}}, {"model": "tau_norm"}]
)
def test_no_figure_of_the_seed_where_it_has_none(change: dict[str, object]) -> None:
    assert "seed's" not in tables.run_table(METRICS, {**RUN, **change}, "concat")


def experiment(model: str, seed: float, accuracy: float, **more: object) -> dict[str, object]:
    """An experiment on the digits, as DVC shows it; `more`: params, dots written as __."""
    row = {"Experiment": "x", "data.name": "digits", "data.imb_type": "exp", "updates": 1.0}
    row |= {"data.imb_factor": 0.1, "profile": "default", "train.backbone": "resnet20"}
    row |= {"train.epochs": "profile", "profiles.default.train.epochs": 100.0}
    row |= {"evaluate.combine": "concat", "model": model, "seed": seed, "accuracy": accuracy}
    return row | {key.replace("__", "."): value for key, value in more.items()}


def test_what_the_start_was_trained_with_keeps_experiments_apart() -> None:
    on_mixup = {"methods__crt__start": "mixup"}
    some = [
        experiment("crt", 0.0, 60.0, **on_mixup, methods__mixup__alpha=1.0),
        experiment("crt", 1.0, 40.0, **on_mixup, methods__mixup__alpha=0.2),
    ]
    rows = experiments.rows(some)
    assert [row["n"] for row in rows] == [1, 1]
    assert [row["methods.mixup.alpha"] for row in rows] == ["0.2", "1"], "sorted"


def test_a_value_of_the_profile_is_the_same_by_itself() -> None:
    some = [experiment("crt", 0.0, 60.0), experiment("crt", 1.0, 62.0, train__epochs=100.0)]
    (row,) = experiments.rows(some)
    assert (row["n"], row["epochs"]) == (2, 100)
    other = experiment("crt", 1.0, 62.0, train__epochs=50.0)
    assert [row["n"] for row in experiments.rows([some[0], other])] == [1, 1]


def test_other_code_keeps_experiments_apart() -> None:
    """A method that was edited between two seeds is another method."""
    some = [experiment("ros", float(k), 60.0 + k, code=f"{k // 2}" * 64) for k in range(3)]
    marks = [(row["code"], row["n"], str(row["accuracy"])) for row in experiments.rows(some)]
    assert marks == [("00000000", 2, "60.50 ± 0.71"), ("11111111", 1, "62.00")]
    edited = [experiment("rus", 0.0, 60.0, code="2" * 64), *some[:2]]
    assert "code" not in experiments.rows(edited)[0], "the two methods differ anyway"
    before = [{**one, "code": None} for one in some[:1]]
    marks = [row["code"] for row in experiments.rows([*some[1:2], *before])]
    assert marks == ["00000000", tables.MISSING], "from before it was recorded"


def test_what_the_profile_tells_has_no_column() -> None:
    gammas = {f"profiles__{name}__train__gamma": k for k, name in enumerate(("default", "study"))}
    epochs = {"profiles__study__train__epochs": 60.0}
    some = [
        experiment("ros", 0.0, 60.0, train__gamma="profile", **gammas, **epochs) | {"profile": name}
        for name in ("default", "study")
    ]
    rows = experiments.rows(some)
    assert [row["profile"] for row in rows] == ["default", "study"]
    assert "train.gamma" not in rows[0]
    given = {**some[1], "train.gamma": 0.5}
    assert [row["train.gamma"] for row in experiments.rows([some[0], given])] == ["0", "0.5"]
    edited = {**some[0], "profiles.default.train.gamma": 0.7}
    assert [row["train.gamma"] for row in experiments.rows([*some, edited])] == ["0", "0.7", "1"]


def test_a_row_for_each_run() -> None:
    taus = [0.5, 1.0]
    some = [
        experiment("logit_adjust", seed, 60.0 + tau + seed, methods__logit_adjust__tau=tau, few="!")
        for seed in (1.0, 0.0)
        for tau in taus
    ]
    frame = experiments.runs(some)
    assert frame["seed"].tolist() == [0, 1, 0, 1]
    assert frame["methods.logit_adjust.tau"].tolist() == ["0.5", "0.5", "1", "1"]
    assert frame["accuracy"].tolist() == [60.5, 61.5, 61.0, 62.0]
    assert frame["few"].isna().all()
    assert set(experiments.RUN_METRICS) < set(frame.columns)


def test_a_profile_keeps_experiments_apart_where_it_acts() -> None:
    taus = "profiles__default__methods__tau_norm__taus"
    some = [experiment("baseline", float(k), 60.0, **{taus: f"[{k}]"}) for k in range(2)]
    assert [row["n"] for row in experiments.rows(some)] == [2], "of another method"
    epochs = "profiles__default__train__epochs"
    some = [experiment("baseline", float(k), 60.0, **{epochs: 10.0 + k}) for k in range(2)]
    assert [row["n"] for row in experiments.rows(some)] == [1, 1]


def test_methods_are_compared_by_the_same_seeds() -> None:
    some = [
        *(experiment("crt", float(k), 62.0 + k, head=50.0) for k in range(3)),
        *(experiment("baseline", float(k), points) for k, points in enumerate((60.0, 61.5))),
        experiment("baseline", 0.0, 1.0, train__epochs=50.0),
        experiment("baseline", 0.0, 70.0, evaluate__combine="prior_offset"),
        experiment("ros", 0.0, 75.0, evaluate__combine="prior_offset"),
        experiment("rus", 0.0, 75.0, train__epochs=7.0),
    ]
    crt, ros = experiments.against(some, "baseline")
    assert (crt["model"], crt["n"], crt["accuracy"]) == ("crt", 2, "1.75 [-1.43, 4.93]")
    assert crt["head"] == "–", "the baseline has none"
    assert (ros["model"], ros["n"], ros["accuracy"]) == ("ros", 1, "5.00"), "of the same rule"
    assert "1.75 [-1.43, 4.93]" in experiments.table([crt, ros])
    apart = [  # by what is the method's own
        *(experiment("cosine", 0.0, 64.0 + k, methods__cosine__scale=16.0 + k) for k in range(2)),
        *(experiment("focal", float(k), 66.0, code=f"{k}" * 64) for k in range(2)),
    ]
    found = experiments.against([*some, *apart], "baseline")
    own = [(row["model"], row["accuracy"]) for row in found if row["model"] in ("cosine", "focal")]
    assert own == [("cosine", "4.00"), ("cosine", "5.00"), ("focal", "6.00"), ("focal", "4.50")]
    with pytest.raises(ValueError, match="--against: expected one of crt, baseline, ros, rus, got"):
        experiments.against(some, "Baseline")


def test_of_several_settings_the_one_with_most_shared_seeds_is_compared_with() -> None:
    ours = [experiment("crt", float(seed), 62.0) for seed in (1, 2)]

    def other(tau: float, *seeds: int) -> list[dict[str, Any]]:
        how = {"methods__logit_adjust__tau": tau}
        return [experiment("logit_adjust", float(k), 60.0 - tau, **how) for k in seeds]

    (row,) = experiments.against([*other(1.0, 0), *other(2.0, 1, 2), *ours], "logit_adjust")
    assert (row["n"], row["accuracy"]) == (2, "4.00 [4.00, 4.00]")
    (row,) = experiments.against([*other(2.0, 1), *other(1.0, 1), *ours], "logit_adjust")
    assert row["accuracy"] == "4.00", "which was run last, of as many seeds"
    assert row["compared with"] == "logit_adjust (tau 2, concat)"


def test_a_comparison_names_the_rule_of_what_is_subtracted() -> None:
    some = [
        experiment("crt", 0.0, 62.0, evaluate__combine="prior_offset"),
        experiment("baseline", 0.0, 60.0),
    ]
    (row,) = experiments.against(some, "baseline")
    assert (row["rule"], row["compared with"]) == ("prior_offset", "baseline (concat)")


def test_experiments() -> None:
    row = {
        "Experiment": "tidy-otter",
        "rev": "abc",
        "data.name": "digits",
        "data.imb_type": "exp",
        "data.imb_factor": 0.1,
        "profile": "default",
        "profiles.default.train.epochs": 100.0,
        "train.backbone": "resnet20",
        "train.epochs": "profile",
        "seed": 0.0,
        "evaluate.combine": "concat",
        "model": "ros",
        "methods.ros.epoch_length": "full",
        "methods.rus.redraw": "True",
        "accuracy": 91.234,
        "within_group.accuracy": 95.0,
        "updates": 400.0,
    }
    failed = {"Experiment": "sad-otter", "rev": "def", "accuracy": "!", "updates": "!"}
    again = {**row, "accuracy": 1.0}  # an older run of the same seed
    # exp_show also gives the hashes of dependencies
    seed_1 = {
        **row,
        "seed": 1.0,
        "models/ros": "another hash",
        "accuracy": 93.234,
        "methods.rus.redraw": "False",
    }
    match = {**row, "seed": 2.0, "methods.ros.epoch_length": "match"}
    text = experiments.table(experiments.rows([row, failed, again, seed_1, match]))
    above, _, *lines = text.splitlines()
    same = "data digits exp 0.1, profile default, backbone resnet20, epochs 100, rule concat"
    assert above == f"In every row: {same}."
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [cells[:4] for cells in rows] == [
        ["ros", "full", "2", "92.23 ± 1.41"],  # of two numbers 2 apart: the root of 2
        ["ros", "match", "1", "91.23"],
    ]
    assert "95.00 ± 0.00" in rows[0]
    assert rows[0][-1] == "400"
    assert experiments.rows([failed]) == []


def test_experiments_show_the_params_that_differ() -> None:
    row = {
        "data.name": "digits",
        "data.imb_type": "exp",
        "data.imb_factor": 0.1,
        "data.seed": 0.0,
        "profile": "default",
        "profiles.default.train.epochs": 100.0,
        "profiles.default.train.gamma": 0.1,
        "train.backbone": "resnet20",
        "train.epochs": "profile",
        "train.gamma": "profile",
        "train.lr": 0.1,
        "seed": 0.0,
        "evaluate.combine": "concat",
        "model": "ros",
        "methods.ros.epoch_length": "full",
        "methods.rus.redraw": "True",
        "accuracy": 91.0,
        "updates": 400.0,
    }
    lr = {**row, "train.lr": 0.03, "methods.rus.redraw": "False", "train.gamma": 0.1}
    match = {**row, "methods.ros.epoch_length": "match"}
    other = {**row, "model": "baseline"}
    made = experiments.rows([row, lr, match, other])
    points = experiments.points(made)
    assert [point["name"] for point in points] == [
        "ros\ntrain.lr=0.03\nmethods.ros.epoch_length=full",
        "ros\ntrain.lr=0.1\nmethods.ros.epoch_length=full",
        "ros\ntrain.lr=0.1\nmethods.ros.epoch_length=match",
        "baseline\ntrain.lr=0.1",
    ]
    assert [(point["accuracy"], point["head"]) for point in points] == [(91.0, None)] * 4
    lines = experiments.table(made).splitlines()[2:]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert head[:4] == ["model", "train.lr", "methods.ros.epoch_length", "n"]
    assert [cells[:3] for cells in rows] == [
        ["ros", "0.03", "full"],
        ["ros", "0.1", "full"],
        ["ros", "0.1", "match"],
        ["baseline", "0.1", "–"],
    ]


def test_experiments_on_other_images_are_no_other_seeds() -> None:
    row = {
        "data.name": "images",
        "data.imb_type": "auto",
        "data.imb_factor": 0.1,
        "images.size": 32.0,
        "images.train": "photos",
        "profile": "default",
        "train.backbone": "resnet20",
        "train.epochs": 30.0,
        "seed": 0.0,
        "evaluate.combine": "concat",
        "model": "ros",
        "accuracy": 50.0,
        "updates": 400.0,
    }
    row["data/raw/images"] = "0123456789.dir"
    larger = {**row, "images.size": 64.0, "seed": 1.0, "accuracy": 60.0}
    larger["data/raw/images"] = "abcdef.dir"
    digits = {**row, "data.name": "digits"}
    unused = {**digits, "images.size": 64.0, "seed": 1.0, "accuracy": 60.0}
    found = experiments.rows([row, larger, digits, unused])
    assert [(one["data"], one["images.size"], one["n"]) for one in found] == [
        ("images", "32", 1),
        ("images", "64", 1),
        ("digits exp 0.1", tables.MISSING, 2),
    ]
    assert "images.train" not in found[0], "the same in all"
    assert "photos" not in found[0], "another size is another param"
    more = {**row, "data/raw/images": "fedcba.dir", "seed": 1.0, "accuracy": 70.0}
    found = experiments.rows([row, more, {**more, "seed": 0.0}, digits])
    marks = [(one["photos"], one["n"], str(one["accuracy"])) for one in found]
    assert marks == [
        ("01234567", 1, "50.00"),
        ("fedcba.d", 2, "70.00 ± 0.00"),
        (tables.MISSING, 1, "50.00"),
    ]
    moved = {**row, "images.train": "elsewhere", "seed": 1.0, "accuracy": 60.0}
    (one,) = experiments.rows([row, moved])
    assert (one["n"], str(one["accuracy"])) == (2, "55.00 ± 7.07"), "the same pixels"


def test_another_rule_is_no_other_seed() -> None:
    some = [experiment("ros", 0.0, 60.0), experiment("ros", 1.0, 62.0, evaluate__combine="sum")]
    assert [row["n"] for row in experiments.rows(some)] == [1, 1]
