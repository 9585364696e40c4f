"""The least-cost choice of lots: round the linear optimum, then prove it or better it by branch and bound.

The method of `reference/margin-peers.md` 2.9.6: floor the linear optimum, close the rest with the cheapest
single asset, take back what is too much, then branch on lots, best bound first, from that incumbent. Coarse
lots are branched on until whole; a step worth less than a dollar is fine enough to be rounded in place.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from margin.sales.lots import Counts, SaleBook
from margin.sales.relaxation import CENT, FRACTION_BITS, SCALE, WHOLE, Box, Relaxation, Relaxed

COARSE_STEP_FROM: Final = SCALE
GAP_PER_LEG: Final = 5 * CENT

Branch = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A curing choice; proved when none is cheaper by more than the rounding of its charges."""

    counts: Counts
    is_proved: bool
    nodes: int


def find_cheapest(
    book: SaleBook, relaxation: Relaxation, order: Sequence[int], curing: Counts, *, node_limit: int
) -> Found:
    """Return the least-cost choice that cures, starting from one that does.

    `order` lists the candidates by merit; `curing` is any choice that cures. After `node_limit` nodes the best
    choice so far is returned unproved.
    """
    return _Search(book, relaxation, order, curing).run(node_limit)


class _Search:
    def __init__(self, book: SaleBook, relaxation: Relaxation, order: Sequence[int], curing: Counts) -> None:
        self.book = book
        self.relaxation = relaxation
        self.order = order
        self.is_coarse = [line.value >= COARSE_STEP_FROM for line in relaxation.lines]
        self.best = book.trim(curing, order)
        self.best_cost = book.penalised(self.best)
        self.nodes = 0

    def run(self, node_limit: int) -> Found:
        root: Box = tuple((0, steps if index in self.order else 0) for index, steps in enumerate(self.book.steps_max))
        queue: list[tuple[int, int, Box, Relaxed]] = []
        self._push(queue, root)
        if queue:
            self._round(queue[0][3])
        while queue:
            bound, _, box, relaxed = heapq.heappop(queue)
            if self._is_beaten(bound, relaxed):
                continue
            if self.nodes >= node_limit:
                return Found(self.best, is_proved=False, nodes=self.nodes)
            branch = self._branch(box, relaxed)
            if branch is None:
                continue
            index, left_high, right_low = branch
            low, high = box[index]
            self._push(queue, (*box[:index], (low, left_high), *box[index + 1 :]))
            self._push(queue, (*box[:index], (right_low, high), *box[index + 1 :]))
        return Found(self.best, is_proved=True, nodes=self.nodes)

    def _push(self, queue: list[tuple[int, int, Box, Relaxed]], box: Box) -> None:
        self.nodes += 1
        relaxed = self.relaxation.solve(box)
        if relaxed is not None and not self._is_beaten(relaxed.bound, relaxed):
            heapq.heappush(queue, (relaxed.bound, self.nodes, box, relaxed))

    def _is_beaten(self, bound: int, relaxed: Relaxed) -> bool:
        """Say whether nothing under this bound can be better than the incumbent by more than rounding."""
        legs = sum(1 for steps in self.best if steps)
        rounding = GAP_PER_LEG * legs + self.relaxation.slack * relaxed.cost_per_cure
        return bound + rounding >= self.best_cost * CENT

    def _round(self, relaxed: Relaxed) -> None:
        """Floor the linear optimum and cure the rest with the cheapest single candidate."""
        floor = [steps >> FRACTION_BITS for steps in relaxed.steps]
        self._offer(floor if self.book.is_cured(floor) else self.book.close(floor, self.order))

    def _offer(self, counts: Counts | None) -> None:
        if counts is None:
            return
        trimmed = self.book.trim(counts, self.order)
        cost = self.book.penalised(trimmed)
        if cost < self.best_cost:
            self.best, self.best_cost = trimmed, cost

    def _branch(self, box: Box, relaxed: Relaxed) -> Branch | None:
        """Return (candidate, highest step left, lowest step right), or None when the box holds nothing better."""
        for index, steps in enumerate(relaxed.steps):
            if self.is_coarse[index] and steps % WHOLE:
                self._round_up(relaxed)
                return index, steps >> FRACTION_BITS, (steps >> FRACTION_BITS) + 1
        widest = self._widest_gap(box, relaxed)
        if widest is not None:
            return widest
        counts = [-(-steps >> FRACTION_BITS) for steps in relaxed.steps]
        self._offer(counts if self.book.is_cured(counts) else self.book.close(counts, self.order))
        if self._is_beaten(relaxed.bound, relaxed):
            return None
        return self._any_branch(box, counts)

    def _round_up(self, relaxed: Relaxed) -> None:
        """Offer the choice with every broken lot made whole, if its floor of charges could win."""
        counts = [-(-steps >> FRACTION_BITS) for steps in relaxed.steps]
        floor = sum(
            self.relaxation.charges_floor(index, steps) + self.relaxation.lines[index].penalty * steps
            for index, steps in enumerate(counts)
        )
        if floor < self.best_cost * CENT and self.book.is_cured(counts):
            self._offer(counts)

    def _widest_gap(self, box: Box, relaxed: Relaxed) -> Branch | None:
        """Return where the straight pieces are furthest below the real charges, if that is more than rounding."""
        widest, branch = GAP_PER_LEG, None
        for index, ((low, high), number) in enumerate(zip(box, relaxed.steps, strict=True)):
            steps = max(number >> FRACTION_BITS, 1)
            if number and low < steps < high:
                relaxed_charges = self.relaxation.relaxed_charges(index, low, high, steps)
                gap = self.relaxation.charges_floor(index, steps) - relaxed_charges
                if gap > widest:
                    widest, branch = gap, (index, steps, steps + 1)
        return branch

    def _any_branch(self, box: Box, counts: Counts) -> Branch | None:
        """Split off the point that rounding spoilt; None when the box is that single point."""
        open_boxes = [index for index, (low, high) in enumerate(box) if low < high]
        if not open_boxes:
            return None
        index = max(open_boxes, key=lambda i: (counts[i] > box[i][0], self.relaxation.lines[i].value * counts[i]))
        low, high = box[index]
        steps = min(max(counts[index], low), high)
        return (index, steps - 1, steps) if steps > low else (index, low, low + 1)
