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
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple

from margin.sales.impact import floor_at, floor_pieces, impact_of, merged, split_alike
from margin.sales.lines import CENT
from margin.sales.lots import SaleBook

MERIT: Final = 10**24
WEIGHTS: Final = 1 << 12
FRACTION_BITS: Final = 32
ROUNDING_PER_LEG: Final = 106 * CENT
"""More than rounding can move one leg: stamp duty to the dollar, all else to the cent."""

WHOLE: Final = 1 << FRACTION_BITS
STRIDE_FIRST: Final = 4
TOUCHING_MAX: Final = 24
IMPACT_GAP_MAX: Final = 2 * CENT
Box = tuple[tuple[int, int], ...]


class Piece(NamedTuple):
    """A straight piece of one candidate's charges; amounts a step, `length` in steps.

    `merit` is cost per cure; `cure` is against the weighted shortage, the last two against each alone.
    """

    merit: int
    candidate: int
    cost: int
    cure: int
    length: int
    to_margin: int
    to_limit: int


class Parts(NamedTuple):
    """What must be sold of one candidate within a box, as totals, and the pieces of what may be."""

    cost: int
    cure: int
    to_margin: int
    to_limit: int
    pieces: tuple[Piece, ...]


class Filled(NamedTuple):
    """The pieces filled in order of merit until the weighted shortage is gone.

    `spare_margin` and `spare_limit` are by how much each shortage is cured beyond need; `rate` is (cost, cure)
    of the piece that was filled last.
    """

    bound: int
    steps: list[int]
    spare_margin: int
    spare_limit: int
    rate: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The relaxed optimum within a box: cost, steps in 1/2^32, and what curing the rounding may cost.

    `weight` and `rate` are the multipliers that prove the bound; `box` is the part of the box in which
    anything below the ceiling that was asked for must lie.
    """

    bound: int
    steps: tuple[int, ...]
    rounding: int
    weight: int
    rate: tuple[int, int]
    box: Box


class Relaxation:
    """The linear problem of one sale, solved again and again within ever smaller boxes."""

    def __init__(self, book: SaleBook) -> None:
        self.lines = book.lines
        self._margin_need, self._limit_need = book.needs()
        self._rounding = ROUNDING_PER_LEG * len(self.lines)
        self._touching: list[set[int]] = [set() for _ in self.lines]
        self._parts_of: list[dict[tuple[int, int, int], Parts]] = [{} for _ in self.lines]

    def gain_per_step(self, index: int, weight: int = WEIGHTS) -> int:
        """Return the cure of one step at marginal rates; full `weight` is against the margin value alone."""
        line = self.lines[index]
        return line.value - line.margin * weight // WEIGHTS - line.marginal_charges

    def excess(self, index: int, relaxed: Relaxed) -> int:
        """Return by how much a step costs more, or less, than the cure it gives does elsewhere, in absolute terms."""
        line = self.lines[index]
        cost, cure = relaxed.rate
        gain = self.gain_per_step(index, relaxed.weight)
        return abs((line.marginal_charges + line.penalty) * cure - cost * gain) // cure

    def relaxed_charges(self, index: int, low: int, high: int, steps: int) -> int:
        """Return what the straight pieces say for a number of steps between low and high."""
        total = self.lines[index].charges(low)
        left = steps - low
        for slope, length in self._slopes(index, low, high):
            taken = min(length, left)
            total += slope * taken
            left -= taken
        return total

    def solve(self, box: Box, ceiling: int, weight: int | None = None) -> Relaxed | None:
        """Return the relaxed optimum within a box, or None if no choice in it cures for less than `ceiling`.

        `weight` is where to look first when two shortages bind. The box that comes back leaves out what the
        multipliers prove to cost the ceiling or more.
        """
        if weight is None:
            weight = WEIGHTS if self._margin_need > 0 else 0
        while True:
            relaxed = self._solve(box, ceiling, weight)
            if relaxed is None or relaxed.bound + relaxed.rounding >= ceiling:
                return None
            if self._touch(box, relaxed):
                weight = relaxed.weight
                continue
            smaller = self._tightened(box, relaxed, ceiling - relaxed.bound - relaxed.rounding)
            # What was optional and now must be sold brings its fixed charges into the bound.
            if not any(a[0] > 0 == b[0] for a, b in zip(smaller, box, strict=True)):
                return replace(relaxed, box=smaller)
            box, weight = smaller, relaxed.weight

    def _solve(self, box: Box, ceiling: int, weight: int) -> Relaxed | None:
        if self._limit_need <= 0:
            filled = self._fill(box, WEIGHTS)
            return self._relaxed(filled, filled.steps, WEIGHTS, box) if filled else None
        return self._both(box, ceiling, weight)

    def _touch(self, box: Box, relaxed: Relaxed) -> bool:
        """Add tangents to the impact where the optimum lies, if it lies below the law by more than a little.

        A tangent to a convex law is a floor everywhere, so every later box has it too.
        """
        is_added = False
        for index, (low, high) in enumerate(box):
            squared, points = self.lines[index].impact_squared, self._touching[index]
            steps = relaxed.steps[index] >> FRACTION_BITS
            if squared and low < steps < high and len(points) < TOUCHING_MAX and steps not in points:
                pieces = floor_pieces(squared, low, high, points)
                if impact_of(squared, steps) - floor_at(squared, low, steps, pieces) > IMPACT_GAP_MAX:
                    points.add(steps)
                    self._parts_of[index].clear()
                    is_added = True
        return is_added

    def _both(self, box: Box, ceiling: int, weight: int) -> Relaxed | None:
        """Find the weight that cures both shortages together, and mix the fillings on its two sides.

        Every weight gives a valid bound, so the search ends as soon as one is too dear.
        """
        low, high, stride = -1, WEIGHTS + 1, STRIDE_FIRST
        limit_side = margin_side = best = None
        while high - low > 1:
            filled = self._fill(box, weight)
            if filled is None:
                return None
            if best is None or filled.bound > best.bound:
                best = self._relaxed(filled, filled.steps, weight, box)
                if best.bound + best.rounding >= ceiling:
                    return best
            if min(filled.spare_margin, filled.spare_limit) >= 0:
                return best if best.weight == weight else replace(best, steps=tuple(filled.steps))
            if filled.spare_limit < filled.spare_margin:
                high, margin_side = weight, filled
                weight = max(weight - stride, low + 1) if limit_side is None else (low + high) // 2
            else:
                low, limit_side = weight, filled
                weight = min(weight + stride, high - 1) if margin_side is None else (low + high) // 2
            stride *= 8
        if best is None or limit_side is None or margin_side is None:
            return best
        return replace(best, steps=_mixed(limit_side, margin_side))

    def _relaxed(self, filled: Filled, steps: Sequence[int], weight: int, box: Box) -> Relaxed:
        cost, cure = filled.rate
        return Relaxed(filled.bound, tuple(steps), self._rounding * cost // cure, weight, filled.rate, box)

    def _fill(self, box: Box, weight: int) -> Filled | None:
        """Fill the pieces in order of cost per cure until the weighted shortage is gone; None if it stays."""
        need = (self._margin_need * weight + self._limit_need * (WEIGHTS - weight)) // WEIGHTS
        spare_margin, spare_limit = -self._margin_need, -self._limit_need
        bound, rate = 0, (0, 1)
        pieces: list[Piece] = []
        steps = [0] * len(box)
        for index, (low, high) in enumerate(box):
            if high:
                parts = self._parts_of[index].get((low, high, weight)) or self._parts(
                    index, low, high, weight
                )
                pieces += parts.pieces
                if low:
                    steps[index] = low << FRACTION_BITS
                    bound += parts.cost
                    need -= parts.cure
                    spare_margin += parts.to_margin
                    spare_limit += parts.to_limit
        if need > 0:
            pieces.sort()
            for _, index, cost, cure, length, to_margin, to_limit in pieces:
                if cure * length >= need:
                    part = (need << FRACTION_BITS) // cure
                    rate = (cost, cure)
                    bound += cost * need // cure
                    steps[index] += part
                    spare_margin += to_margin * part >> FRACTION_BITS
                    spare_limit += to_limit * part >> FRACTION_BITS
                    break
                need -= cure * length
                bound += cost * length
                steps[index] += length << FRACTION_BITS
                spare_margin += to_margin * length
                spare_limit += to_limit * length
            else:
                return None
        return Filled(bound, steps, spare_margin, spare_limit, rate)

    def _tightened(self, box: Box, relaxed: Relaxed, room: int) -> Box:
        """Leave out of each candidate's range what the multipliers prove to cost more than `room` extra."""
        rate_cost, rate_cure = relaxed.rate
        room *= rate_cure
        smaller = []
        for index, (low, high) in enumerate(box):
            if low == high:
                smaller.append((low, high))
                continue
            pieces = self._parts(index, low, high, relaxed.weight).pieces
            excess = [(each.cost * rate_cure - rate_cost * each.cure, each.length) for each in pieces]
            least = low + sum(length for dearer, length in excess if dearer <= 0)
            above = _reach([each for each in excess if each[0] > 0], room)
            below = _reach([(-dearer, length) for dearer, length in reversed(excess) if dearer <= 0], room)
            smaller.append(
                (low if below is None else least - below, high if above is None else least + above)
            )
        return tuple(smaller)

    def _parts(self, index: int, low: int, high: int, weight: int) -> Parts:
        known = self._parts_of[index]
        parts = known.get((low, high, weight))
        if parts is None:
            parts = known[low, high, weight] = self._made_parts(index, low, high, weight)
        return parts

    def _made_parts(self, index: int, low: int, high: int, weight: int) -> Parts:
        line = self.lines[index]
        charges, margin = line.charges(low), line.margin_taken(low)
        pieces = []
        for slope, taken, length in self._steps_alike(index, low, high):
            to_limit = line.value - slope
            cure = to_limit - taken * weight // WEIGHTS
            if cure > 0:
                cost = slope + line.penalty
                merit = cost * MERIT // cure
                pieces.append(Piece(merit, index, cost, cure, length, to_limit - taken, to_limit))
        to_limit = line.value * low - charges
        return Parts(
            cost=charges + line.penalty * low,
            cure=to_limit - margin * weight // WEIGHTS,
            to_margin=to_limit - margin,
            to_limit=to_limit,
            pieces=tuple(pieces),
        )

    def _steps_alike(self, index: int, low: int, high: int) -> list[tuple[int, int, int]]:
        """Return (charges a step, margin a step, number of steps) from low to high, worse towards the end."""
        slopes = self._slopes(index, low, high)
        if not self.lines[index].knots:
            return [(slope, self.lines[index].margin, length) for slope, length in slopes]
        return split_alike(slopes, self.lines[index].margin_pieces(low, high))

    def _slopes(self, index: int, low: int, high: int) -> list[tuple[int, int]]:
        """Return (charges per step, number of steps) from low to high, dearer towards the end."""
        line = self.lines[index]
        if low == high:
            return []
        pieces = [(line.linear_charges(high) // high, high)] if low == 0 else self._convex(index, low, high)
        if line.impact_squared:
            return merged(pieces, floor_pieces(line.impact_squared, low, high, self._touching[index]))
        return pieces

    def _convex(self, index: int, low: int, high: int) -> list[tuple[int, int]]:
        """Return the same where `low` must be sold.

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


def _reach(excess: Sequence[tuple[int, int]], room: int) -> int | None:
    """Return how many steps fit into `room` at (excess a step, number of steps); None if all of them do."""
    reached = 0
    for each, length in excess:
        if each * length > room:
            return reached + room // each
        room -= each * length
        reached += length
    return None


def _mixed(limit_side: Filled, margin_side: Filled) -> tuple[int, ...]:
    """Mix two fillings so that the shortage against the margin value is gone, and with it the other."""
    short, spare = -limit_side.spare_margin, margin_side.spare_margin
    whole = max(short + spare, 1)
    share = min(max(short, 0), whole)
    return tuple(
        a + (b - a) * share // whole for a, b in zip(limit_side.steps, margin_side.steps, strict=True)
    )


def _steps_covered(minimum: int, per_step: int, low: int, high: int) -> int:
    covered = high if per_step == 0 else -(-minimum // per_step)
    return min(max(covered, low), high)
