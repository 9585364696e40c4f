"""Assessments of facilities as the accounts that scenarios are tried on, and their prices on the grid they move on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

from collateral.models import Instrument
from ledger.models import Asset
from margin.clients import BASE_CURRENCY
from margin.market import Market
from margin.models import MarginPolicy
from margin.sales.ticks import round_down_to_tick, sehk_spread_tables
from margin.valuations import Assessment

from .breakeven import Levels
from .portfolio import Account, Pledge

SHARE_GRID: Final = Decimal("0.001")
COIN_GRID: Final = Decimal("0.01")


def account_of(assessment: Assessment) -> Account:
    """Return an assessment's account before any cap."""
    value, market = assessment.value, assessment.market
    return Account(
        ref=assessment.facility.pk,
        pledges=tuple(
            Pledge(
                replace(line.holding, ceiling=None, ceiling_ref=None),
                market.assets[line.holding.code].kind,
                _quoted_in(market, line.holding.code),
            )
            for line in value.lines
        ),
        debts=tuple(line.debt for line in value.debts),
        currency=assessment.facility.currency,
        cash=value.cash,
        credit_limit=value.credit_limit,
        group=assessment.facility.client.group_id,
    )


def levels_of(policy: MarginPolicy) -> Levels:
    return Levels(call=policy.call_utilisation, immediate=policy.immediate_utilisation)


def grid_of(instrument: Instrument) -> Decimal:
    """The step that every price of an instrument is a multiple of; a cent for coins."""
    return SHARE_GRID if instrument.venue == Instrument.Venue.SEHK else COIN_GRID


def on_tick(price: Decimal, instrument: Instrument, on: date) -> Decimal:
    """The highest price the exchange knows that is not above `price`; off its tables the price itself."""
    if instrument.venue != Instrument.Venue.SEHK:
        return price
    try:
        return round_down_to_tick(price, on, sehk_spread_tables())
    except ValueError:
        return price


def _quoted_in(market: Market, code: str) -> str:
    if market.assets[code].kind == Asset.Kind.FIAT:
        return code
    quote = market.quotes.get(code)
    return BASE_CURRENCY if quote is None or quote.price_id is None else quote.currency
