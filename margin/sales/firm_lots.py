"""One account of a firm-wide plan in whole lots: fitted by arithmetic on integers, checked as the books round.

What is the same for all accounts, the value and the charges of so many lots of an asset, is reckoned once.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from ledger.core.decimals import CONTEXT, ZERO, to_atoms
from margin.sales.fees import RATE_UNIT
from margin.sales.lots import least_true
from margin.sales.scarcity import Terms

if TYPE_CHECKING:
    from margin.sales.firm import FirmAccount, FirmAsset

ONE = Decimal(1)


class AssetLots:
    """Value, charges and margin value of an asset's lots, in cents and exactly as the books round them."""

    def __init__(self, asset: FirmAsset) -> None:
        self.code = asset.code
        self.step = asset.step
        self._fees = asset.fees
        price = asset.price * asset.fx_rate
        self._price_top, self._price_bottom = price.as_integer_ratio()
        self._step_top, self._step_bottom = asset.step.as_integer_ratio()
        ratio = (ONE - asset.haircut) * (ONE - asset.fx_haircut)
        self._ratio_top, self._ratio_bottom = ratio.as_integer_ratio()
        self._charges: dict[int, int] = {}

    def lots_in(self, quantity: Decimal) -> int:
        """How many whole lots a quantity holds."""
        return int(CONTEXT.divide_int(quantity, self.step))

    def lots_for(self, cents: int) -> int:
        """How many lots bring so much, rounded up."""
        top = 100 * self._step_top * self._price_top
        return -(-cents * self._step_bottom * self._price_bottom // top)

    def lots_within(self, cents: int) -> int:
        """How many lots bring no more than so much."""
        return cents * self._step_bottom * self._price_bottom // (100 * self._step_top * self._price_top)

    def gross(self, lots: int) -> int:
        return self._half_up(lots * self._step_top, self._step_bottom)

    def charges(self, lots: int) -> int:
        known = self._charges.get(lots)
        if known is None:
            known = self._charges[lots] = sum(self._fees.cents(self.gross(lots)))
        return known

    def margin(self, top: int, bottom: int) -> int:
        """Return the margin value of `top / bottom` units: market value half up, then down, both to the cent."""
        return self._half_up(top, bottom) * self._ratio_top // self._ratio_bottom

    def margin_after(self, held: tuple[int, int], lots: int) -> int:
        top, bottom = held
        return self.margin(
            top * self._step_bottom - lots * self._step_top * bottom, bottom * self._step_bottom
        )

    def _half_up(self, top: int, bottom: int) -> int:
        return (200 * top * self._price_top + bottom * self._price_bottom) // (
            2 * bottom * self._price_bottom
        )


