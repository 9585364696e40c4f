"""The forced sale planner: the least-cost set of lots that brings an account back to its target.

With shortage `S = L - t min(M, credit limit)` and target utilisation `t`, one dollar sold of an asset
cures `g = (1 - c) - t (1 - h)` of it. Assets with no cure to give are dropped, the rest are taken in order
of cost per cure `c / g`, then fitted to whole lots and proved by branch and bound. Sources:
`reference/margin-peers.md` 2.9, `reference/regulation.md` chapter 2 and examples V02, V03, V08, V13, V14.

The plan is pure and deterministic: the same account, prices and candidates give the same plan. Planning again
after fills, with what is left, is calling the function again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final

from collateral.valuation import AccountValue, Debt, Holding, value_account, value_quantity
from ledger.core.decimals import CONTEXT, ZERO, exact, from_atoms, round_half_up, to_atoms
from margin.sales.fees import Fees
from margin.sales.lines import Candidate
from margin.sales.lots import Counts, SaleBook
from margin.sales.relaxation import WEIGHTS, Relaxation
from margin.sales.search import Found, find_cheapest

__all__ = ["Candidate", "LegReason", "Outcome", "SaleLeg", "SalePlan", "plan_sale", "plan_to_level"]

ONE: Final = Decimal(1)
NODE_LIMIT: Final = 20_000
NODE_LIMIT_WITH_IMPACT: Final = 2_000
"""Impact spreads a sale over many legs whose fixed charges are hard to prove least; a node costs more, too."""

CURE_PLACES: Final = 10


class Outcome(StrEnum):
    """What the plan achieves: the target; part of the way; recovery only; or nothing."""

    CURES = "cures"
    PARTIAL_CURE = "partial_cure"
    INSOLVENT = "insolvent"
    NOTHING_TO_SELL = "nothing_to_sell"


class LegReason(StrEnum):
    """Why a leg is in the plan."""

    LEAST_COST_IN_FULL = "least_cost_in_full"
    LEAST_COST_IN_PART = "least_cost_in_part"
    SELL_LAST = "sell_last"
    DUST_CLEARED = "dust_cleared"
    ALL_THE_MARKET_TAKES = "all_the_market_takes"
    ALL_THAT_HELPS = "all_that_helps"
    BEST_RECOVERY = "best_recovery"


class Excluded(StrEnum):
    """Why something held is not in the plan, where the caller gave no reason of its own."""

    NOT_OFFERED = "not_offered"
    NOT_TRADABLE = "not_tradable"
    BELOW_ONE_STEP = "below_one_step"
    CANNOT_CURE = "cannot_cure"
    COSTS_MORE_THAN_IT_BRINGS = "costs_more_than_it_brings"


@dataclass(frozen=True, slots=True)
class SaleLeg:
    """One order to be: money in base currency, `limit_price` in quote currency.

    `net` is what the loan is expected to fall by: gross less fees, less the interest until settlement, less what the
    sale loses to its own impact. `cure_per_dollar` is `g` at marginal rates, half up to ten places; `cost_rate` is `c`.
    """

    code: str
    quantity: Decimal
    limit_price: Decimal
    gross: Decimal
    fees: Fees
    net: Decimal
    cure_per_dollar: Decimal
    cost_rate: Decimal
    why: LegReason
    interest: Decimal = ZERO
    impact: Decimal = ZERO

    @property
    def cost(self) -> Decimal:
        """Everything that the sale is expected to cost."""
        return self.gross - self.net


@dataclass(frozen=True, slots=True)
class SalePlan:
    """What to sell, in the order in which to sell it, and the account before and after.

    Shortages are `loan - target x effective limit`, exact and not rounded; zero or less is cured.
    `is_optimality_proved` says that no other choice of lots costs less by more than the rounding of the
    charges of its legs, or of three if they are fewer (HKD 1.05 each with stamp duty); it is only ever true
    of a plan that cures, and not of one in which dust was cleared.
    """

    outcome: Outcome
    target: Decimal
    legs: tuple[SaleLeg, ...]
    before: AccountValue
    after: AccountValue
    is_optimality_proved: bool
    excluded: tuple[tuple[str, str], ...]

    @property
    def loan_before(self) -> Decimal:
        return self.before.loan

    @property
    def loan_after(self) -> Decimal:
        return self.after.loan

    @property
    def margin_value_before(self) -> Decimal:
        return self.before.margin_value

    @property
    def margin_value_after(self) -> Decimal:
        return self.after.margin_value

    @property
    def deficiency_after(self) -> Decimal:
        return self.after.deficiency

    @property
    def utilisation_after(self) -> Decimal | None:
        return self.after.utilisation

    @property
    def shortage_before(self) -> Decimal:
        return _shortage(self.before, self.target)

    @property
    def shortage_after(self) -> Decimal:
        return _shortage(self.after, self.target)

    @property
    def total_gross(self) -> Decimal:
        return sum((leg.gross for leg in self.legs), Decimal("0.00"))

    @property
    def total_cost(self) -> Decimal:
        return sum((leg.cost for leg in self.legs), Decimal("0.00"))


def plan_sale(
    *,
    loan: Decimal,
    holdings: Sequence[Holding],
    candidates: Sequence[Candidate],
    target: Decimal,
    credit_limit: Decimal | None = None,
    dust_value: Decimal = ZERO,
    node_limit: int = NODE_LIMIT,
) -> SalePlan:
    """Plan the least-cost sale that brings utilisation to `target` or below.

    `loan` and `credit_limit` in base currency, exact to the cent. `holdings` are all that is pledged, one per
    code, also what cannot be sold; `candidates` are the parts that may be. `target` is a ratio above 0 and up
    to 1. A remainder of a sold leg worth less than `dust_value` is sold as well. Legs come in order of merit.

    When nothing tradable can cure, everything that helps is sold, or everything that brings cash if the loan
    is beyond what all holdings would fetch. Raises `ValueError` on a target out of range, a code held twice
    or not held, or more offered than held.

    >>> from margin.sales.fees import VATP_EXAMPLE
    >>> btc = Holding("BTC", Decimal("1.5"), Decimal(80000), Decimal("0.60"), Decimal("7.8"))
    >>> offer = Candidate("BTC", btc.quantity, Decimal("0.00000001"), btc.price, VATP_EXAMPLE, btc.fx_rate)
    >>> plan = plan_sale(loan=Decimal("400000.00"), holdings=[btc], candidates=[offer], target=ONE)
    >>> plan.legs[0].quantity, plan.deficiency_after
    (Decimal('0.06860476'), Decimal('0.00'))
    """
    if not 0 < exact(target) <= 1:
        raise ValueError(f"target {target} is not above 0 and up to 1")
    return plan_to_level(
        loan=loan,
        holdings=holdings,
        candidates=candidates,
        level=target,
        credit_limit=credit_limit,
        dust_value=dust_value,
        node_limit=node_limit,
    )


def plan_to_level(
    *,
    loan: Decimal,
    holdings: Sequence[Holding],
    candidates: Sequence[Candidate],
    level: Decimal,
    credit_limit: Decimal | None = None,
    dust_value: Decimal = ZERO,
    node_limit: int = NODE_LIMIT,
) -> SalePlan:
    """Plan as :func:`plan_sale` to any level of utilisation above 0, such as one to survive a night at.

    Raises `ValueError` as it does.
    """
    with localcontext(CONTEXT):
        level, dust_value = exact(level), exact(dust_value)
        _check(holdings, candidates, level, dust_value)
        return _Planning(loan, credit_limit, holdings, candidates, level).plan(dust_value, node_limit)


class _Planning:
    def __init__(
        self,
        loan: Decimal,
        credit_limit: Decimal | None,
        holdings: Sequence[Holding],
        candidates: Sequence[Candidate],
        target: Decimal,
    ) -> None:
        self.loan = loan
        self.credit_limit = credit_limit
        self.holdings = holdings
        self.target = target
        self.before = value_account(holdings, [Debt("loan", loan)], credit_limit=credit_limit)
        self.excluded = _not_offered(holdings, candidates)
        self.book = SaleBook(
            loan=loan,
            credit_limit=credit_limit,
            holdings=holdings,
            target=target,
            candidates=self._sellable(candidates),
        )
        self.none: Counts = [0] * len(self.book.candidates)

    def plan(self, dust_value: Decimal, node_limit: int) -> SalePlan:
        if any(line.impact_squared for line in self.book.lines):
            node_limit = min(node_limit, NODE_LIMIT_WITH_IMPACT)
        if self.book.is_cured(self.none):
            return self._result(Outcome.CURES, self.none, is_proved=True)
        relaxation = Relaxation(self.book)
        helpful = self._helpful(relaxation)
        order = self._by_merit(relaxation, helpful)
        most, is_cured = self.book.fill(order)
        if not is_cured:
            most, is_cured = self.book.fill(sorted(helpful, key=lambda i: self._cure(i) <= 0))
        if is_cured:
            found = find_cheapest(self.book, relaxation, order, most, node_limit=node_limit)
            counts, cleared = self._clear_dust(found.counts, order, to_atoms(dust_value, 2))
            return self._cured(found, counts, cleared, order)
        outcome = Outcome.PARTIAL_CURE
        if self._is_insolvent():
            outcome = Outcome.INSOLVENT
            everything = self.book.steps_max
            most = [steps if self.book.leg(i, steps)[2] > 0 else 0 for i, steps in enumerate(everything)]
            order = self._by_merit(relaxation, range(len(everything)))
        self._exclude_unsold(most, helpful)
        if not any(most):
            outcome = Outcome.NOTHING_TO_SELL
        return self._result(outcome, most, order=order)

    def _sellable(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Keep what can be sold at all and note why the rest cannot."""
        sellable = []
        for candidate in candidates:
            if not candidate.is_tradable:
                self.excluded.append((candidate.code, candidate.reason or Excluded.NOT_TRADABLE))
            elif candidate.steps_max == 0:
                self.excluded.append((candidate.code, Excluded.BELOW_ONE_STEP))
            else:
                sellable.append(candidate)
        return sellable

    def _cure(self, index: int) -> Decimal:
        """Return `g`, per dollar of proceeds at the limit price, against the margin value."""
        candidate, holding = self.book.candidates[index], self.book.holding(index)
        margin_ratio = (ONE - holding.top_haircut) * (ONE - holding.fx_haircut)
        relief = candidate.step * holding.price * holding.fx_rate * margin_ratio / candidate.value_per_step
        return round_half_up(ONE - candidate.cost_rate - self.target * relief, CURE_PLACES)

    def _helpful(self, relaxation: Relaxation) -> list[int]:
        """Drop what has no cure to give: with `g <= 0` no amount helps, unless the credit limit binds."""
        is_limit_short = self.book.shortages(self.none)[1] > 0
        helpful = []
        for index, candidate in enumerate(self.book.candidates):
            brings_cash = relaxation.gain_per_step(index, 0) > 0
            if relaxation.gain_per_step(index) > 0 or (is_limit_short and brings_cash):
                helpful.append(index)
            else:
                self.excluded.append((candidate.code, Excluded.CANNOT_CURE))
        return helpful

    def _by_merit(self, relaxation: Relaxation, indices: Sequence[int]) -> list[int]:
        """Order by cost per cure; what is to be sold last counts as costing all it brings."""
        is_margin_short = self.book.shortages(self.none)[0] > 0
        weight = WEIGHTS if is_margin_short else 0

        def merit(index: int) -> tuple[bool, bool, Decimal, int]:
            candidate = self.book.candidates[index]
            gain = relaxation.gain_per_step(index, weight)
            cost = candidate.cost_rate * self.book.lines[index].value
            return candidate.sell_last, gain <= 0, cost / gain if gain > 0 else ZERO, index

        return sorted(indices, key=merit)

    def _clear_dust(
        self, counts: Counts, order: Sequence[int], dust_cents: int
    ) -> tuple[Counts, frozenset[int]]:
        """Sell out a leg whose remainder is dust (2.9.6), then let the other legs shrink."""
        cleared: frozenset[int] = frozenset()
        for index in order:
            rest = self.book.steps_max[index] - counts[index]
            if counts[index] and rest and self.book.leg(index, rest)[0] < dust_cents:
                full = [*counts[:index], self.book.steps_max[index], *counts[index + 1 :]]
                if self.book.is_cured(full):
                    cleared |= {index}
                    counts = self.book.trim(full, order, cleared)
        return counts, cleared

    def _is_insolvent(self) -> bool:
        """Say whether the loan is beyond what everything held would fetch, tradable or not."""
        fetched = from_atoms(sum(self.book.leg(i, n)[2] for i, n in enumerate(self.book.steps_max)), 2)
        cost_rates = {candidate.code: candidate.cost_rate for candidate in self.book.candidates}
        for holding in self.holdings:
            rest = holding.quantity - self._sold(holding.code, self.book.steps_max)
            fetched += value_quantity(holding, rest)[0] * (ONE - cost_rates.get(holding.code, ZERO))
        return self.loan > fetched

    def _exclude_unsold(self, counts: Counts, helpful: Sequence[int]) -> None:
        for index in helpful:
            if not counts[index]:
                code = self.book.candidates[index].code
                self.excluded.append((code, Excluded.COSTS_MORE_THAN_IT_BRINGS))
        sold = {self.book.candidates[index].code for index, steps in enumerate(counts) if steps}
        self.excluded = [
            (code, why) for code, why in self.excluded if why != Excluded.CANNOT_CURE or code not in sold
        ]

    def _cured(self, found: Found, counts: Counts, cleared: frozenset[int], order: Sequence[int]) -> SalePlan:
        is_proved = found.is_proved and not cleared
        return self._result(Outcome.CURES, counts, order=order, is_proved=is_proved, cleared=cleared)

    def _result(
        self,
        outcome: Outcome,
        counts: Counts,
        *,
        order: Sequence[int] = (),
        is_proved: bool = False,
        cleared: frozenset[int] = frozenset(),
    ) -> SalePlan:
        legs = tuple(self._leg(i, counts[i], outcome, i in cleared) for i in order if counts[i])
        left = [
            replace(holding, quantity=holding.quantity - self._sold(holding.code, counts))
            for holding in self.holdings
        ]
        proceeds = sum((leg.net for leg in legs), ZERO)
        return SalePlan(
            outcome=outcome,
            target=self.target,
            legs=legs,
            before=self.before,
            after=value_account(
                left, [Debt("loan", self.loan)], cash=proceeds, credit_limit=self.credit_limit
            ),
            is_optimality_proved=is_proved,
            excluded=tuple((code, str(why)) for code, why in self.excluded),
        )

    def _sold(self, code: str, counts: Counts) -> Decimal:
        offers = zip(self.book.candidates, counts, strict=True)
        return sum((offer.step * steps for offer, steps in offers if offer.code == code), ZERO)

    def _leg(self, index: int, steps: int, outcome: Outcome, is_cleared: bool) -> SaleLeg:
        candidate = self.book.candidates[index]
        gross, _, net = self.book.leg(index, steps)
        interest, impact = candidate.expected_costs(gross)
        is_full = steps == self.book.steps_max[index]
        return SaleLeg(
            code=candidate.code,
            quantity=candidate.step * steps,
            limit_price=candidate.price,
            gross=from_atoms(gross, 2),
            fees=candidate.fees.fees(from_atoms(gross, 2)),
            net=from_atoms(net, 2),
            cure_per_dollar=self._cure(index),
            cost_rate=candidate.cost_rate,
            why=_reason(outcome, candidate, is_full=is_full, is_cleared=is_cleared),
            interest=from_atoms(interest, 2),
            impact=from_atoms(impact, 2),
        )


