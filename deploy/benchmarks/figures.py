"""The arithmetic of a measurement: nothing here knows what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """What one case came to: events per second, and the latency of a call in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


def percentile(samples: Sequence[int], percent: int) -> int:
    """Return the smallest sample that at least `percent` of all samples do not exceed (nearest rank).

    >>> percentile([15, 20, 35, 40, 50], 50), percentile([15, 20, 35, 40, 50], 99), percentile([7], 50)
    (35, 50, 7)
    """
    if not samples or not 0 < percent <= 100:
        raise ValueError("a percentile needs samples, and a rank above 0 and up to 100")
    return sorted(samples)[math.ceil(len(samples) * percent / 100) - 1]


def figure(events: int, elapsed_seconds: float, latencies_ns: Sequence[int]) -> Figure:
    """Sum up one round of one case.

    >>> figure(100, 2.0, [1_000_000, 2_000_000, 9_000_000])
    Figure(per_second=50.0, p50_ms=2.0, p99_ms=9.0)
    """
    return Figure(
        per_second=events / elapsed_seconds,
        p50_ms=percentile(latencies_ns, 50) / 1e6,
        p99_ms=percentile(latencies_ns, 99) / 1e6,
    )


def median_figure(rounds: Sequence[Figure]) -> Figure:
    """Return the median of the rounds, each column for itself.

    >>> median_figure([Figure(10.0, 1.0, 9.0), Figure(30.0, 3.0, 7.0), Figure(20.0, 2.0, 8.0)])
    Figure(per_second=20.0, p50_ms=2.0, p99_ms=8.0)
    """
    return Figure(
        per_second=median(each.per_second for each in rounds),
        p50_ms=median(each.p50_ms for each in rounds),
        p99_ms=median(each.p99_ms for each in rounds),
    )


def ratio(per_second: float, yardstick_per_second: float | None) -> float | None:
    """How many times the yardstick, to two decimals; None when it was not measured.

    >>> ratio(9_000.0, 4_000.0), ratio(9_000.0, None)
    (2.25, None)
    """
    return round(per_second / yardstick_per_second, 2) if yardstick_per_second else None


def growth_percent(before: float, after: float) -> float:
    """By how many per cent a cost grew, to one decimal; negative when it fell.

    >>> growth_percent(2.0, 2.3), growth_percent(2.0, 1.9)
    (15.0, -5.0)
    """
    return round((after / before - 1) * 100, 1)
