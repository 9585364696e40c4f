"""Concentration caps: how much of what is pledged may count, per account, client group and firm.

A cap bounds margin value by a share of a base or by an amount. The base is always *uncapped* margin value,
otherwise the rule would be circular (`reference/regulation.md` chapter 9, V09). Where a cap spans accounts,
each of them counts its part of the limit in proportion to what it holds, so that splitting a holding gains
nothing. Values go in, values come out: no database, no Django.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final, NamedTuple

from ledger.core.decimals import CONTEXT, round_down

from .valuation import Holding

NO_MONEY: Final = Decimal("0.00")


class Scope(StrEnum):
    ACCOUNT = "account"
    GROUP = "group"
    FIRM = "firm"


class Measure(StrEnum):
    """What a cap bounds: one asset as a share of all, one asset by amount, or all virtual assets."""

    SINGLE_NAME = "single_name"
    AMOUNT = "amount"
    VIRTUAL_ASSETS = "virtual_assets"


class Worth(NamedTuple):
    """The uncapped margin value of one asset, to the cent."""

    margin_value: Decimal
    is_virtual: bool = False


@dataclass(frozen=True, slots=True)
class Cap:
    """One row of the schedule: `share` of the base (1 = 100%) or `amount` in base currency; `code` None is each."""

    ref: int
    scope: Scope
    measure: Measure
    code: str | None = None
    share: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A cap that binds: `code` counts for `amount`, of `limit` for the `scope_value` held within the scope.

    `base` is what the limit is a share of; it equals the limit where the cap is an amount.
    """

    ref: int
    code: str
    base: Decimal
    scope_value: Decimal
    limit: Decimal
    amount: Decimal


def limit_of(cap: Cap, base: Decimal) -> Decimal:
    """Return what may count within the scope, rounded down to the cent."""
    return round_down(CONTEXT.multiply(cap.share, base)) if cap.share is not None else base


def part_of(limit: Decimal, value: Decimal, scope_value: Decimal) -> Decimal:
    """Return the part of a limit that `value` of all that is held in the scope may use, down to the cent.

    >>> part_of(Decimal("250000.00"), Decimal("800000.00"), Decimal("800000.00"))
    Decimal('250000.00')
    """
    if scope_value <= limit:
        return value
    return round_down(CONTEXT.divide(CONTEXT.multiply(limit, value), scope_value))


def ceilings(
    own: Mapping[str, Worth], totals: Mapping[Scope, Mapping[str, Worth]], caps: Iterable[Cap]
) -> tuple[Ceiling, ...]:
    """Return the caps that bind on an account, in their order.

    `own` is the account's uncapped margin value by asset, `totals` that of each wider scope including it; a
    scope that is absent caps nothing.

    >>> own = {"A": Worth(Decimal("700000.00")), "B": Worth(Decimal("300000.00"))}
    >>> cap = Cap(1, Scope.ACCOUNT, Measure.SINGLE_NAME, share=Decimal("0.4"))
    >>> [(bound.code, bound.amount) for bound in ceilings(own, {}, [cap])]
    [('A', Decimal('400000.00'))]
    """
    found = []
    with localcontext(CONTEXT):
        for cap in caps:
            held = own if cap.scope == Scope.ACCOUNT else totals.get(cap.scope)
            if held is None:
                continue
            base = _base(cap, held)
            limit = limit_of(cap, base)
            together = sum((worth.margin_value for worth in held.values() if worth.is_virtual), NO_MONEY)
            for code, worth in own.items():
                if not _is_capped(cap, code, worth):
                    continue
                scope_value = together if cap.measure == Measure.VIRTUAL_ASSETS else held[code].margin_value
                amount = part_of(limit, worth.margin_value, scope_value)
                if amount < worth.margin_value:
                    found.append(Ceiling(cap.ref, code, base, scope_value, limit, amount))
    return tuple(found)


def under_ceilings(holdings: Iterable[Holding], bound: Iterable[Ceiling]) -> list[Holding]:
    """Put on each holding the lowest ceiling that binds on it, the earlier row where two are equal."""
    lowest: dict[str, Ceiling] = {}
    for ceiling in bound:
        if ceiling.code not in lowest or ceiling.amount < lowest[ceiling.code].amount:
            lowest[ceiling.code] = ceiling
    return [
        replace(holding, ceiling=lowest[holding.code].amount, ceiling_ref=lowest[holding.code].ref)
        if holding.code in lowest
        else holding
        for holding in holdings
    ]


def add_up(accounts: Iterable[Mapping[str, Worth]]) -> dict[str, Worth]:
    """Return the uncapped margin value by asset of several accounts together."""
    total: dict[str, Worth] = {}
    for account in accounts:
        for code, worth in account.items():
            before = total.get(code, Worth(NO_MONEY)).margin_value
            total[code] = Worth(CONTEXT.add(before, worth.margin_value), worth.is_virtual)
    return total


def _is_capped(cap: Cap, code: str, worth: Worth) -> bool:
    if cap.measure == Measure.VIRTUAL_ASSETS:
        return worth.is_virtual
    return cap.code is None or cap.code == code


def _base(cap: Cap, held: Mapping[str, Worth]) -> Decimal:
    if cap.amount is not None:
        return cap.amount
    counted = (
        worth.margin_value
        for worth in held.values()
        if cap.measure == Measure.SINGLE_NAME or not worth.is_virtual
    )
    return sum(counted, NO_MONEY)