def _reason(outcome: Outcome, candidate: Candidate, *, is_full: bool, is_cleared: bool) -> LegReason:
    if outcome is Outcome.INSOLVENT:
        return LegReason.BEST_RECOVERY
    if outcome is Outcome.PARTIAL_CURE:
        return LegReason.ALL_THAT_HELPS
    if is_cleared:
        return LegReason.DUST_CLEARED
    if candidate.sell_last:
        return LegReason.SELL_LAST
    if is_full and candidate.is_capped_by_market:
        return LegReason.ALL_THE_MARKET_TAKES
    return LegReason.LEAST_COST_IN_FULL if is_full else LegReason.LEAST_COST_IN_PART


def _shortage(value: AccountValue, target: Decimal) -> Decimal:
    return CONTEXT.subtract(value.loan, CONTEXT.multiply(target, value.effective_limit))


def _not_offered(holdings: Sequence[Holding], candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
    offered = {candidate.code for candidate in candidates}
    return [(h.code, Excluded.NOT_OFFERED) for h in holdings if h.code not in offered and h.quantity > 0]


def _check(
    holdings: Sequence[Holding], candidates: Sequence[Candidate], target: Decimal, dust_value: Decimal
) -> None:
    if target <= 0:
        raise ValueError(f"level {target} is not above 0")
    if dust_value < 0:
        raise ValueError(f"dust value {dust_value} is negative")
    left = {holding.code: holding.quantity for holding in holdings}
    if len(left) != len(holdings):
        raise ValueError("a code is held twice; give one holding per code")
    for candidate in candidates:
        if candidate.code not in left:
            raise ValueError(f"{candidate.code} is offered but not held")
        left[candidate.code] -= candidate.quantity
        if left[candidate.code] < 0:
            raise ValueError(f"more {candidate.code} is offered than held")
