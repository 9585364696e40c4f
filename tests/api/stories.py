"""How Ms Chan came to where a test finds her."""

from __future__ import annotations

from margin.accrual import accrue_due
from margin.calls import advance_due, review_calls
from margin.models import ForcedSale, MarginCall
from margin.sales.planning import plan_overdue
from margin.valuations import run_valuation
from tests.builders import at

from .conftest import House

DUE = "2026-04-08 15:00"


def with_a_call(house: House) -> MarginCall:
    """Example V01: a call for 77,147.67 on 2 April."""
    accrue_due(broker=house.world.broker)
    [call] = review_calls(run=run_valuation(broker=house.world.broker))
    return call


def with_a_planned_sale(house: House) -> ForcedSale:
    """Example V02: the call passed its due time with Bitcoin at USD 80,000."""
    with_a_call(house)
    with at(DUE):
        house.world.price("BTC", "80000", "2026-04-08 14:59:50")
        house.world.price("00005", "98.40", "2026-04-08 14:59")
        house.world.price("00700", "512.50", "2026-04-08 14:59")
        advance_due(broker=house.world.broker)
        [sale] = plan_overdue(broker=house.world.broker)
    return sale
