"""A floor under the cost of a sale: the continuous problem, with lots and fixed charges relaxed.

For each candidate with between `low` and `high` steps, charges are bounded from below by straight pieces:
a line from nothing through the charges of `high` steps while none need be sold, so that a minimum commission
is spread as thinly as it can be; the charges of `low` steps and convex pieces from there once some must.
Filling the pieces in order of cost per dollar cured is then the exact optimum of the relaxed problem
(`reference/margin-peers.md` 2.9.3), and no choice in whole lots costs less.

Two shortages may have to be cured at once, against the margin value and against the credit limit. Any
weighted sum of the two is a valid single constraint; the best weight gives the linear programme's bound.

Integers throughout, in the units of `lines`, rounded towards the lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from margin.sales.lines import CENT
from margin.sales.lots import SaleBook

MERIT: Final = 10**24
WEIGHTS: Final = 1 << 12
FRACTION_BITS: Final = 32
ROUNDING_PER_LEG: Final = 106 * CENT
"""More than rounding can move one leg: stamp duty to the dollar, all else to the cent."""

WHOLE: Final = 1 << FRACTION_BITS
Box = tuple[tuple[int, int], ...]
Piece = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The relaxed optimum within a box: cost, steps in 1/2^32, and what curing the rounding may cost."""

    bound: int
    steps: tuple[int, ...]
    rounding: int


