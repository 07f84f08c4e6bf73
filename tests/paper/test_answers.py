"""The answers of RESULTS.md, worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lt.score.stats import Stat
from paper import SMALL as SMALL_FOLDER
from paper import (
    answers,
    bar,
    claim,
    contests,
    last_epochs,
    luck,
    page,
    ranking,
    splits,
    study,
    tables,
    wording,
)
from paper.cells import Cells
from tests.paper.conftest import edit, put, remove, score, small

D = "digits-exp-0.1"
OWN_CLASSES = "The best of those whose networks know their own classes alone is ahead in"


def whole(answer: wording.Answer) -> str:
    return " ".join([answer.said, *answer.points])


def test_answers_say_which_way_and_how_surely() -> None:
    def words(**differences: Stat) -> str:
        return wording.compared("A", "B", differences)

    ahead, behind = Stat({0: 2.0}), Stat({0: -1.5})
    alone = "A is ahead of B by 2.00 points on x, on one seed"
    assert words(x=ahead) == alone
    both = words(x=ahead, y=behind, z=Stat({0: 0.5}), none=Stat())
    assert both == (
        "A is ahead of B in 2 of 3 (by 0.50 to 2.00 points) and "
        "behind B in 1 of 3 (by 1.50 points), on one seed each; 1 more comparison is to be run"
    )
    sure, unsure = Stat({0: -2.0, 1: -2.2, 2: -1.8}), Stat({0: -2.0, 1: 2.2})
    assert words(x=sure, y=unsure, z=ahead) == (
        "A is ahead of B in 2 of 3 (by 0.10 to 2.00 points; one has several seeds, and its 95 % "
        "interval includes zero) and behind B in 1 of 3 (by 2.00 points; the 95 % interval "
        "excludes zero)"
    )
    assert words(x=sure, y=sure, z=behind) == (
        "A is behind B in 3 of 3 (by 1.50 to 2.00 points; 2 have several seeds, and the 95 % "
        "interval excludes zero in 2 of them)"
    )
    more = wording.compared("A", "B", {"x": behind, "y": Stat(), "z": Stat()}, "dataset")
    assert more.endswith("by 1.50 points on x, on one seed; 2 more datasets are to be run")
    assert words(x=sure) == ("A is behind B by 2.00 points on x; the 95 % interval excludes zero")
    assert words(x=Stat({0: 0.0})).startswith("A is level with B, on one seed")
    assert words(x=Stat()) == ""
    assert wording.ahead([ahead, behind, Stat(), sure]) == "In 1 of 3 comparisons"
    clear = Stat({0: 2.0, 1: 2.2, 2: 1.8})
    assert wording.ahead([clear, ahead], "split") == (
        "In 2 of 2 splits; one has several seeds, and its 95 % interval excludes zero"
    )
    assert wording.ahead([behind, Stat({0: 0.0})]) == "In none of 2 comparisons"
    assert wording.ahead([Stat()]) == ""


def test_what_is_sure_when_many_are_tested_at_once() -> None:
    """Holm 1979: the smallest chance against 5 % / 3, then the next one against 5 % / 2."""
    clear = Stat({0: 2.0, 1: 2.1, 2: 1.9})  # t = 34.6, p = 0.0008
    less = Stat({0: 2.0, 1: 2.6, 2: 1.4})  # t = 5.77, p = 0.029
    unsure = Stat({0: 2.0, 1: -2.0, 2: 1.0})
    assert wording.holm([less, unsure, clear]) == [2], "0.029 is above 0.025"
    assert wording.holm([less, clear]) == [1, 0]
    assert wording.holm([unsure]) == []
    assert wording.holm([Stat({0: 0.0, 1: 0.0})]) == [], "the same answers"
    assert wording.holm([Stat({0: 2.0, 1: 2.0})]) == [], "too coarse to tell"


def test_answers_from_the_cells_that_were_run(root: Path) -> None:
    cells = small(root)
    within = answers.within(cells)
    sure = "the 95 % interval includes zero"
    assert within.said == (
        f"On the head alone, in 1 of 1 split; {sure}. On the tail alone, in 1 of 1 split; {sure}."
    )
    assert within.points == (
        "`split_lws` is ahead of `baseline` by 9.00 points on digits-exp-0.1; the 95 % interval "
        "includes zero; 1 more dataset is to be run. The two differ in the grouping, the images "
        "per step that come with it, the clipping and the scales.",
    )
    counts = "In 1 of 1 split; the 95 % interval includes zero"
    assert (within.counts, within.brief) == (f"**{counts}.**", f"{counts}, n = 2")
    (row,) = within.rows
    figures_of = row["n"], str(row["split, group given"]), str(row["control, group given"])
    assert (row["split"], row["control"]) == ("split_lws", "baseline")
    assert figures_of == (2, "66.00 ± 1.41", "57.00 ± 2.83")
    # of 376 training images 79 are of the tail (87 less 8 for validation): 128 * 79 / 376
    assert row["tail images in a batch"] == "26.9"
    rules = answers.rules(cells)
    lost = "group given to affine, `split_lws` loses 14.00 points. The baseline, not told the "
    assert whole(rules).endswith(f"{lost}group, loses 15.00.")
    assert "`split_lws` with affine is ahead of `baseline` by 10.00 points" in rules.said
    best_rule = "(not an offset, nor `unlabelled`), it is ahead of `baseline`"
    assert f"{best_rule} by 10.00 points" in rules.said
    (row,) = rules.rows
    found = [str(row[key]) for key in ("group given", "concat", "affine")]
    assert found == ["66.00 ± 1.41", "51.00 ± 1.41", "52.00 ± 1.41"]
    left_open = luck.left_open(cells)
    assert left_open.said == "Of 6 cells 1 diverged."
    assert not left_open.rows, "one of each is no comparison"
    best = splits.best_split(cells)
    (row,) = best.rows
    assert (row["without a split"], str(row["accuracy"])) == ("ensemble", "60.00")
    assert (row["with one"], str(row["its accuracy"])) == ("split_lws, affine", "52.00 ± 1.41")
    assert "52.00 ± 1.41 (n = 2)" in tables.as_text(best.rows), "the difference is of one seed"
    assert "that each has, the difference is -8.00 points" in whole(best), "of 60 and of 51, 53"
    own = OWN_CLASSES.removeprefix("The best ").removesuffix(" is ahead in")
    assert (
        f"best {own} (`split` and `split_lws`) is behind the best method without one" in best.said
    )
    assert best.brief.endswith(f"{OWN_CLASSES} none of 1")
    assert row["run: without, with, of"] == "2, 1, 17", "two rules of one training are one method"
    assert str(row[splits.BY_TEST]) == "-9.00"
    assert best.counts == "**In none of 1 comparison.**"
    assert "is behind the best method without one by 9.00 points on digits-exp-0.1" in best.said


def test_the_grouping_alone_has_a_row_and_counts_where_the_grid_asks(root: Path) -> None:
    for name, accuracy in (("split_s0", 30.0), ("baseline_clip5.0_s0", 48.0)):
        put(root, name, accuracy)
    cells = small(root)
    row, _ = answers.within(cells).rows
    assert (row["split"], row["control"]) == ("split", "baseline clip 5.0")
    found = [str(row[key]) for key in ("split, group given", "control, group given")]
    assert found == ["45.00", "63.00"]
    assert str(row["split – control"]) == "-18.00"
    # one of the two datasets has the clipped control in the grid
    alone = "`split` is behind `baseline clip 5.0` by 18.00 points on digits-exp-0.1, on one seed. "
    assert any(point.startswith(alone) for point in answers.within(cells).points)


def test_the_lowest_and_the_highest_of_a_comparison(root: Path) -> None:
    for variation, accuracy in (("clip 1.0", 30.0), ("clip null", 70.0)):
        name = f"split_lws_{variation.replace(' ', '')}_s0"
        put(root, name, accuracy)
    rows = {row["what"]: row for row in luck.left_open(small(root)).rows}
    row = rows["clipping norm"]
    assert (row["lowest"], row["highest"]) == ("1.0: 31.00 (n = 1)", "none: 71.00 (n = 1)")
    assert row["compared"] == 3


def test_answers_where_nothing_was_run(root: Path) -> None:
    for path in root.glob("paper/small/*/*.json"):
        path.unlink()
    for make in answers.ANSWERS.values():
        assert make(small(root)) == wording.Answer(wording.NOTHING, [])


def test_validation_chooses_and_not_the_test(root: Path) -> None:
    path = root / "paper/small/scores/digits-exp-0.1_ensemble_s0.json"
    value = json.loads(path.read_text())
    value["rules"]["concat"]["val_balanced"] = 10.0
    path.write_text(json.dumps(value))
    (row,) = splits.best_split(small(root)).rows
    assert (row["without a split"], str(row["accuracy"])) == ("baseline", "42.00 ± 2.83")
    assert str(row["with – without"]) == "10.00 ± 1.41"
    assert str(row[splits.BY_TEST]) == "-9.00", "51 less the 60 of ensemble, on seed 0"


@pytest.mark.parametrize(("last", "chosen"), [(22.0, "baseline"), (18.0, "ensemble")])
def test_each_method_counts_with_the_seeds_that_it_has(
    root: Path, last: float, chosen: str
) -> None:
    for name, value in (("baseline_s1", last), ("ensemble_s0", 30.0)):  # and 40 for baseline_s0
        path = root / f"paper/small/scores/digits-exp-0.1_{name}.json"
        known = json.loads(path.read_text())
        known["rules"]["concat"]["val_balanced"] = value
        path.write_text(json.dumps(known))
    (row,) = splits.best_split(small(root)).rows
    assert row["without a split"] == chosen


def test_a_tail_network_at_chance_is_named(root: Path) -> None:
    assert "learned next to nothing" not in answers.within(small(root)).said
    for seed, tail in ((0, 20.0), (1, 23.0)):
        path = root / f"paper/small/scores/digits-exp-0.1_split_lws_s{seed}.json"
        value = json.loads(path.read_text())
        value["metrics"]["within_group"]["tail"] = tail
        path.write_text(json.dumps(value))
    # of the five tail classes, chance has 20 %
    text = "learned next to nothing: it has 21.50 ± 2.12 on the tail, where chance has 20.00."
    assert text in answers.within(small(root)).said


def test_where_lr_falls_the_last_epoch_moves_less(root: Path) -> None:
    """Where lr falls, of what was run at both protocols alone."""
    main = {"all classes": [11, 11], "head": [11, 11], "tail": [12, 12]}
    for name, both in (("ensemble_studytau1_s0", []), ("ensemble_tau1_s0", [11, 12])):
        path = root / f"paper/small/scores/digits-exp-0.1_{name}.json"
        path.write_text(json.dumps(score(name, 60.0)))
        assert last_epochs.spans(small(root)) == {**main, "the seed's": both, "lr falls": both}


def test_tail_images_in_a_batch_of_the_tails_own(root: Path) -> None:
    put(root, "split_own_s0", 30.0)
    cells = small(root)
    assert study.tail_in_batch(cells, "digits-exp-0.1", "split", "own") == 79, "all, in one of 128"
    cells.scored["digits-exp-0.1_split_own_s0"].score["train"]["batch_size"] = 32
    assert study.tail_in_batch(cells, "digits-exp-0.1", "split", "own") == pytest.approx(79 / 3)


def test_how_many_figures_on_head_and_tail_lie_near() -> None:
    def row(kind: str, **figures: float) -> tables.Row:
        both = {f"{word}{part}": Stat() for word in ("", "within: ") for part in ("head", "tail")}
        theirs = {f"the seed's: {part}": 50.0 for part in ("head", "tail")}
        return {**both, **theirs, "the seed's is": kind} | {
            key.replace("_", ": "): Stat({0: value}) for key, value in figures.items()
        }

    rows = [
        row("honest", head=52.0, tail=47.9),
        row("within", head=50.0, tail=0.0, within_head=52.1, within_tail=51.0),
        row("honest", head=49.0) | {"the seed's: tail": None},
        row("honest"),
    ]
    assert [luck._near(rows, part) for part in ("head", "tail")] == [(2, 3), (1, 2)]


def test_the_table_of_200_epochs_is_counted_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(**ours: Stat) -> tables.Row:
        theirs = {f"the seed's: {part}": 50.0 for part in tables.PARTS}
        return {**dict.fromkeys(tables.PARTS, Stat()), **ours, **theirs, "the seed's is": "honest"}

    rows = [row(accuracy=Stat({0: 51.0}), head=Stat({0: 53.0})), row()]
    monkeypatch.setattr(tables, "long_table", lambda _: rows)
    assert luck._long(Cells()).endswith("(accuracy, head and tail), 1 of 2 lie as near")
    monkeypatch.setattr(tables, "long_table", lambda _: rows[1:])
    assert luck._long(Cells()) == ""


def test_one_setting_alone_is_no_comparison(root: Path) -> None:
    cells = small(root)
    assert not study.has_comparison("clipping", study.clips(cells))
    assert study.has_comparison("main", tables.main_table(cells)), "made to compare no settings"
    put(root, "split_lws_clip1.0_s0", 30.0)
    assert study.has_comparison("clipping", study.clips(small(root)))


def test_the_two_protocols_beside_each_other(root: Path) -> None:
    for name, accuracy in (("ensemble_tau1_s0", 61.0), ("ensemble_studytau1_s0", 77.0)):
        put(root, name, accuracy)
    (row,) = luck.left_open(small(root)).rows
    title = "network, epochs and learning rate (two balanced_softmax networks, averaged)"
    assert row["what"] == title
    assert (row["lowest"], row["highest"]) == (
        "the seed's: 61.00 (n = 1)",
        "lr falls: 77.00 (n = 1)",
    )


def test_what_an_offset_adds_to_the_bar(root: Path) -> None:
    made = score("ensemble_studytau1_s0", 60.0)
    rules = made["rules"]
    for rule, accuracy in (("group_offset", 61.5), ("prior_offset", 61.0)):
        rules[rule] = {**rules["concat"], "accuracy": accuracy, "val_balanced": 99.0}
    path = root / "paper/small/scores/digits-exp-0.1_ensemble_studytau1_s0.json"
    path.write_text(json.dumps(made))
    old = path.with_name("digits-exp-0.1_ensemble_studytau1_s1.json")
    old.write_text(json.dumps(score("ensemble_studytau1_s1", 60.0)))
    cells = small(root)
    rows = [row for row in bar.differences(cells) if row["n"]]
    found = [(row["this"], row["compared with"], str(row["accuracy"])) for row in rows]
    assert not splits.beside_the_bar(cells).rows, "no pair without an offset"
    plain = "two balanced_softmax networks, averaged"
    assert found == [
        ("the bar, group offset", "the bar", "1.50"),
        ("the bar, prior offset", "the bar", "1.00"),
        ("the bar, group offset", "the bar, prior offset", "0.50"),
    ]
    falling = {row["method"]: row for row in ranking.falling(cells)}
    assert [falling[name]["n"] for name in (plain, f"{plain}, group offset")] == ["2", "1"]
    soft = falling["soft_split, lean 1"], falling["soft_split, lean 1, group offset"]
    assert [row["n"] for row in soft] == ["–"] * 2


def test_what_a_test_set_has_suggested_does_not_compete_there(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, accuracy in (("ensemble_studytau1_s0", 60.0), ("soft_split_studylean1_s0", 63.0)):
        put(root, name, accuracy)
    ours = next(one for one in contests.FALLING if one.title == "soft_split, lean 1")
    assert splits.best_split(small(root)).rows[-1]["with one"] == ours.title
    found = [
        replace(one, found_on="digits-exp-0.1") if one.title == ours.title else one
        for one in contests.FALLING
    ]
    monkeypatch.setattr(contests, "FALLING", found)
    monkeypatch.setattr(contests, "PAIRS_OF_NETWORKS", found)
    best = splits.best_split(small(root))
    assert ours.title not in [row["with one"] for row in best.rows]
    (row,) = splits.beside_the_bar(small(root)).rows
    assert row["this"] == f"{ours.title} †"
    assert (str(row["accuracy"]), str(row["few"]), str(row["macro F1"])) == ("3.00", "–", "3.00")


def test_what_mixed_images_decide_is_told_without_them(root: Path) -> None:
    put(root, "soft_split_studylean1_s0", 63.0)
    put(root, "ensemble_studytau1_s0", 60.0)
    assert "mixed" not in whole(splits.best_split(small(root)))
    put(root, "balpoe_studytaus02_s0", 65.0)
    best = splits.best_split(small(root))
    assert best.brief == (
        f"In none of 2 comparisons, n = 1. {OWN_CLASSES} none of 1. On digits-exp-0.1 (lr falls), "
        "one side alone is trained on mixed images (mixup)"
    )
    assert whole(best).endswith(
        "On digits-exp-0.1 (lr falls), one side is trained on mixed images (mixup), and the other "
        "is not. Without mixed images, the best split is soft_split, lean 1; it is ahead of the "
        "best method without one (two balanced_softmax networks, averaged) by 3.00 points on "
        "digits-exp-0.1 (lr falls), on one seed. With both sides of these chosen on the test set, "
        "the difference is 3.00 points."
    )
    put(root, "soft_split_studysharedlean1mixup_s0", 64.0)
    assert "mixed" not in splits.best_split(small(root)).said, "both sides are"


def test_a_choice_that_the_test_set_turns_round_is_told(root: Path) -> None:
    for name, accuracy in (("ensemble_studytau1_s0", 60.0), ("soft_split_studylean1_s0", 63.0)):
        put(root, name, accuracy)
    other = score("balanced_softmax_study_s0", 64.0)
    for rule in filter(None, other["rules"].values()):
        rule["val_balanced"] = 1.0
    path = root / SMALL_FOLDER / "scores/digits-exp-0.1_balanced_softmax_study_s0.json"
    path.write_text(json.dumps(other))
    assert splits.best_split(small(root)).brief == (
        f"In 1 of 2 comparisons, n = 1. {OWN_CLASSES} none of 1. With both sides chosen on the "
        "test set, in none, n = 1"
    )


def test_a_distilled_split_is_told_beside_the_baseline_that_is_clipped(root: Path) -> None:
    put(root, "distill_s0", 63.0)
    assert "distill" not in whole(splits.best_split(small(root)))
    put(root, "baseline_clip5.0_s0", 60.5)
    assert whole(splits.best_split(small(root))).endswith(
        "One network distilled from the split (`distill`) is ahead of a baseline with the same "
        "clipping by 2.50 points on digits-exp-0.1, on one seed."
    )


def test_where_the_choice_and_the_test_set_differ(root: Path) -> None:
    path = root / "paper/small/scores/digits-exp-0.1_ensemble_s0.json"
    value = json.loads(path.read_text())
    value["rules"]["concat"]["val_balanced"] = 10.0
    path.write_text(json.dumps(value))
    text = (
        "farthest apart on digits-exp-0.1 (the seed's): one class has 1 validation image there, "
        "and each class counts the same in the choice."
    )
    assert text in whole(splits.best_split(small(root)))


def test_one_seed_and_another(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = small(root)
    assert not luck._seeds(cells), "two seeds at most"
    found = {
        ("baseline", ""): Stat({0: 40.0, 1: 44.0, 2: 49.0}),
        ("split_lws", ""): Stat({0: 40.0, 1: 49.0}),
        ("ensemble", "study tau 1"): Stat({0: 60.0, 1: 60.5, 2: 60.2}),
        ("baseline", "ldam"): Stat({0: 60.0, 1: 30.0, 2: 60.2}),
        ("ensemble", "confirm tau 1 mixup"): Stat({3: 60.0, 4: 64.0, 5: 66.2}),  # as one of study
    }

    def stat(dataset: str, model: str, _: str, variation: str = "") -> Stat:
        known = dataset == "digits-exp-0.1" or variation == "ldam"
        return found.get((model, variation), Stat()) if known else Stat()

    monkeypatch.setattr(cells, "stat", stat)
    assert luck._seeds(cells) == [
        "from one random seed to another, accuracy without a label moves, too: of what has three, "
        "by 9.00 points where lr never falls (1 setting), and by 0.50 where it falls (1 setting); "
        "with the five seeds of [the claim](#said-beforehand), by 6.20 (1 setting)",
        "where it falls, networks are smaller, and most figures are of two networks averaged: the "
        "learning rate is not all that differs",
        "another seed can move a figure by more than 2 points: this counts agreement, and does not "
        "test it",
    ]
    del found["ensemble", "study tau 1"]
    found["baseline", ""] = Stat({0: 40.0, 1: 41.0, 2: 41.5})
    del found["ensemble", "confirm tau 1 mixup"]
    first, *others = luck._seeds(cells)
    assert first.endswith("by 1.50 points where lr never falls (1 setting)")
    assert others == ["", ""]


def test_how_many_differences_are_sure() -> None:
    def row(this: str, other: str, *points: float) -> tables.Row:
        stat = Stat(dict(enumerate(points)))
        return {
            "this": this,
            "compared with": other,
            "dataset": "D",
            "n": stat.n,
            "accuracy": stat,
        }

    rows = [
        row("A", "the bar", 2.0, 2.1, 1.9),
        row("B", "the bar", 2.0, 2.6, 1.4),
        row("A", "B", 2.0, -2.0, 1.0),
        row("C", "B", 9.0),
    ]
    assert splits._how_many_are_sure(rows) == [
        "3 of the differences have an interval, and 2 of these exclude zero; by chance, one in "
        "twenty would",
        "tested all at once (Holm's correction), 1 of them is left: A less the bar on D",
        "2 of the 3 share the bar's trainings",
        "further seeds were often run after a look at the first, so even the corrected count is no "
        "proof",
    ]
    assert splits._how_many_are_sure(rows[2:]) == []


def test_what_shares_its_first_layers_has_no_control(root: Path) -> None:
    for name in ("ensemble_studytau1", "soft_split_studylean0", "soft_split_studysharedlean1"):
        put(root, f"{name}_s0", 60.0)
    beside = {(r["this"], r["compared with"]) for r in splits.beside_the_bar(small(root)).rows}
    shared = "soft_split, lean 1, shared"
    assert (shared, "the bar") in beside
    assert (shared, "soft_split, lean 0") not in beside, "they differ in more than the lean"


def test_a_split_on_mixed_images_is_compared_with_what_is_trained_on_them(root: Path) -> None:
    for name, accuracy in (
        ("ensemble_studytau1", 60.0),
        ("ensemble_studytau1mixup", 62.0),
        ("balpoe_studytaus11", 61.0),
        ("soft_split_studysharedlean1mixup", 64.0),
        ("soft_split_studylean1mixup", 65.0),
    ):
        put(root, f"{name}_s0", accuracy)
    rows = splits.beside_the_bar(small(root)).rows
    assert {(r["this"], r["compared with"]): str(r["accuracy"]) for r in rows} == {
        ("the bar, mixup", "the bar"): "2.00",
        ("soft_split, lean 1, mixup", "the bar, mixup"): "3.00",
        ("soft_split, lean 1, mixup", "the bar"): "5.00",
        ("soft_split, lean 1, shared, mixup", "the bar, mixup"): "2.00",
        ("soft_split, lean 1, shared, mixup", "the bar"): "4.00",
        ("soft_split, lean 1, shared, mixup", "balpoe, taus 1 and 1"): "3.00",
        ("balpoe, taus 1 and 1", "the bar, mixup"): "-1.00",
        ("balpoe, taus 1 and 1", "the bar"): "1.00",
    }


CLAIM = "This soft split is ahead of the bar on mixed images by"
OURS, THEIRS = "soft_split_confirmsharedlean1mixup", "ensemble_confirmtau1mixup"


def test_a_claim_waits_for_all_its_seeds(root: Path) -> None:
    assert not claim.confirmed(small(root)).rows
    assert claim.confirmed(small(root)).brief == "not run"
    put(root, f"{OURS}_s2", 63.0)
    put(root, f"{THEIRS}_s2", 60.0)
    put(root, f"{THEIRS}_s3", 61.0)
    put(root, "ensemble_studytau1mixup_s0", 70.0)
    assert claim.confirmed(small(root)).said == (
        f"{CLAIM} 3.00 points on digits-exp-0.1, on one seed. 1 of the 2 seeds has been run on "
        "both sides: the verdict waits for all."
    )
    assert claim.confirmed(small(root)).brief == f"On {D}, it waits for 1 of 2 seeds"


def test_a_claim_holds_if_the_interval_is_above_zero(root: Path) -> None:
    put(root, f"{THEIRS}_s2", 60.0)
    put(root, f"{THEIRS}_s3", 61.0)
    put(root, f"{OURS}_s2", 63.0)
    put(root, f"{OURS}_s3", 66.0)
    put(root, "balpoe_confirmtaus11_s3", 65.0)
    answer = claim.confirmed(small(root))
    assert answer.said == (
        f"{CLAIM} 4.00 points on digits-exp-0.1; the 95 % interval includes zero. They have 64.50 "
        "± 2.12 and 60.50 ± 0.71; seed by seed, the difference is 3.00 to 5.00 points. The claim "
        "does not hold. Besides the claim, it is ahead of the same without its lean (`balpoe, taus "
        "1 and 1`) by 1.00 points on digits-exp-0.1, on one seed (1 of 2 seeds so far). Besides "
        "the claim, the same without its lean is ahead of the bar on mixed images by 4.00 points "
        "on digits-exp-0.1, on one seed (1 of 2 seeds so far)."
    ), "4 ± 12.706 sqrt(2) / sqrt(2)"
    assert answer.brief == f"On {D}, it does not hold: by 4.00 points, [-8.71, 16.71], n = 2"
    found = {(r["this"], r["compared with"]): str(r["accuracy"]) for r in answer.rows}
    assert found == {
        ("soft_split, lean 1, shared, mixup", "the bar, mixup"): "4.00 ± 1.41",
        ("soft_split, lean 1, shared, mixup", "balpoe, taus 1 and 1"): "1.00",
        ("balpoe, taus 1 and 1", "the bar, mixup"): "4.00",
    }
    put(root, f"{OURS}_s3", 64.2)
    answer = claim.confirmed(small(root))
    assert answer.said.startswith(
        f"{CLAIM} 3.10 points on digits-exp-0.1; the 95 % interval excludes zero. They have "
    ), "3.1 ± 12.706 × 0.1"
    assert "to 3.20 points. The claim holds. Besides" in answer.said
    assert answer.brief == f"On {D}, it holds: by 3.10 points, [1.83, 4.37], n = 2"
    put(root, "balpoe_confirmtaus11_s2", 63.5)
    more = "The same without a lean has 0.65 more, [-1.26, 2.56]"
    assert claim.confirmed(small(root)).brief.endswith(more), "0.5 and 0.8"


def test_a_claim_does_not_hold_if_a_training_diverges(root: Path) -> None:
    put(root, f"{THEIRS}_s2", 60.0)
    put(root, f"{OURS}_s2", 63.0)
    put(root, f"{THEIRS}_s3", 61.0)
    edit(root, f"{THEIRS}_s3", failed="expert 0: the loss is nan")
    answer = claim.confirmed(small(root))
    assert answer.said.endswith("on one seed. A training diverged, so the claim does not hold.")
    assert answer.brief == f"On {D}, it does not hold: a training diverged"


def test_a_soft_split_is_told_beside_its_control(root: Path) -> None:
    for name, accuracy in (("soft_split_studylean1_s0", 63.0), ("soft_split_studylean0_s0", 62.5)):
        put(root, name, accuracy)
    answer = splits.beside_the_bar(small(root))
    (row,) = answer.rows
    assert "many" not in row
    assert (row["this"], row["compared with"]) == ("soft_split, lean 1", "soft_split, lean 0")
    assert answer.said.startswith(
        "A soft split, where the test set did not suggest it, is ahead of its control by 0.50 "
        "points on soft_split, lean 1, digits-exp-0.1, on one seed; "
    )


def test_an_offset_has_no_figure_that_is_of_concat(root: Path) -> None:
    made = score("ensemble_studytau1_s0", 60.0)
    made["rules"]["prior_offset"] = made["rules"]["concat"]
    put(root, "ensemble_studytau1_s0", 60.0)
    edit(root, "ensemble_studytau1_s0", rules=made["rules"])
    cells, shifted = small(root), contests.with_offset(contests.BAR, "prior")
    assert (shifted.stat(cells, D).n, contests.BAR.stat(cells, D, "macro_f1").n) == (1, 1)
    assert not shifted.stat(cells, D, "macro_f1").n


def test_offsets_are_compared_with_the_bar_of_the_same_images() -> None:
    pairs = {(one.title, other.title) for one, other in bar._shifted()}
    ours, theirs = "soft_split, lean 1, mixup, prior offset", "the bar, mixup, prior offset"
    assert (ours, theirs) in pairs


def test_a_split_is_ahead_if_it_is_ahead_of_both_controls(root: Path) -> None:
    put(root, "lws_joint_s0", 60.0)
    assert answers.within(small(root)).counts == "**In none of 1 split.**"


def test_a_figure_of_other_seeds_than_its_row_says_how_many(root: Path) -> None:
    remove(root, "split_lws_s1")
    (row,) = answers.rules(small(root)).rows
    assert "| 42.00 ± 2.83 (n = 2) |" in tables.as_text([row])
    assert str(row["affine – baseline"]) == "11.00", "of seed 0"
    one = {"n": "1 and 1 diverged", "same": Stat({0: 5.0}), "other": Stat({0: 5.0, 1: 5.0})}
    assert "| 5.00   | 5.00 ± 0.00 (n = 2) |" in tables.as_text([one])


def test_what_a_test_set_suggested_does_not_count_on_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("soft_split_studylean1_s0", "soft_split_studylean0_s0"):
        put(root, name, 63.0)
    assert splits.beside_the_bar(small(root)).said.startswith("A soft split, where the test set")
    found = [replace(one, found_on=D) for one in contests.PAIRS_OF_NETWORKS]
    monkeypatch.setattr(contests, "PAIRS_OF_NETWORKS", found)
    assert "did not suggest" not in splits.beside_the_bar(small(root)).said


def test_of_equals_the_first_is_best() -> None:
    assert contests._best([(Stat({0: 1.0}), "a"), (Stat({0: 1.0}), "b")]) == "a"


def test_a_dataset_as_measured(root: Path) -> None:
    row = next(row for row in tables.datasets(small(root)) if row["dataset"] == D)
    assert (row["images"], row["training"], row["validation"]) == (417, 376, 41)
    assert (row["head"], row["tail"]) == (330, 87)


def test_the_fewest_and_the_most_seeds() -> None:
    assert wording.seeds([3, 0, 1, 2]) == "n = 1 to 3"


def test_a_seed_is_the_cells_own(root: Path) -> None:
    remove(root, "baseline_s0")
    assert small(root).stat(D, "baseline", "metrics.accuracy").by_seed == {1: 44.0}


def test_a_method_beside_the_bar(root: Path) -> None:
    put(root, "ensemble_studytau1_s0", 60.0)
    put(root, "soft_split_studylean1_s0", 63.0)
    row = next(r for r in ranking.falling(small(root)) if r["method"] == "soft_split, lean 1")
    assert row["– the bar"].by_seed == {0: 3.0}


def test_a_split_with_batches_of_its_own_is_ahead_if_it_is_ahead_of_both_controls(
    root: Path,
) -> None:
    own = "With batches of the group's own images, a split with affine is ahead of its controls"
    assert own not in answers.rules(small(root)).brief, "it diverged"
    put(root, "split_lws_own_s0", 50.0)
    rules = answers.rules(small(root))
    assert rules.brief.endswith(f"n = 2. {own} in 1 of 1 comparison, n = 1")
    said = f"`split_lws own` with affine is ahead of `baseline` by 11.00 points on {D}"
    assert said in whole(rules)
    assert "`split_lws own` is ahead of `baseline`" in whole(answers.within(small(root)))
    put(root, "lws_joint_s0", 60.0)
    rules = answers.rules(small(root))
    assert rules.brief.endswith(f"{own} in none of 1 comparison, n = 1")
    assert "`split_lws own` with affine is behind `lws_joint`" in whole(rules)


def test_a_split_with_a_rest_is_compared_with_what_is_clipped(root: Path) -> None:
    put(root, "split_rest_mean_s0", 50.0)
    put(root, "baseline_clip5.0_s0", 48.5)
    shown = score("split_rest_mean_s0", 50.0)["metrics"] | {"images": 1_000_000}
    edit(root, "split_rest_mean_s0", metrics=shown)
    said = whole(answers.rules(small(root)))
    assert "is ahead of `baseline clip 5.0` by 2.50 points on" in said
    assert "It shows 2.00 times as many images in training." in said


def test_far_below_is_not_near(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    row = {"dataset": "d", "method": "baseline", "n": "1", "the seed's is": "accuracy"}
    row |= {"accuracy": Stat({0: 40.0}), "the seed's: accuracy": 50.0}
    monkeypatch.setattr(tables, "main_table", lambda _: [row])
    monkeypatch.setattr(tables, "table2", lambda _: [])
    (found,) = study.beside_the_seed(small(root))
    assert found["within 2"] == "no"


def test_a_tail_network_is_looked_at_on_the_images_of_its_tail(root: Path) -> None:
    (_, said) = luck._last_epochs(small(root))
    assert "of its tail network by 12.00, on 8 validation images" in said


def test_how_many_of_cifar10_and_cifar100_lie_near() -> None:
    rows: list[tables.Row] = [
        {"dataset": dataset, "ours – the seed's": Stat(dict(enumerate(points)))}
        for dataset, points in (
            ("cifar10-exp-0.1", (1.0, 3.0)),
            ("cifar10-step-0.1", (-2.5,)),
            ("cifar100-exp-0.1", (-3.0,)),
            ("cifar100-step-0.1", ()),
        )
    ]
    assert luck._by_name(rows) == (
        "of the 2 figures of CIFAR-10, 1 lie within 2 points, and ours is the higher one in 1; of "
        "the 1 figures of CIFAR-100, none lie within 2 points, and ours is the higher one in none"
    )


def test_what_diverged_without_clipping(root: Path) -> None:
    assert luck._without_clipping(small(root)) == [], "what diverged there was clipped"
    put(root, "split_lws_ownclipnull_s0", 50.0)
    said = "without clipping, `split_lws` diverged in {}none of 1 with batches of the group's own"
    assert luck._without_clipping(small(root)) == [said.format("")]
    put(root, "split_lws_clipnull_s0", 50.0)
    edit(root, "split_lws_clipnull_s0", failed="expert 1: the loss is nan")
    shared = "1 of 1 with batches of all images and in "
    assert luck._without_clipping(small(root)) == [said.format(shared)]


def test_what_one_network_has_beside_the_ways_to_cut(root: Path) -> None:
    assert "ways to cut" not in whole(luck.left_open(small(root)))
    put(root, "split_lws_K3_s0", 30.0)
    answer = luck.left_open(small(root))
    said = f"Beside the ways to cut, one network (`baseline`) has 42.00 ± 2.83 on {D} (n = 2)."
    assert answer.points[-1] == said
    rules = {row["rule"]: (row["lowest"], row["highest"]) for row in answer.rows}
    assert rules["concat"][0] == "half, K 3, 5 + 5: 30.00 (n = 1)"
    assert rules["affine"][1] == "half, K 2, 5 + 5: 52.00 ± 1.41 (n = 2)"


def test_a_control_of_more_seeds_is_compared_by_means_as_well(root: Path) -> None:
    put(root, "distill_s0", 63.0)
    for seed, accuracy in ((0, 60.5), (1, 65.5)):
        put(root, f"baseline_clip5.0_s{seed}", accuracy)
    assert whole(splits.best_split(small(root))).endswith(
        "by 2.50 points on digits-exp-0.1, on one seed. By the means over all seeds that each has, "
        "the difference is 0.00 points."
    )


def test_cells_that_train_nothing_are_counted(root: Path) -> None:
    put(root, "tau_norm_tau1.0_s0", 50.0)
    cells = small(root)
    start = cells.entries[f"{D}_tau_norm_tau1.0_s0"]["start"]
    assert start in cells.scored
    assert page._untrained(cells) == 1
    assert cells.scored[start].score["metrics"]["updates"] == 4000
    edit(root, "tau_norm_tau1.0_s0", metrics={"updates": 4500})
    assert page._untrained(small(root)) == 0


def test_the_soft_split_of_the_claim_is_told_on_its_own_seeds(root: Path) -> None:
    put(root, f"{OURS}_s2", 63.0)
    put(root, "balpoe_confirmtaus11_s2", 65.0)
    assert (
        "On the seeds of the claim below, `soft_split, lean 1, shared, mixup` is behind its "
        in (splits.beside_the_bar(small(root)).said)
    )


def test_how_far_the_seeds_own_tables_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(*accuracies: float | None) -> list[tables.Row]:
        ours = {"the seed's is": "within", "within: accuracy": Stat({0: 49.5}), "accuracy": Stat()}
        return [
            {"dataset": "d", "method": str(k), "the seed's: accuracy": one, **ours}
            for k, one in enumerate(accuracies)
        ]

    monkeypatch.setattr(tables, "main_table", lambda _: rows(50.0, 60.0))
    monkeypatch.setattr(tables, "table2", lambda _: rows(48.0, 61.0, 70.0, None))
    assert luck._told_twice(Cells()).startswith(
        "the seed has 2 of its figures twice, 1.00 to 2.00 points apart, from two trainings"
    )
    theirs = "; ours are 1.50 to 11.50 points from the second of these"
    assert luck._told_twice(Cells()).endswith(theirs), "of 48 and of 61"
    monkeypatch.setattr(tables, "table2", lambda _: [])
    assert luck._told_twice(Cells()) == ""


def test_what_a_method_costs_and_what_validation_says(root: Path) -> None:
    costs = {"parameters": 2_345_678, "images": 123_456, "updates": 4321}
    for seed in (0, 1):
        made = score(f"split_lws_s{seed}", 50.0)
        edit(root, f"split_lws_s{seed}", metrics=made["metrics"] | costs)
    rows = {row["method"]: row for row in ranking.everything(small(root))}
    row = rows["split_lws, affine (by validation)"]
    assert str(row["validation, balanced"]) == "60.00 ± 0.00"
    assert row["parameters (million)"] == 2.35
    assert row["images (million)"] == 0.12
    assert row["updates (thousand)"] == 4.32


def test_the_interval_beside_the_bar_is_of_the_difference(root: Path) -> None:
    for seed, gain in ((0, 3.0), (1, 5.0)):
        put(root, f"ensemble_studytau1_s{seed}", 60.0 + seed)
        put(root, f"soft_split_studylean1_s{seed}", 60.0 + seed + gain)
    row = next(r for r in ranking.falling(small(root)) if r["method"] == "soft_split, lean 1")
    assert row["95 % interval"] == "[-8.71, 16.71]", "4 ± 12.706 sqrt(2) / sqrt(2)"
