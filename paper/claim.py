"""A claim that was made before its seeds were run, and what has become of it."""

from __future__ import annotations

from collections.abc import Sequence

from lt.score.stats import Stat
from paper import bar, contests
from paper.cells import Cells
from paper.contests import Candidate
from paper.wording import NOT_RUN, Answer, compared, sentences, span


def confirmed(cells: Cells) -> Answer:
    """Say what has become of the claim made beforehand: a soft split is ahead of the bar.

    It holds if the 95 % interval is above zero once every seed was run, and none has diverged.
    """
    rows = bar.confirmed(cells, bar.OF_THE_PAGE)
    gain, of_the_lean, of_the_rest = (row["accuracy"] for row in rows)
    dataset, (pair, *_) = cells.size["confirm"], contests.CONFIRMED
    asked = len(_seeds_of(cells, dataset, pair[0]))
    verdict, brief = _verdict(gain, asked, _diverged(cells, dataset, pair))
    brief = f"On {dataset}, {brief}" if brief else NOT_RUN
    if asked and of_the_lean.n == gain.n == asked:
        brief += f". {_without_lean(of_the_lean)}"
    ours, bars = (one.stat(cells, dataset).over(gain.by_seed.keys()) for one in pair)
    theirs = "the bar on mixed images"

    def besides(this: str, other: str, stat: Stat) -> str:
        text = compared(this, other, {dataset: stat})
        so_far = f" ({stat.n} of {asked} seeds so far)" if stat.n < asked else ""
        return f"besides the claim, {text}{so_far}" if text else ""

    said = [
        compared("this soft split", theirs, {dataset: gain}),
        f"they have {ours} and {bars}; seed by seed, the difference is "
        f"{span(list(gain.by_seed.values()))} points"
        if gain.n > 1
        else "",
        verdict,
        besides("it", "the same without its lean (`balpoe, taus 1 and 1`)", of_the_lean),
        besides("the same without its lean", theirs, of_the_rest),
    ]
    return Answer(sentences(said), [row for row in rows if row["n"]], brief=brief)


def _seeds_of(cells: Cells, dataset: str, one: Candidate) -> set[int]:
    """Return the seeds that the grid asks for."""
    wanted = (dataset, one.model, one.variation)
    return {
        entry["seed"]
        for entry in cells.entries.values()
        if (entry["dataset"], entry["model"], entry["variation"]) == wanted
    }


def _diverged(cells: Cells, dataset: str, pair: Sequence[Candidate]) -> bool:
    return any(
        cell.failed is not None
        for one in pair
        for cell in cells.of(dataset, one.model, one.variation)
    )


def _verdict(gain: Stat, asked: int, diverged: bool) -> tuple[str, str]:
    """Return the verdict on a claim, and the same in brief; both "" if no seed was run.

    Args:
        gain: what was claimed to be above zero, of the seeds that were run on both sides.
        asked: the number of seeds that it was claimed for.
        diverged: whether a training of either side has.
    """
    if diverged:
        return (
            "a training diverged, so the claim does not hold",
            "it does not hold: a training diverged",
        )
    if not gain.n:
        return "", ""
    if left := asked - gain.n:
        have = "has" if gain.n == 1 else "have"
        return (
            f"{gain.n} of the {asked} seeds {have} been run on both sides: the verdict waits for "
            "all",
            f"it waits for {left} of {asked} seeds",
        )
    ends = gain.interval()
    holds = "holds" if ends and ends[0] > 0 else "does not hold"
    by = f"by {gain.mean:.2f} points, {gain.interval_text()}, n = {gain.n}"
    return f"the claim {holds}", f"it {holds}: {by}"


def _without_lean(gain: Stat) -> str:
    """Say how the same without a lean compares, of which the soft split has `gain` more."""
    word = "less" if gain.mean > 0 else "more"
    if gain.mean <= 0:
        gain = Stat({seed: -points for seed, points in gain.by_seed.items()})
    return f"The same without a lean has {gain.mean:.2f} {word}, {gain.interval_text()}"
