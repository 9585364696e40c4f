"""The next slice of a sale: which legs may send one now, and at what price at least."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from collateral.models import Instrument
from ledger.core import clock
from ledger.core.decimals import floor_to
from margin.models import ForcedSale, SaleOrder
from margin.valuations import Assessment

from .ticks import VIRTUAL_ASSET_TICK, round_down_to_tick, sehk_spread_tables

# As long as the exchange's cooling-off (regulation 8.10): what it refuses for the moment it may take then.
REFUSAL_PAUSE: Final = timedelta(minutes=5)
REFUSALS_MAX: Final = 3


class Refused(NamedTuple):
    """Legs, by asset code, whose last order the venue refused: those that wait, and those given up."""

    waiting: frozenset[str]
    given_up: frozenset[str]


def refused_legs(sale: ForcedSale) -> Refused:
    """Return which legs send nothing now: what was refused is not sent again at once, nor more than three times.

    Refused is an order that the venue rejected, or took off unasked with nothing done.
    """
    now = clock.now()
    orders = SaleOrder.objects.filter(leg__sale=sale).select_related("leg__asset").order_by("-pk")
    in_a_row: dict[str, int] = {}
    waiting, done = set(), set()
    for order in orders:
        code, final_at = order.leg.asset.code, order.final_at
        if code in done:
            continue
        if final_at is None or not order.was_refused:
            done.add(code)
            continue
        in_a_row[code] = in_a_row.get(code, 0) + 1
        if in_a_row[code] == 1 and now < final_at + REFUSAL_PAUSE:
            waiting.add(code)
    given_up = {code for code, times in in_a_row.items() if times >= REFUSALS_MAX}
    return Refused(frozenset(waiting - given_up), frozenset(given_up))


def limit_price(assessment: Assessment, code: str) -> Decimal:
    """The reference price less the policy's band, down to a tick."""
    lowest = assessment.market.quotes[code].price * (1 - assessment.policy.price_band)
    instrument = assessment.market.instruments[code]
    if instrument.venue == Instrument.Venue.SEHK:
        return round_down_to_tick(lowest, clock.today(), sehk_spread_tables())
    return floor_to(lowest, VIRTUAL_ASSET_TICK)
