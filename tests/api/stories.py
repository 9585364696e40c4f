"""How Ms Chan came to where a test finds her."""

from __future__ import annotations

from ledger.models import Block
from ledger.seal.sealer import seal
from margin.accrual import accrue_due
from margin.calls import advance_due, review_calls
from margin.models import ForcedSale, MarginCall
from margin.sales.planning import plan_overdue
from margin.valuations import run_valuation
from tests.builders import at
from tests.ledger.books import without_law

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


def sealed() -> None:
    """Seal what this test's own transaction booked, by giving it the number of an older one."""
    last = Block.objects.order_by("to_transaction").last()
    number = last.to_transaction if last else 3
    without_law(
        f"UPDATE ledger_journal SET transaction = '{number}' WHERE transaction = pg_current_xact_id()"
    )
    seal()