class Relaxation:
    """The linear problem of one sale, solved again and again within ever smaller boxes."""

    def __init__(self, book: SaleBook) -> None:
        self.lines = book.lines
        self._margin_need, self._limit_need = book.needs()
        self._rounding = ROUNDING_PER_LEG * len(self.lines)
        self._pieces: dict[tuple[int, int, int, int], tuple[int, int, tuple[Piece, ...]]] = {}

    def gain_per_step(self, index: int, weight: int = WEIGHTS) -> int:
        """Return the cure of one step at marginal rates; full `weight` is against the margin value alone."""
        line = self.lines[index]
        return line.value - line.margin * weight // WEIGHTS - line.marginal_charges

    def relaxed_charges(self, index: int, low: int, high: int, steps: int) -> int:
        """Return what the straight pieces say for a number of steps between low and high."""
        if low == 0:
            return self.lines[index].charges(high) // high * steps if high else 0
        total = self.lines[index].charges(low)
        left = steps - low
        for slope, length in self._convex(index, low, high):
            taken = min(length, left)
            total += slope * taken
            left -= taken
        return total

    def solve(self, box: Box) -> Relaxed | None:
        """Return the relaxed optimum within a box, or None if no choice in it can cure."""
        margin_only = self._fill(box, WEIGHTS)
        if self._limit_need <= 0 or margin_only is None:
            return margin_only
        limit_only = self._fill(box, 0)
        if limit_only is None:
            return None
        if self._spare(box, limit_only.steps)[0] >= 0:
            return limit_only
        if self._spare(box, margin_only.steps)[1] >= 0:
            return margin_only
        return self._both(box, limit_only, margin_only)

    def _both(self, box: Box, limit_side: Relaxed, margin_side: Relaxed) -> Relaxed | None:
        """Find the weight that cures both shortages together, and mix the fillings on its two sides."""
        low, high = 0, WEIGHTS
        bound = max(limit_side.bound, margin_side.bound)
        while high - low > 1:
            middle = (low + high) // 2
            filled = self._fill(box, middle)
            if filled is None:
                return None
            bound = max(bound, filled.bound)
            if self._spare(box, filled.steps)[0] >= 0:
                high, margin_side = middle, filled
            else:
                low, limit_side = middle, filled
        short = -self._spare(box, limit_side.steps)[0]
        spare = self._spare(box, margin_side.steps)[0]
        share = Fraction(short, short + spare) if short + spare > 0 else Fraction(1)
        mixed = tuple(
            a + (b - a) * share.numerator // share.denominator
            for a, b in zip(limit_side.steps, margin_side.steps, strict=True)
        )
        return Relaxed(bound, mixed, max(limit_side.rounding, margin_side.rounding))

    def _fill(self, box: Box, weight: int) -> Relaxed | None:
        """Fill the pieces in order of cost per cure until the weighted shortage is gone."""
        need = (self._margin_need * weight + self._limit_need * (WEIGHTS - weight)) // WEIGHTS
        bound = 0
        pieces: list[Piece] = []
        steps = [low << FRACTION_BITS for low, _ in box]
        for index, (low, high) in enumerate(box):
            if high:
                cost, cure, parts = self._parts(index, low, high, weight)
                bound += cost
                need -= cure
                pieces.extend(parts)
        rounding = 0
        if need > 0:
            pieces.sort()
            for _, index, cost, cure, length in pieces:
                if cure * length < need:
                    need -= cure * length
                    bound += cost * length
                    steps[index] += length << FRACTION_BITS
                else:
                    bound += cost * need // cure
                    steps[index] += (need << FRACTION_BITS) // cure
                    rounding = self._rounding * cost // cure
                    need = 0
                    break
            if need > 0:
                return None
        return Relaxed(bound, tuple(steps), rounding)

    def _parts(self, index: int, low: int, high: int, weight: int) -> tuple[int, int, tuple[Piece, ...]]:
        """Return (cost, cure) of the steps that must be sold and the pieces of those that may be."""
        known = self._pieces.get((index, low, high, weight))
        if known is not None:
            return known
        line = self.lines[index]
        relief = line.value - line.margin * weight // WEIGHTS
        charges = self.lines[index].charges(low)
        slopes = self._convex(index, low, high) if low else [(self.lines[index].charges(high) // high, high)]
        pieces = []
        for slope, length in slopes:
            if relief > slope:
                cost, cure = slope + line.penalty, relief - slope
                pieces.append((cost * MERIT // cure, index, cost, cure, length))
        known = (charges + line.penalty * low, relief * low - charges, tuple(pieces))
        self._pieces[index, low, high, weight] = known
        return known

    def _convex(self, index: int, low: int, high: int) -> list[tuple[int, int]]:
        """Return (charges per step, number of steps) from low to high, dearer towards the end.

        The minima of commission and settlement fee cover the first steps; a maximum is cut by a chord.
        """
        line = self.lines[index]
        covered = _steps_covered(line.commission_minimum, line.commission, low, high)
        settled = _steps_covered(line.settlement_minimum, line.settlement, low, high)
        rise = line.settlement_fee(high) - line.settlement_fee(settled)
        ends = sorted({low, max(covered - 1, low), covered, settled, high})
        pieces = []
        for start, end in pairwise(ends):
            slope = line.other + (line.commission_on(end) - line.commission_on(start)) // (end - start)
            if start >= settled:
                slope += rise // (high - settled)
            pieces.append((slope, end - start))
        return pieces

    def _spare(self, box: Box, steps: Sequence[int]) -> tuple[int, int]:
        """Return by how much a relaxed choice cures more than needed, against margin value and limit."""
        by_margin, by_limit = -self._margin_need, -self._limit_need
        for index, ((low, high), number) in enumerate(zip(box, steps, strict=True)):
            if number:
                line = self.lines[index]
                whole = number >> FRACTION_BITS
                charges = self.relaxed_charges(index, low, high, whole)
                rest = number - (whole << FRACTION_BITS)
                if rest:
                    next_charges = self.relaxed_charges(index, low, high, whole + 1)
                    charges += (next_charges - charges) * rest >> FRACTION_BITS
                by_limit += (line.value * number >> FRACTION_BITS) - charges
                by_margin += ((line.value - line.margin) * number >> FRACTION_BITS) - charges
        return by_margin, by_limit


def _steps_covered(minimum: int, per_step: int, low: int, high: int) -> int:
    covered = high if per_step == 0 else -(-minimum // per_step)
    return min(max(covered, low), high)