class AccountLots:
    """An account's lots: how many it may sell at most, what a choice leaves short, and the choice that fits."""

    def __init__(self, assets: Sequence[AssetLots], account: FirmAccount, terms: Terms) -> None:
        self.assets = assets
        self.terms = terms
        held = [account.held.get(asset.code, ZERO) for asset in assets]
        self._held = [quantity.as_integer_ratio() for quantity in held]
        self.most = [asset.lots_in(quantity) for asset, quantity in zip(assets, held, strict=True)]
        self._margins = [asset.margin(*ratio) for asset, ratio in zip(assets, self._held, strict=True)]
        self._margin = sum(self._margins) + to_atoms(account.other_margin_value, 2)
        self._loan = to_atoms(account.loan, 2)
        limit = account.credit_limit
        self._limit = None if limit is None else to_atoms(limit, 2)
        self._target_top, self._target_bottom = account.target.as_integer_ratio()
        self.shortage_cents = -(-self._scaled([0] * len(assets)) // self._target_bottom)

    def is_cured(self, counts: Sequence[int]) -> bool:
        """Say whether the loan is within target x min(margin value, credit limit) after a choice."""
        return self._scaled(counts) <= 0

    def shortage(self, counts: Sequence[int]) -> Decimal:
        """Return how far the loan stays above target x effective limit, exactly."""
        return Decimal(self._scaled(counts)) / (100 * self._target_bottom)

    def fit(self, room: Sequence[int]) -> list[int]:
        """Return whole lots within `room` that cure at the least cost found, or all that helps if none does.

        Whole lots in order of merit, the rest by the cheapest single asset, then what is too much taken back.
        """
        counts, need = [0] * len(room), self.shortage_cents
        for index in self.terms.order:
            if need > 0:
                asset, cure = self.assets[index], self.terms.cure[index]
                counts[index] = min(room[index], asset.lots_within(need * RATE_UNIT // cure))
                need -= asset.gross(counts[index]) * cure // RATE_UNIT
        counts = self._close(counts, room, max(need, 0))
        if self.is_cured(counts):
            self._trim(counts)
            counts = self._or_single(counts, room)
        return counts

    def _or_single(self, counts: list[int], room: Sequence[int]) -> list[int]:
        """Return the choice, or one asset alone if that is cheaper: a second leg has charges of its own."""
        least = sum(self.assets[index].charges(number) for index, number in enumerate(counts) if number)
        for index in self.terms.order:
            wanted = self.assets[index].lots_for(self.shortage_cents * RATE_UNIT // self.terms.cure[index])
            for number in (wanted, wanted + 1):
                if number <= room[index] and self.assets[index].charges(number) < least:
                    alone = [0] * len(room)
                    alone[index] = number
                    if self.is_cured(alone):
                        counts, least = alone, self.assets[index].charges(number)
                        break
        return counts

    def _close(self, counts: list[int], room: Sequence[int], need: int) -> list[int]:
        """Cure the rest by the single asset that is cheapest for it."""
        choices = []
        for index in self.terms.order:
            asset = self.assets[index]
            number = counts[index] + asset.lots_for(need * RATE_UNIT // self.terms.cure[index])
            if number <= room[index]:
                choices.append((asset.charges(number) - asset.charges(counts[index]), index, number))
        for _, index, number in sorted(choices):
            closed = [*counts[:index], number, *counts[index + 1 :]]
            if self.is_cured(closed):
                return closed
            closed[index] = room[index]
            if self.is_cured(closed):
                closed[index] = self._least(closed, index, number, room[index])
                return closed
        return self._all_in_turn(list(counts), room)

    def _least(self, counts: list[int], index: int, uncured: int, cured: int) -> int:
        """Return how many lots of one asset cure while one less does not, looking first where they should."""

        def cures(number: int) -> bool:
            return self.is_cured([*counts[:index], number, *counts[index + 1 :]])

        spare = -self._scaled([*counts[:index], cured, *counts[index + 1 :]]) // self._target_bottom
        back = self.assets[index].lots_within(spare * RATE_UNIT // self.terms.cure[index])
        return least_true(cures, uncured, cured, cured - back)

    def _all_in_turn(self, counts: list[int], room: Sequence[int]) -> list[int]:
        """Sell one asset after the other in full, in order of merit, until the account is cured."""
        for index in self.terms.order:
            if self.is_cured(counts):
                break
            before = self._scaled(counts)
            full = [*counts[:index], room[index], *counts[index + 1 :]]
            if self._scaled(full) < before:
                counts = full
        return counts

    def _trim(self, counts: list[int]) -> None:
        """Take back lots that are not needed, the worst in merit first."""
        for index in reversed(self.terms.order):
            number = counts[index]
            if number and self.is_cured([*counts[:index], number - 1, *counts[index + 1 :]]):
                counts[index] = 0
                if not self.is_cured(counts):
                    counts[index] = self._least(counts, index, 0, number - 1)

    def _scaled(self, counts: Sequence[int]) -> int:
        """The loan above target x effective limit, in cents times the target's denominator; zero is cured."""
        loan, margin = self._loan, self._margin
        for index, number in enumerate(counts):
            if number:
                asset = self.assets[index]
                loan -= asset.gross(number) - asset.charges(number)
                margin += asset.margin_after(self._held[index], number) - self._margins[index]
        effective = margin if self._limit is None else min(margin, self._limit)
        return loan * self._target_bottom - self._target_top * effective
