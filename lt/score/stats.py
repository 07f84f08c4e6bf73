"""One quantity over several seeds: mean, deviation, interval, differences; a share's interval."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

MISSING = "–"


@cache
def wilson(hits: int, num: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share in percent (Wilson 1927); None of no trial at all.

    >>> [round(end, 1) for end in wilson(3, 3)]
    [43.9, 100.0]
    """
    if num == 0:
        return None
    from scipy.stats import binomtest

    low, high = binomtest(hits, num).proportion_ci(confidence_level=0.95, method="wilson")
    return 100 * float(low), 100 * float(high)


@dataclass(frozen=True)
class Stat:
    """One quantity by seed, in percent points, seconds or another unit."""

    by_seed: Mapping[int, float] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.by_seed)

    @property
    def mean(self) -> float:
        """The mean; NaN for no seed."""
        return float(np.mean(list(self.by_seed.values()))) if self.by_seed else math.nan

    @property
    def sd(self) -> float:
        """Standard deviation of a sample; NaN for fewer than two seeds."""
        return float(np.std(list(self.by_seed.values()), ddof=1)) if self.n > 1 else math.nan

    @property
    def range(self) -> float:
        """The largest less the smallest; NaN for no seed."""
        return float(np.ptp(list(self.by_seed.values()))) if self.by_seed else math.nan

    def __sub__(self, other: Stat) -> Stat:
        """Return the differences, paired by seed; seeds that one lacks are left out."""
        both = self.by_seed.keys() & other.by_seed.keys()
        return Stat({seed: self.by_seed[seed] - other.by_seed[seed] for seed in sorted(both)})

    def __truediv__(self, other: Stat) -> Stat:
        """Return the ratios, paired by seed."""
        both = self.by_seed.keys() & other.by_seed.keys()
        return Stat({seed: self.by_seed[seed] / other.by_seed[seed] for seed in sorted(both)})

    def over(self, seeds: Collection[int]) -> Stat:
        """Return the quantity for these seeds alone."""
        return Stat({seed: value for seed, value in self.by_seed.items() if seed in seeds})

    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % confidence interval of the mean (Student's t).

        It is None for fewer than two seeds.
        """
        if self.n < 2:
            return None
        from scipy.stats import t

        half = float(t.ppf(0.975, self.n - 1)) * self.sd / math.sqrt(self.n)
        return self.mean - half, self.mean + half

    def interval_text(self) -> str | None:
        """Return the interval as text; an end near zero has the digits that show its side of it."""
        ends = self.interval()
        return f"[{_signed(ends[0])}, {_signed(ends[1])}]" if ends else None

    def __str__(self) -> str:
        if not self.by_seed:
            return MISSING
        return f"{self.mean:.2f} ± {self.sd:.2f}" if self.n > 1 else f"{self.mean:.2f}"


def _signed(value: float) -> str:
    text = f"{value:.2f}"
    return f"{value:.1g}" if value and not float(text) else text
