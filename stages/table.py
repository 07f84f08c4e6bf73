"""table: metrics as a table and a figure; --experiments: those of this commit's experiments.

--experiments --all-commits (-A) shows those of other commits, too. --experiments --against METHOD
compares the others with one, seed by seed. --experiments --csv FILE also writes a row for each run,
with all of its metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from lt import files, unchanged
from lt.score import experiments, extremes, figures, scored, store, tables, tried
from stages import FINAL, METRICS, Parser, edited, main, refuse_if_changed

RUN = FINAL / "run.json"
TABLE, FIGURE = METRICS / "table.md", METRICS / "accuracy.png"
USAGE = "python -m stages.table --experiments [-A] [--against METHOD] [--csv FILE]"
EXPERIMENTS = METRICS / "experiments.png"  # not in git: it is of one clone's experiments


def run(arguments: Sequence[str]) -> None:
    """Write table.md and accuracy.png; with --experiments print and draw DVC's experiments."""
    if arguments[:1] == ["--experiments"]:
        parser = Parser(usage=USAGE)
        parser.add_argument("-A", "--all-commits", action="store_true")
        parser.add_argument("--against")
        parser.add_argument("--csv", type=Path)
        _experiments(**vars(parser.parse_args(arguments[1:])))
        return
    if arguments:
        raise ValueError(f"expected --experiments or nothing, got {' '.join(arguments)}")
    inputs = unchanged.Snapshot([*(METRICS / name for name in scored.FILES), RUN])
    run = store.load_run(FINAL)
    found, classes, rule = scored.load(METRICS, FINAL, run)
    figure = figures.by_rank(classes, f"{tables.title(run)}\nrule {rule}")
    with files.whole(FIGURE) as drawn, files.whole(TABLE) as written:
        figures.save(figure, drawn)
        written.write_text(tables.run_table(found, run, rule) + extremes.table(classes))
        refuse_if_changed([*map(str, inputs.changed()), *edited("table")])


def _experiments(all_commits: bool, against: str | None, csv: Path | None) -> None:
    if find_spec("dvc") is None:
        raise ValueError("--experiments: expected DVC, whose experiments it reads, got none")
    if not Path("dvc.yaml").exists():
        raise ValueError(f"no dvc.yaml in {Path.cwd()}: run it in the repository's folder")
    if csv and csv.is_dir():
        raise ValueError(f"--csv: expected a file, got the folder {csv}")
    known = tried.experiments(all_commits)
    rows = experiments.rows(known.shown)
    compared = experiments.against(known.shown, against) if rows and against is not None else []
    if rows:
        print(experiments.table(rows))
        if "photos" in rows[0]:
            print("photos: another mark, with the same params of images, means other pictures.\n")
        if tried.CODE in rows[0]:
            print("code: another mark means that a method, training or scores were edited.\n")
        if against is not None:
            print(f"What they have more than {against}, by n seeds of both, with 95 % intervals:\n")
            print(experiments.table(compared) if compared else "nothing\n")
            left = sum(row["model"] != against for row in rows) - len(compared)
            if left:
                print(f"Not compared: {left} with other images, training or seeds.\n")
        with files.whole(EXPERIMENTS) as drawn:
            figures.save(figures.experiments(experiments.points(rows)), drawn)
        print(f"{EXPERIMENTS} shows them.")
        if csv:
            with files.whole(csv) as written:
                experiments.runs(known.shown).to_csv(written, index=False)
            print(f"{csv} has a row for each run.")
    elif not known.not_proved:
        print("no experiment yet: dvc exp run -S model=split_lws")
    if rows and any(row not in rows for row in experiments.rows([*known.not_run, *known.shown])):
        print("Not shown: params.yaml as it is now, which has not been run (`dvc exp run`).")
    if known.unfinished:
        states = ", ".join(f"{number} {state}" for state, number in known.unfinished.items())
        print(f"Not shown: experiments of the queue that have no result: {states}.")
    if known.not_proved:
        print(
            f"Not shown: {known.not_proved} (commits or experiments) whose dvc.lock does not say "
            "that their params.yaml was run (after `dvc repro`, commit dvc.lock)."
        )
    if known.others:
        print(f"Not shown: {known.others} of other commits (-A shows them).")


if __name__ == "__main__":
    main(run)
