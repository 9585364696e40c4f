"""How far prices must fall until an account is called, sold at once, or costs the lender money.

Margin value never rises when a price falls (`collateral.valuation`), so there is one point on a grid of prices at
which an account passes an edge: found exactly, by a guess from the straight line and bisection around it, with the
kernel asked at every step; no closed form knows of tiers, caps and roundings. At the point found the edge is
passed, one step above it is not.

Caps of the account itself move with its prices. What a cap of its client group or of the firm leaves it is taken as it
stands: that depends on the other accounts. Where such a cap cuts an account, parts of it are rounded down to the
cent asset by asset, so near the point the margin value may be uneven by as many cents as there are assets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final

from collateral.caps import Cap, Ceiling, Scope, ceilings
from collateral.valuation import AccountValue
from ledger.core.decimals import CONTEXT, ZERO
from margin.sales.lots import least_true

from .portfolio import MONEY, Account, value_under, worths_of
from .scenarios import ONE, Scenario

PARTS: Final = 1_000_000
PRICE_FACTOR_MAX: Final = 1_000


class Edge(StrEnum):
    """What an account may pass: a margin call, the level of immediate sale, a loss to the lender."""

    CALL = "call"
    IMMEDIATE = "immediate"
    LOSS = "loss"


@dataclass(frozen=True, slots=True)
class Levels:
    """The utilisations of a margin policy, as ratios (1 = 100%)."""

    call: Decimal
    immediate: Decimal

    def is_past(self, edge: Edge, value: AccountValue) -> bool:
        """Whether an account has passed an edge: strictly above the call level, at the immediate level or more."""
        match edge:
            case Edge.CALL:
                return value.is_above(self.call)
            case Edge.IMMEDIATE:
                return value.is_at_least(self.immediate)
            case Edge.LOSS:
                return value.equity < 0

    def target(self, edge: Edge, value: AccountValue) -> Decimal:
        """The margin value (for a loss: the market value) at which the edge lies, as if nothing were rounded."""
        match edge:
            case Edge.CALL:
                return value.loan / self.call
            case Edge.IMMEDIATE:
                return value.loan / self.immediate
            case Edge.LOSS:
                return value.loan


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The highest price at which an edge is passed.

    `price` is None where there is none: then the edge `is_always` passed, at any price looked at, or never, not even
    at zero.
    """

    price: Decimal | None
    is_always: bool = False


def fall_until(
    account: Account,
    edge: Edge,
    levels: Levels,
    *,
    kinds: Collection[str] | None = None,
    caps: Sequence[Cap] = (),
    wide: Sequence[Ceiling] = (),
) -> Decimal | None:
    """Return the least fall of all prices, or of those of some classes, at which an edge is passed.

    A fraction in steps of 0.000001: 0.25 is a fall of 25%, 0 says that the edge is passed already. None where it is
    not passed even when they are worth nothing. `wide` as :func:`wide_ceilings` gives them for the market as it is.
    """

    def at(parts: int) -> Scenario:
        factor = Decimal(parts) / PARTS
        if kinds is None:
            return Scenario("fall", everything=factor)
        return Scenario("fall", classes=dict.fromkeys(kinds, factor))

    with localcontext(CONTEXT):
        moves = {
            pledge.holding.code
            for pledge in account.pledges
            if pledge.kind != MONEY and (kinds is None or pledge.kind in kinds)
        }
        search = _Search(account, edge, levels, at, caps, wide)
        if search.is_past(PARTS):
            return ZERO
        parts = search.highest_past(PARTS, PARTS, moves)
        return None if parts is None else 1 - Decimal(parts) / PARTS


def price_until(
    account: Account,
    code: str,
    edge: Edge,
    levels: Levels,
    *,
    tick: Decimal,
    caps: Sequence[Cap] = (),
    wide: Sequence[Ceiling] = (),
) -> BreakEven:
    """Return the highest price of one asset, a multiple of `tick`, at which an edge is passed; all else unchanged.

    It is above today's where the edge is passed today. Prices up to a thousand times today's are looked at. `wide` as
    in :func:`fall_until`. Raises `ValueError` where the asset is not pledged or has no price.
    """
    held = next((pledge for pledge in account.pledges if pledge.holding.code == code), None)
    if held is None or held.kind == MONEY or not held.holding.price:
        raise ValueError(f"{code} is not pledged at a price")

    def at(ticks: int) -> Scenario:
        return Scenario("price", assets={code: ticks * tick})

    with localcontext(CONTEXT):
        search = _Search(_at_one(account, code), edge, levels, at, caps, wide)
        now = max(int(held.holding.price / tick), 1)
        top = now * PRICE_FACTOR_MAX
        if search.is_past(top):
            return BreakEven(None, is_always=True)
        ticks = search.highest_past(top, now, {code})
        return BreakEven(None if ticks is None else ticks * tick)


def _at_one(account: Account, code: str) -> Account:
    """The account with this price at 1, so that a factor is a price and nothing is divided."""
    return replace(
        account,
        pledges=tuple(
            replace(pledge, holding=replace(pledge.holding, price=ONE))
            if pledge.holding.code == code
            else pledge
            for pledge in account.pledges
        ),
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """One edge of one account on a grid of scenarios that fall towards zero."""

    account: Account
    edge: Edge
    levels: Levels
    at: Callable[[int], Scenario]
    caps: Sequence[Cap]
    wide: Sequence[Ceiling]

    def value(self, point: int) -> AccountValue:
        scenario = self.at(point)
        bound = list(self.wide)
        if self.caps:
            own = worths_of(self.account, scenario)
            bound += ceilings(own, {Scope.GROUP: own} if self.account.group is None else {}, self.caps)
        return value_under(self.account, scenario, bound)

    def is_past(self, point: int) -> bool:
        return self.levels.is_past(self.edge, self.value(point))

    def highest_past(self, safe_at: int, now: int, moves: Collection[str]) -> int | None:
        """The highest point at which the edge is passed, below one at which it is not; None where there is none."""
        if not self.is_past(0):
            return None
        guess = self._straight(now, moves)
        return least_true(lambda point: not self.is_past(point), 0, safe_at, guess) - 1

    def _straight(self, now: int, moves: Collection[str]) -> int:
        """Where the edge would lie if value were proportional to price."""
        value = self.value(now)
        moving, fixed = ZERO, ZERO
        for line in value.lines:
            worth = line.market_value if self.edge is Edge.LOSS else line.margin_value
            if line.holding.code in moves:
                moving += worth
            else:
                fixed += worth
        missing = max(self.levels.target(self.edge, value) - fixed, ZERO)
        return int(now * missing / moving) + 1 if moving else now


def wide_ceilings(account: Account, bound: Iterable[Ceiling], caps: Iterable[Cap]) -> tuple[Ceiling, ...]:
    """Of the ceilings on an account, those that depend on other accounts."""
    scopes = {cap.ref: cap.scope for cap in caps}
    own = {Scope.ACCOUNT} if account.group is not None else {Scope.ACCOUNT, Scope.GROUP}
    return tuple(ceiling for ceiling in bound if scopes[ceiling.ref] not in own)
