"""Who gets how much of what all want: the shares of scarce assets among the accounts of a firm, before lots.

Each asset may have a cap on what the firm sells of it in one round. Where what the accounts would sell by
themselves exceeds a cap, the asset is scarce, and goes where it is hardest to replace: first to accounts that
cannot be cured without it, the more urgent band before the other and in proportion within one
(`reference/margin-peers.md` 2.9.8 C), then to whom it saves the most. With one scarce asset that is the optimum
of the linear programme; with several, each is shared in turn, the others held, until nothing moves.

Integers throughout: amounts in cents of gross proceeds, rates in 1e-10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from margin.sales.allotment import allot
from margin.sales.fees import RATE_UNIT

MERIT_UNIT: Final = 10**15
PASSES_MAX: Final = 4
Need = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Terms:
    """What selling each asset costs and cures at one target, and the order of merit."""

    cost: tuple[int, ...]
    cure: tuple[int, ...]
    merit: tuple[int, ...]
    order: tuple[int, ...]


@dataclass(slots=True)
class Claimant:
    """One account: what it is short of, and for each asset the most it may sell, in cents."""

    shortage: int
    band: int
    terms: Terms
    most: list[int]
    limits: list[int] = field(default_factory=list)

    def wanted(self, without: int = -1) -> tuple[list[int], int]:
        """Fill assets in order of merit within the limits; return (cents of each, shortage left)."""
        cure, limits, need = self.terms.cure, self.limits, self.shortage
        sold = [0] * len(limits)
        for index in self.terms.order:
            most = limits[index]
            if most and index != without:
                eased = most * cure[index] // RATE_UNIT
                if eased >= need:
                    sold[index] = min(need * RATE_UNIT // cure[index] + 1, most)
                    return sold, 0
                sold[index] = most
                need -= eased
        return sold, need


def terms_of(costs: Sequence[int], cures: Sequence[int]) -> Terms:
    """Put assets in order of cost per cure; what cures nothing is left out of the order."""
    merit = tuple(
        cost * MERIT_UNIT // cure if cure > 0 else 0 for cost, cure in zip(costs, cures, strict=True)
    )
    order = sorted((i for i, cure in enumerate(cures) if cure > 0), key=lambda i: (merit[i], i))
    return Terms(tuple(costs), tuple(cures), merit, tuple(order))


@dataclass(frozen=True, slots=True)
class Shares:
    """The scarce assets with the price each is worth at the margin, in 1e-15 of cost per cent sold."""

    prices: dict[int, int]


def share_out(claimants: Sequence[Claimant], caps: Sequence[int | None]) -> Shares:
    """Set the limits of all claimants so that no asset is wanted beyond its cap in cents."""
    for claimant in claimants:
        claimant.limits = list(claimant.most)
    prices: dict[int, int] = {}
    for _ in range(PASSES_MAX):
        demand = [0] * len(caps)
        for claimant in claimants:
            for index, amount in enumerate(claimant.wanted()[0]):
                demand[index] += amount
        over = [i for i, cap in enumerate(caps) if cap is not None and demand[i] > cap]
        if not over:
            break
        scarce = {*over, *prices}
        for index in sorted(scarce, key=lambda i: -demand[i] * 1000 // max(caps[i] or 0, 1)):
            prices[index] = _share_one(claimants, index, caps[index] or 0)
    return Shares(prices)


def _share_one(claimants: Sequence[Claimant], index: int, cap: int) -> int:
    """Share one asset, everything else held; return what one more cent of it would save."""
    needs: list[Need] = []
    for number, claimant in enumerate(claimants):
        if claimant.most[index] and claimant.terms.cure[index] > 0:
            needs.extend(_needs(claimant, number, index))
            claimant.limits[index] = 0
    needs.sort()
    left, price = cap, 0
    for (kind, worth), group in groupby(needs, key=lambda need: need[:2]):
        wanted = list(group)
        total = sum(need[3] for need in wanted)
        if total <= left:
            for _, _, number, amount in wanted:
                claimants[number].limits[index] += amount
            left -= total
            continue
        price = 0 if kind < 0 else -worth
        amounts = [need[3] for need in wanted]
        for (_, _, number, _), amount in zip(wanted, allot(left, amounts, amounts), strict=True):
            claimants[number].limits[index] += amount
        break
    return price


def _needs(claimant: Claimant, number: int, index: int) -> list[Need]:
    """Return (kind, worth, claimant, cents) of an asset, the dearest to replace first and ready to be sorted.

    Kind is the band, negative, for what nothing else can cure, and 0 for what saves another asset's cost.
    """
    terms = claimant.terms
    cure = terms.cure[index]
    sold, uncured = claimant.wanted(without=index)
    room = claimant.most[index]
    needs: list[Need] = []
    if uncured:
        amount = min(uncured * RATE_UNIT // cure + 1, room)
        needs.append((-1 - claimant.band, 0, number, amount))
        room -= amount
    for other in reversed(terms.order):
        saving = terms.merit[other] - terms.merit[index]
        if not room or saving <= 0:
            break
        if sold[other]:
            amount = min(sold[other] * terms.cure[other] // cure + 1, room)
            needs.append((0, -saving * cure // RATE_UNIT, number, amount))
            room -= amount
    return needs
