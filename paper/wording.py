"""An answer, and its sentences: who is ahead, by how much, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lt.score.stats import Stat
from paper.tables import Row

NOTHING, NOT_RUN = "No cell that would answer this has been run.", "not run"  # and in brief


@dataclass(frozen=True)
class Answer:
    """What is known of a question.

    Attributes:
        said: a sentence or two.
        points: what else is said, in a list, a sentence or more each.
        rows: the numbers, a row for each dataset or comparison; empty if nothing was run.
        brief: the answer in a few words, with the number of seeds.
        counts: in how many comparisons it is yes; "" if the question is not one of yes or no.
    """

    said: str
    rows: Sequence[Row]
    brief: str = NOT_RUN
    counts: str = ""
    points: Sequence[str] = ()


def ahead(differences: Iterable[Stat], what: str = "comparison") -> str:
    """Say in how many comparisons the difference is above zero, and of these, how many surely.

    It is "" if none was run.
    """
    run = [stat for stat in differences if stat.n]
    text = f"In {number_ahead(run)} of {len(run)} {what}{'s' if len(run) > 1 else ''}"
    sure = _how_sure([stat for stat in run if stat.mean > 0])
    return f"{text}{sure}" if run else ""


def with_n(counts: str, differences: Iterable[Stat]) -> str:
    """Add the number of seeds to what is said of these differences."""
    told = seeds(stat.n for stat in differences)
    return f"{counts}, {told}" if told else NOT_RUN


def seeds(numbers: Iterable[int]) -> str:
    """Say which numbers of seeds there are, the fewest and the most; "" if none was run."""
    run = sorted({number for number in numbers if number})
    ends = run[:: max(len(run) - 1, 1)]
    return f"n = {' to '.join(map(str, ends))}" if run else ""


def number_ahead(run: Iterable[Stat]) -> str:
    """Return in how many of the differences the first is ahead, or "none"."""
    return str(sum(stat.mean > 0 for stat in run) or "none")


def _how_sure(differences: Sequence[Stat]) -> str:
    """Say where the 95 % interval is on one side of zero; "" where none has several seeds."""
    known = [ends for ends in (stat.interval() for stat in differences) if ends]
    sure = sum(low > 0 or high < 0 for low, high in known)
    if len(known) > 1:
        both = f"{len(known)} have several seeds, and the 95 % interval excludes zero"
        return f"; {both} in {sure or 'none'} of them"
    if not known:
        return ""
    whose = "the" if len(differences) == 1 else "one has several seeds, and its"
    return f"; {whose} 95 % interval {'ex' if sure else 'in'}cludes zero"


def compared(
    ours: str, theirs: str, differences: Mapping[str, Stat], what: str = "comparison"
) -> str:
    """Say in how many comparisons `ours` is ahead, by how much, and how sure that is.

    Args:
        ours: what is compared.
        theirs: with what.
        differences: by what they are of, which is named where one alone was run.
        what: what each of them is, where some are still to be run.

    Returns:
        a sentence in lower case, without a full stop; "" if none was run.
    """
    run = [stat for stat in differences.values() if stat.n]
    if not run:
        return ""
    where = "".join(f" on {name}" for name, stat in differences.items() if stat.n)
    parts = []
    for word, side in (("ahead of", 1), ("behind", -1)):
        there = [stat for stat in run if side * stat.mean > 0]
        if there:
            by, sure = f"by {span([side * stat.mean for stat in there])} points", _how_sure(there)
            if len(run) > 1:
                by = f"in {len(there)} of {len(run)} ({by}{sure})"
            else:
                by += where + sure
            parts.append(f"{word} {theirs} {by}")
    text = f"{ours} is {' and '.join(parts) or f'level with {theirs}'}"
    if all(stat.n == 1 for stat in run):
        text += f", on one seed{' each' if len(run) > 1 else ''}"
    if missing := len(differences) - len(run):
        text += f"; {missing} more {what}{' is' if missing == 1 else 's are'} to be run"
    return text


def holm(differences: Sequence[Stat]) -> list[int]:
    """Return which of the differences, each of several seeds, are not zero at 5 % in all.

    Student's t, paired by seed, with Holm's correction (1979) for as many tests.
    """
    chances = [_chance(one) for one in differences]
    order = sorted(range(len(chances)), key=chances.__getitem__)
    found: list[int] = []
    for left, k in zip(range(len(order), 0, -1), order, strict=True):
        if chances[k] * left > 0.05:
            break
        found.append(k)
    return found


def _chance(one: Stat) -> float:
    """Return the chance of a mean at least as far from zero, if there were no difference."""
    from scipy.stats import t

    if not one.sd:  # equal on all seeds: figures are too coarse to tell their spread
        return 1.0
    return 2 * float(t.sf(abs(one.mean) * math.sqrt(one.n) / one.sd, one.n - 1))


def how_sure_at_once(differences: Mapping[str, Stat]) -> list[str]:
    """Say how many of the differences exclude zero, and which do when all are tested at once.

    Those of fewer than two seeds are left out; it is [] of fewer than two that have them.

    Args:
        differences: by what they are of.
    """
    known = {name: stat for name, stat in differences.items() if stat.n > 1}
    if len(known) < 2:
        return []
    ends = filter(None, (stat.interval() for stat in known.values()))
    sure = sum(low > 0 or high < 0 for low, high in ends)
    names = list(known)
    left = [names[k] for k in holm(list(known.values()))]
    return [
        f"{len(known)} of the differences have an interval, and {sure or 'none'} of these "
        f"exclude{'s' if sure == 1 else ''} zero; by chance, one in twenty would",
        f"tested all at once (Holm's correction), {len(left) or 'none'} of them "
        f"{'is' if len(left) == 1 else 'are'} left{': ' if left else ''}{' and '.join(left)}",
    ]


def sentences(said: Sequence[str]) -> str:
    """Make sentences of texts in lower case; those that are "" are left out."""
    whole = [f"{one[0].upper()}{one[1:]}." for one in said if one]
    return " ".join(whole) or NOTHING


def listed(*groups: Iterable[str]) -> tuple[str, ...]:
    """Make a point of each group of texts in lower case, as `sentences` does of one."""
    whole = [[text for text in group if text] for group in groups]
    return tuple(sentences(group) for group in whole if group)


def span(values: Sequence[float], digits: int = 2) -> str:
    """Return the lowest and the highest of the values, or one of them where both read the same.

    digits: after the point.
    """
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def by_means(pairs: Iterable[tuple[Stat, Stat]]) -> str:
    """Say by how much each first is ahead of its second by the means over all seeds of each.

    It is "" where both sides of each pair have the same seeds, and so no other figure.
    """
    run = [(one, other) for one, other in pairs if one.n and other.n]
    if all(one.by_seed.keys() == other.by_seed.keys() for one, other in run):
        return ""
    points = span([one.mean - other.mean for one, other in run])
    return f"by the means over all seeds that each has, the difference is {points} points"


def difference(title: str, stat: Stat) -> Row:
    """Return a difference as two columns: under `title`, and its interval."""
    return {title: stat, "95 % interval": stat.interval_text()}
