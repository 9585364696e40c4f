"""What a sale moves the price by: the square-root law, exact and with a floor in straight pieces.

Selling `X` dollars of an asset of which `ADV` are traded on an average day costs `k X sqrt(X / ADV)` on top of the
charges, with `k` the day's volatility times a constant of about 0.8 that the firm calibrates
(`reference/margin-peers.md` 2.9.4). Exact here means `sqrt(k^2 X^3 / ADV)` of integers, rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import isqrt
from typing import Final

from ledger.core.decimals import exact

TANGENTS: Final = 4
Pieces = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Impact:
    """`coefficient` is `k`, from 0 to 1; `daily_value` is `ADV` in base currency, above 0.

    Raises `ValueError` on a value out of range.

    >>> Impact(Decimal("0.02"), Decimal(1000000)).cents(100_000_00)
    63246
    """

    coefficient: Decimal
    daily_value: Decimal

    def __post_init__(self) -> None:
        if not 0 <= exact(self.coefficient) <= 1:
            raise ValueError(f"impact coefficient {self.coefficient} is not between 0 and 1")
        if exact(self.daily_value) <= 0:
            raise ValueError(f"daily value {self.daily_value} is not positive")

    def cents(self, gross_cents: int) -> int:
        """Return what a sale of so much loses to its own impact, in cents rounded up."""
        k_top, k_bottom = self.coefficient.as_integer_ratio()
        day_top, day_bottom = self.daily_value.as_integer_ratio()
        top = k_top**2 * gross_cents**3 * day_bottom
        bottom = k_bottom**2 * day_top * 100
        return _root_up(-(-top // bottom))

    def per_step_squared(self, value: int, scale: int) -> int:
        """Return `k^2 value^3 / ADV` for a step worth `value` units of 1/scale, rounded down.

        Times the cube of a number of steps it is the square of their impact, in the same units.
        """
        k_top, k_bottom = self.coefficient.as_integer_ratio()
        day_top, day_bottom = self.daily_value.as_integer_ratio()
        return k_top**2 * value**3 * day_bottom // (k_bottom**2 * day_top * scale)


def impact_of(squared: int, steps: int) -> int:
    """Return the impact of so many steps, rounded down."""
    return isqrt(squared * steps**3) if squared else 0


def floor_pieces(squared: int, low: int, high: int, touching: Iterable[int] = ()) -> Pieces:
    """Return (slope, number of steps) of straight pieces from low to high that never rise above the impact.

    They are tangents at points spread evenly and at those of `touching` in between; the tangents at p and q
    meet at (p + q + sqrt(p q)) / 3, which is rounded up.
    """
    spread = {low + (high - low) * i // (TANGENTS - 1) for i in range(TANGENTS)}
    points = sorted(spread.union(point for point in touching if low < point < high))
    ends = [low, *(min(-(-(p + q + isqrt(p * q) + 1) // 3), high) for p, q in pairwise(points)), high]
    slopes = [3 * isqrt(squared * point) // 2 for point in points]
    return [
        (slope, end - start)
        for slope, (start, end) in zip(slopes, pairwise(ends), strict=True)
        if end > start
    ]


def floor_at(squared: int, low: int, steps: int, pieces: Pieces) -> int:
    """Return what the straight pieces from `low` say for a number of steps."""
    total, left = impact_of(squared, low), steps - low
    for slope, length in pieces:
        taken = min(length, left)
        total += slope * taken
        left -= taken
    return total


def merged(one: Pieces, other: Pieces) -> Pieces:
    """Add two rows of straight pieces over the same range.

    >>> merged([(1, 4), (2, 2)], [(10, 3), (20, 3)])
    [(11, 3), (21, 1), (22, 2)]
    """
    return [(a + b, length) for a, b, length in split_alike(one, other)]


def split_alike(one: Pieces, other: Pieces) -> list[tuple[int, int, int]]:
    """Cut two rows of straight pieces over the same range so that both are straight in each part.

    >>> split_alike([(1, 4), (2, 2)], [(10, 3), (20, 3)])
    [(1, 10, 3), (1, 20, 1), (2, 20, 2)]
    """
    ends = sorted({*_ends(one), *_ends(other)})
    return [
        (_slope_at(one, start), _slope_at(other, start), end - start) for start, end in pairwise([0, *ends])
    ]


def _ends(pieces: Pieces) -> list[int]:
    ends, at = [], 0
    for _, length in pieces:
        at += length
        ends.append(at)
    return ends


def _slope_at(pieces: Pieces, start: int) -> int:
    for slope, length in pieces:
        if start < length:
            return slope
        start -= length
    return pieces[-1][0]


def _root_up(number: int) -> int:
    root = isqrt(number)
    return root if root * root == number else root + 1
