"""What a call may be met with, and what the client has brought in since it went out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from collateral.valuation import Holding
from ledger.core.decimals import CONTEXT, ZERO, ceil_to, plain, round_down, round_up
from ledger.models import Entry, Journal, Role

from .models import MarginCall
from .valuations import Assessment, assess

DEPOSIT_KINDS: Final = ("cash_deposit", "collateral_deposit")
CLIENT_ROLES: Final = (Role.CLIENT_CASH, Role.CLIENT_COLLATERAL)


def cures(call: MarginCall) -> dict[str, Any]:
    """The three ways to meet a call, in amounts: cash, marginable securities, or a sale (regulation 2.7).

    Cash is what is still missing. Securities and virtual assets are the market value that a deposit of each
    pledged asset would need at its margin ratio; a sale is the market value to sell of it at its haircut,
    before costs. Amounts are rounded up to the cent, quantities up to whole board lots or steps at the price
    of now; an asset whose haircut is nothing cannot cure by sale, and one of which too little is held
    cannot cure alone.
    """
    now = assess(call.facility)
    missing = now.value.deficiency
    by_asset = []
    for line in now.value.lines:
        ratio, haircut = line.margin_ratio, 1 - line.margin_ratio
        deposit = round_up(CONTEXT.divide(missing, ratio)) if ratio else None
        sale = round_up(CONTEXT.divide(missing, haircut)) if haircut else None
        sold = _units(now, line.holding, sale)
        by_asset.append(
            {
                "asset": line.holding.code,
                "deposit_market_value": _text(deposit),
                "deposit_quantity": _text(_units(now, line.holding, deposit)),
                "sale_market_value": _text(sale),
                "sale_quantity": _text(sold if sold is not None and sold <= line.holding.quantity else None),
            }
        )
    return {"at": now.market.at, "currency": call.facility.currency, "cash": str(missing), "assets": by_asset}


def _units(now: Assessment, holding: Holding, value: Decimal | None) -> Decimal | None:
    """How many units a market value takes, up to whole steps; None for money and for what has no price."""
    instrument = now.market.instruments.get(holding.code)
    unit_value = holding.price * holding.fx_rate
    if value is None or instrument is None or not unit_value:
        return None
    return ceil_to(CONTEXT.divide(value, unit_value), instrument.step)


def _text(figure: Decimal | None) -> str | None:
    return None if figure is None else plain(figure)


@dataclass(frozen=True, slots=True)
class BroughtIn:
    """What a client has deposited since a call went out, as far as it meets the call."""

    cash: Decimal
    collateral: Decimal

    @property
    def total(self) -> Decimal:
        return self.cash + self.collateral


def brought_in(call: MarginCall, now: Assessment) -> BroughtIn:
    """Return what was deposited since the call was issued, in the facility's currency, down to the cent.

    Cash counts in full, collateral at the margin value it has in `now`; a deposit that was reversed does not
    count. A repayment out of cash on the account moves nothing: that cash was set off already.
    """
    client = call.facility.client
    journals = Journal.objects.filter(
        book=client.broker.book,
        cause=f"client:{client.number}",
        kind__in=DEPOSIT_KINDS,
        booked_at__gte=call.issued_at,
        reversals__isnull=True,
    )
    entries = Entry.objects.filter(
        journal__in=list(journals), account__owner=client.number, account__role__in=CLIENT_ROLES
    ).select_related("account__asset")
    units: dict[str, Decimal] = {}
    for entry in entries:
        asset = entry.account.asset
        units[asset.code] = units.get(asset.code, ZERO) + asset.units(-entry.amount_atoms)
    cash = units.pop(call.facility.currency, ZERO)
    collateral = sum(
        (
            CONTEXT.divide(
                line.margin_value * min(units[line.holding.code], line.holding.quantity),
                line.holding.quantity,
            )
            for line in now.value.lines
            if line.holding.code in units and line.holding.quantity
        ),
        ZERO,
    )
    return BroughtIn(round_down(cash), round_down(collateral))
