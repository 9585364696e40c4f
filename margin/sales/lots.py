"""A sale in whole lots, evaluated exactly: what a choice of steps does to the loan and the margin value.

The planner searches with linear bounds, but no decision rests on them: whether an account is cured is asked
here, with the kernel's margin value of what remains, the fee schedule's charges on each leg, and integers
throughout. Rounding, minimum commission and stamp duty make the answer a staircase, so the least curing
number of steps is found by search and not by division.

An account counts as cured only if it is so twice: with every figure rounded as the books will round it, and
with none of the sale's figures rounded. Otherwise a few satoshi could be kept back by a lucky cent, and the
closed forms, rounded up to a step (`reference/regulation.md` chapter 15), would not be met (V14).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from collateral.valuation import Holding, value_quantity
from ledger.core.decimals import CONTEXT, ZERO, to_atoms
from margin.sales.lines import CENT, Candidate, line_of

Counts = list[int]


class Effect(NamedTuple):
    """What a number of steps of one candidate does before rounding, in the units of `lines`.

    The cure of the need against the margin value, of that against the limit, and the cost with its penalty.
    """

    to_margin: int
    to_limit: int
    cost: int


class SaleBook:
    """The account and its candidates, ready to be asked what any choice of steps would do.

    A choice is a list with the number of steps of each candidate, in the order given. Money is in cents.
    """

    def __init__(
        self,
        *,
        loan: Decimal,
        credit_limit: Decimal | None,
        holdings: Sequence[Holding],
        target: Decimal,
        candidates: Sequence[Candidate],
    ) -> None:
        self.candidates = tuple(candidates)
        self.steps_max = [candidate.steps_max for candidate in candidates]
        self.target = target
        self.loan_cents = to_atoms(loan, 2)
        self.limit_cents = None if credit_limit is None else to_atoms(credit_limit, 2)
        self._target_top, self._target_bottom = target.as_integer_ratio()
        self._holdings = {holding.code: holding for holding in holdings}
        self.lines = [line_of(offer, self.holding(i), target) for i, offer in enumerate(self.candidates)]
        self._margin_of: dict[str, int] = {}
        self._margin_after: dict[tuple[str, Decimal], int] = {}
        self._legs: list[dict[int, tuple[int, int, int]]] = [{} for _ in candidates]
        self._books: list[dict[int, tuple[int, int]]] = [{} for _ in candidates]
        self._effects: list[dict[int, Effect]] = [{} for _ in candidates]
        codes = Counter(candidate.code for candidate in candidates)
        self._sharing = frozenset(i for i, offer in enumerate(self.candidates) if codes[offer.code] > 1)
        self._units = [candidate.value_per_step.as_integer_ratio() for candidate in candidates]
        for holding in holdings:
            self._margin_of[holding.code] = self._margin_cents(holding.code, ZERO)
        self.margin_cents = sum(self._margin_of.values())
        against_margin, against_limit = self.shortages([0] * len(self.candidates))
        bottom = self._target_bottom
        self._needs = against_margin * CENT // bottom, against_limit * CENT // bottom

    def holding(self, index: int) -> Holding:
        """Return the holding that a candidate is a part of."""
        return self._holdings[self.candidates[index].code]

    def leg(self, index: int, steps: int) -> tuple[int, int, int]:
        """Return (gross, charges with interest and impact, net) in cents of selling so many steps."""
        known = self._legs[index].get(steps)
        if known is None:
            top, bottom = self._units[index]
            gross = (200 * steps * top + bottom) // (2 * bottom)
            offer = self.candidates[index]
            charges = sum(offer.fees.cents(gross)) + sum(offer.expected_costs(gross))
            known = self._legs[index][steps] = (gross, charges, gross - charges)
        return known

    def totals(self, counts: Counts) -> tuple[int, int]:
        """Return (loan, margin value) in cents after a choice; a negative loan is surplus cash."""
        loan, margin = self.loan_cents, self.margin_cents
        shared: dict[str, Decimal] = {}
        for index, steps in enumerate(counts):
            if steps:
                net, lost = self._booked(index, steps)
                loan -= net
                margin -= lost
                if index in self._sharing:
                    candidate = self.candidates[index]
                    quantity = CONTEXT.multiply(candidate.step, Decimal(steps))
                    shared[candidate.code] = CONTEXT.add(shared.get(candidate.code, ZERO), quantity)
        for code, quantity in shared.items():
            margin += self._margin_cents(code, quantity) - self._margin_of[code]
        return loan, margin

    def _booked(self, index: int, steps: int) -> tuple[int, int]:
        """Return (net proceeds, margin value lost) in cents; of a shared holding only the sum rounds, so 0."""
        known = self._books[index].get(steps)
        if known is None:
            lost = 0
            if index not in self._sharing:
                candidate = self.candidates[index]
                sold = CONTEXT.multiply(candidate.step, Decimal(steps))
                lost = self._margin_of[candidate.code] - self._margin_cents(candidate.code, sold)
            known = self._books[index][steps] = self.leg(index, steps)[2], lost
        return known

    def effect(self, index: int, steps: int) -> Effect:
        """Return what selling so many steps of one candidate does; kept, as a search asks again and again."""
        known = self._effects[index].get(steps)
        if known is None:
            line = self.lines[index]
            charges = line.charges(steps)
            to_limit = line.value * steps - charges
            cost = charges + line.penalty * steps
            known = self._effects[index][steps] = Effect(to_limit - line.margin_taken(steps), to_limit, cost)
        return known

    def shortages(self, counts: Counts) -> tuple[int, int]:
        """Return how far the loan is above target x margin value and above target x credit limit.

        Both in cents times the target's denominator, exact; without a limit the second is below zero.
        """
        loan, margin = self.totals(counts)
        scaled = loan * self._target_bottom
        against_limit = -1 if self.limit_cents is None else scaled - self._target_top * self.limit_cents
        return scaled - self._target_top * margin, against_limit

    def needs(self) -> tuple[int, int]:
        """Return both shortages of the account as it stands, in the units of `lines`."""
        return self._needs

    def is_cured(self, counts: Counts) -> bool:
        """Say whether the loan is within target x min(margin value, credit limit), rounded and unrounded."""
        return max(self.unrounded_shortages(counts)) <= 0 and max(self.shortages(counts)) <= 0

    def unrounded_shortages(self, counts: Counts) -> tuple[int, int]:
        """Return what is left of both needs after a choice, none of whose figures is rounded."""
        by_margin, by_limit = self._needs
        for index, steps in enumerate(counts):
            if steps:
                effect = self.effect(index, steps)
                by_margin -= effect.to_margin
                by_limit -= effect.to_limit
        return by_margin, by_limit

    def charges(self, counts: Counts) -> int:
        """Return the charges of a choice in cents."""
        return sum(self.leg(index, steps)[1] for index, steps in enumerate(counts) if steps)

    def penalised(self, counts: Counts) -> int:
        """Return what the search makes least: the charges, and all proceeds of what is to be sold last."""
        return self.charges(counts) + sum(
            self.leg(index, steps)[0]
            for index, steps in enumerate(counts)
            if steps and self.candidates[index].sell_last
        )

    def least_curing(self, counts: Counts, index: int, uncured: int, cured: int) -> int:
        """Return a number of steps of one candidate that cures while one step less does not.

        `uncured` steps must leave the account uncured and `cured` steps cure it. Looks first where a linear
        estimate points, then halves the interval.
        """

        def cures(steps: int) -> bool:
            return self.is_cured([*counts[:index], steps, *counts[index + 1 :]])

        return least_true(cures, uncured, cured, self._estimate(counts, index, uncured, cured))

    def trim(self, counts: Counts, order: Sequence[int], kept: frozenset[int] = frozenset()) -> Counts:
        """Take back what a curing choice sells beyond need, the last in `order` first, until nothing gives.

        Afterwards one step less of any leg, except those `kept`, leaves the account uncured.
        """
        counts = list(counts)
        is_changed = True
        while is_changed:
            is_changed = False
            for index in reversed(order):
                steps = counts[index]
                if steps == 0 or index in kept:
                    continue
                without = [*counts[:index], 0, *counts[index + 1 :]]
                one_less = [*counts[:index], steps - 1, *counts[index + 1 :]]
                if self.is_cured(without):
                    counts, is_changed = without, True
                elif self.is_cured(one_less):
                    counts[index] = self.least_curing(counts, index, 0, steps - 1)
                    is_changed = True
        return counts

    def close(self, counts: Counts, order: Sequence[int]) -> Counts | None:
        """Cure an uncured choice by more of a single candidate, the cheapest; None if none can."""
        best: Counts | None = None
        for index in order:
            full = [*counts[:index], self.steps_max[index], *counts[index + 1 :]]
            if counts[index] == self.steps_max[index] or not self.is_cured(full):
                continue
            closed = list(counts)
            closed[index] = self.least_curing(counts, index, counts[index], self.steps_max[index])
            if best is None or self.penalised(closed) < self.penalised(best):
                best = closed
        return best

    def fill(self, order: Sequence[int]) -> tuple[Counts, bool]:
        """Sell one candidate after the other in full until the account is cured; return (choice, is cured).

        A candidate is passed over where selling it makes the shortage larger. Against a binding credit limit
        an asset that lowers the margin value more than the loan still brings cash, so of that one only what
        the limit asks for is sold.
        """
        counts = [0] * len(self.candidates)
        for index in order:
            full = [*counts[:index], self.steps_max[index], *counts[index + 1 :]]
            if self.is_cured(full):
                counts[index] = self.least_curing(counts, index, 0, self.steps_max[index])
                return counts, True
            before, after = self.shortages(counts), self.shortages(full)
            if after[0] < before[0]:
                counts = full
            elif before[1] > 0 and after[1] < before[1]:
                counts[index] = self._least_within_limit(counts, index) if after[1] <= 0 else full[index]
                if self.is_cured(counts):
                    return counts, True
        return counts, False

    def _least_within_limit(self, counts: Counts, index: int) -> int:
        def is_within(steps: int) -> bool:
            return self.shortages([*counts[:index], steps, *counts[index + 1 :]])[1] <= 0

        maximum = self.steps_max[index]
        return least_true(is_within, 0, maximum, self._estimate(counts, index, 0, maximum))

    def _margin_cents(self, code: str, sold: Decimal) -> int:
        known = self._margin_after.get((code, sold))
        if known is None:
            holding = self._holdings[code]
            margin_value = value_quantity(holding, CONTEXT.subtract(holding.quantity, sold))[1]
            known = self._margin_after[code, sold] = to_atoms(margin_value, 2)
        return known

    def _estimate(self, counts: Counts, index: int, uncured: int, cured: int) -> int:
        """Return where a straight line through both ends would cross the target."""
        ends = [[*counts[:index], steps, *counts[index + 1 :]] for steps in (uncured, cured)]
        guess = uncured + 1
        for low, high in zip(self.shortages(ends[0]), self.shortages(ends[1]), strict=True):
            if low > 0 and low > high:
                guess = max(guess, uncured - (-low * (cured - uncured) // (low - high)))
        return guess


def least_true(test: Callable[[int], bool], false_at: int, true_at: int, guess: int) -> int:
    """Return a point where `test` holds and does not hold one below, between two known ends.

    >>> least_true(lambda n: n * n >= 50, 0, 100, guess=10)
    8
    """
    stride = 1
    point = min(max(guess, false_at + 1), true_at - 1)
    while false_at < point < true_at:
        if test(point):
            true_at, point = point, point - stride
        else:
            false_at, point = point, point + stride
        stride *= 2
    while true_at - false_at > 1:
        middle = (false_at + true_at) // 2
        if test(middle):
            true_at = middle
        else:
            false_at = middle
    return true_at
