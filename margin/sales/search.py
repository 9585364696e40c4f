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

from margin.sales.lines import CENT, SCALE
from margin.sales.lots import Counts, SaleBook
from margin.sales.relaxation import FRACTION_BITS, WHOLE, Box, Relaxation, Relaxed

COARSE_STEP_FROM: Final = SCALE
GAP_MAX: Final = 5 * CENT
STAMP_ROUNDING: Final = SCALE

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

    `order` lists the candidates by merit; `curing` is any choice that cures. After `node_limit` nodes the
    best choice so far is returned unproved.
    """
    return _Search(book, relaxation, order, curing).run(node_limit)


class _Search:
    def __init__(self, book: SaleBook, relaxation: Relaxation, order: Sequence[int], curing: Counts) -> None:
        self.book = book
        self.relaxation = relaxation
        self.order = order
        self.is_coarse = [line.value >= COARSE_STEP_FROM for line in book.lines]
        self.nodes = 0
        self._keep(book.trim(curing, order))

    def run(self, node_limit: int) -> Found:
        root: Box = tuple(
            (0, steps if index in self.order else 0) for index, steps in enumerate(self.book.steps_max)
        )
        queue: list[tuple[int, int, Box, Relaxed]] = []
        self._push(queue, root)
        if queue:
            self._round(queue[0][3])
        while queue:
            _, _, box, relaxed = heapq.heappop(queue)
            if self._is_beaten(relaxed):
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
        if relaxed is not None and not self._is_beaten(relaxed):
            heapq.heappush(queue, (relaxed.bound, self.nodes, box, relaxed))

    def _is_beaten(self, relaxed: Relaxed) -> bool:
        """Say whether nothing in this box can be better than the incumbent by more than rounding."""
        return relaxed.bound + relaxed.rounding + self.best_rounding >= self.best_cost * CENT

    def _round(self, relaxed: Relaxed) -> None:
        """Floor the linear optimum and cure the rest with the cheapest single candidate."""
        floor = [steps >> FRACTION_BITS for steps in relaxed.steps]
        self._offer(floor if self.book.is_cured(floor) else self.book.close(floor, self.order))

    def _offer(self, counts: Counts | None) -> None:
        if counts is None:
            return
        trimmed = self.book.trim(counts, self.order)
        if self.book.penalised(trimmed) < self.best_cost:
            self._keep(trimmed)

    def _keep(self, counts: Counts) -> None:
        self.best = counts
        self.best_cost = self.book.penalised(counts)
        stamped = [self.book.candidates[i].fees.stamp_rate > 0 for i, steps in enumerate(counts) if steps]
        self.best_rounding = sum(GAP_MAX + STAMP_ROUNDING * is_stamped for is_stamped in stamped)

    def _branch(self, box: Box, relaxed: Relaxed) -> Branch | None:
        """Return (candidate, highest step left, lowest right), or None if nothing better is in the box."""
        for index, steps in enumerate(relaxed.steps):
            if self.is_coarse[index] and steps % WHOLE:
                self._round_up(relaxed)
                return index, steps >> FRACTION_BITS, (steps >> FRACTION_BITS) + 1
        widest = self._widest_gap(box, relaxed)
        if widest is not None:
            return widest
        counts = self._whole(relaxed)
        self._offer(counts if self.book.is_cured(counts) else self._close(counts, relaxed))
        if self._is_beaten(relaxed):
            return None
        return self._any_branch(box, counts)

    def _whole(self, relaxed: Relaxed) -> Counts:
        return [-(-steps >> FRACTION_BITS) for steps in relaxed.steps]

    def _close(self, counts: Counts, relaxed: Relaxed) -> Counts | None:
        """Cure what rounding left short, by a little more of a fine asset if one is sold in part."""
        fine = [i for i, steps in enumerate(relaxed.steps) if steps and not self.is_coarse[i]]
        return self.book.close(counts, fine) or self.book.close(counts, self.order)

    def _round_up(self, relaxed: Relaxed) -> None:
        """Offer the choice with every broken lot made whole, if its floor of charges could win."""
        counts = self._whole(relaxed)
        floor = sum(
            self.book.lines[index].charges(steps) + self.book.lines[index].penalty * steps
            for index, steps in enumerate(counts)
        )
        if floor < self.best_cost * CENT and self.book.is_cured(counts):
            self._offer(counts)

    def _widest_gap(self, box: Box, relaxed: Relaxed) -> Branch | None:
        """Return where the straight pieces are furthest below the real charges, if by more than rounding."""
        widest, branch = GAP_MAX, None
        for index, ((low, high), number) in enumerate(zip(box, relaxed.steps, strict=True)):
            steps = max(number >> FRACTION_BITS, 1)
            if number and low < steps < high:
                relaxed_charges = self.relaxation.relaxed_charges(index, low, high, steps)
                gap = self.book.lines[index].charges(steps) - relaxed_charges
                if gap > widest:
                    widest, branch = gap, (index, steps, steps + 1)
        return branch

    def _any_branch(self, box: Box, counts: Counts) -> Branch | None:
        """Split off the point that rounding spoilt; None when only fine steps are left to differ."""
        open_lots = [i for i, (low, high) in enumerate(box) if low < high and self.is_coarse[i]]
        if not open_lots:
            return None
        index = max(open_lots, key=lambda i: (counts[i] > box[i][0], self.book.lines[i].value * counts[i]))
        low, high = box[index]
        steps = min(max(counts[index], low), high)
        return (index, steps - 1, steps) if steps > low else (index, low, low + 1)
