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

from margin.sales.exchange import exchanged, least_easing
from margin.sales.lines import CENT, SCALE
from margin.sales.lots import Counts, SaleBook
from margin.sales.relaxation import FRACTION_BITS, WHOLE, Box, Relaxation, Relaxed

COARSE_STEP_FROM: Final = SCALE
GAP_MAX: Final = 5 * CENT
STAMP_ROUNDING: Final = SCALE
LEGS_ROUNDED_MIN: Final = 3
"""Plans within the rounding of three legs are equally good: else one of a single leg is hard to prove."""

EXCHANGED_MAX: Final = 6
EXCHANGE_ROUNDS: Final = 4

Branch = tuple[int, int, int]
Node = tuple[int, int, Relaxed]


@dataclass(frozen=True, slots=True)
class Found:
    """A curing choice; proved when none is cheaper by more than the rounding of charges of a few legs."""

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
        self.best = book.trim(curing, order)
        self.best_cost = book.penalised(self.best)
        self.rounding = 0

    def run(self, node_limit: int) -> Found:
        root: Box = tuple(
            (0, steps if index in self.order else 0) for index, steps in enumerate(self.book.steps_max)
        )
        queue: list[Node] = []
        first = self._node(self._without_surplus(root))
        if first:
            self._round(first[2])
            self.rounding = self._tolerance()
            self._exchange(first[2])
            self.rounding = self._tolerance()
            # A better incumbent leaves less open: what costs too much is known before anything is split.
            first = self._node(first[2].box, first[2].weight)
            queue.extend([first] if first else [])
        while queue:
            node: Node | None = heapq.heappop(queue)
            before = self.best_cost
            while node and not self._is_beaten(node[2]):
                if self.nodes >= node_limit:
                    return Found(self.best, is_proved=False, nodes=self.nodes)
                node = self._dive(node[2], queue)
            if self.best_cost < before and queue:
                self._exchange(queue[0][2])
        return Found(self.best, is_proved=True, nodes=self.nodes)

    def _dive(self, relaxed: Relaxed, queue: list[Node]) -> Node | None:
        """Split a box, go on with the better part and leave the other for later.

        Going down at once finds choices in whole lots early, and those are what the bounds prune by.
        """
        branch = self._branch(relaxed.box, relaxed)
        if branch is None:
            return None
        index, left_high, right_low = branch
        box = relaxed.box
        low, high = box[index]
        parts = ((low, left_high), (right_low, high))
        split = [self._node((*box[:index], part, *box[index + 1 :]), relaxed.weight) for part in parts]
        nodes = sorted(node for node in split if node)
        for node in nodes[1:]:
            heapq.heappush(queue, node)
        return nodes[0] if nodes else None

    def _without_surplus(self, root: Box) -> Box:
        """Leave out what nobody needs: more of one candidate than cures by itself costs more than that."""
        box = list(root)
        for index, (low, high) in enumerate(root):
            enough = least_easing(self.book, index, self.book.needs()) if high else None
            if enough:
                alone = [0] * len(root)
                alone[index] = enough
                if self.book.is_cured(alone):
                    box[index] = (low, enough)
                    if self.book.penalised(alone) < self.best_cost:
                        self._keep(alone)
        return tuple(box)

    def _node(self, box: Box, weight: int | None = None) -> Node | None:
        self.nodes += 1
        relaxed = self.relaxation.solve(box, self.best_cost * CENT - self.rounding, weight)
        return (relaxed.bound, self.nodes, relaxed) if relaxed else None

    def _is_beaten(self, relaxed: Relaxed) -> bool:
        """Say whether nothing in this box can be better than the incumbent by more than rounding."""
        return relaxed.bound + relaxed.rounding + self.rounding >= self.best_cost * CENT

    def _round(self, relaxed: Relaxed) -> None:
        """Floor the linear optimum and cure the rest with the cheapest single candidate."""
        floor = [steps >> FRACTION_BITS for steps in relaxed.steps]
        self._offer(floor if self.book.is_cured(floor) else self.book.close(floor, self.order))

    def _exchange(self, relaxed: Relaxed) -> None:
        """Better the incumbent by exchanges among the lots that the bound leaves open, the closest calls first."""
        open_lots = [i for i, (low, high) in enumerate(relaxed.box) if low < high and self.is_coarse[i]]
        fine = [i for i, steps in enumerate(relaxed.steps) if steps and not self.is_coarse[i]]
        slack = max(fine, key=self.order.index, default=None)
        near = sorted(open_lots, key=lambda i: self.relaxation.excess(i, relaxed))[:EXCHANGED_MAX]
        for _ in range(EXCHANGE_ROUNDS):
            if self._is_beaten(relaxed):
                return
            before = self.best_cost
            wanted = before * CENT - relaxed.bound - relaxed.rounding - self.rounding
            better = exchanged(self.book, self.best, near, slack, enough=wanted)
            if better is None:
                return
            self._offer(better if self.book.is_cured(better) else self._close(better, relaxed))
            if self.best_cost >= before:
                return

    def _offer(self, counts: Counts | None) -> None:
        if counts is None:
            return
        trimmed = self.book.trim(counts, self.order)
        if self.book.penalised(trimmed) < self.best_cost:
            self._keep(trimmed)

    def _keep(self, counts: Counts) -> None:
        self.best = counts
        self.best_cost = self.book.penalised(counts)

    def _tolerance(self) -> int:
        """What rounding can move the present choice by, and no less than for a few legs."""
        stamps = sum(self.book.candidates[index].fees.stamp_rate > 0 for index in self.order)
        stamped = [self.book.candidates[i].fees.stamp_rate > 0 for i, steps in enumerate(self.best) if steps]
        least = STAMP_ROUNDING * min(stamps, LEGS_ROUNDED_MIN)
        return max(least, sum(GAP_MAX + STAMP_ROUNDING * is_stamped for is_stamped in stamped))

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
