"""How Ms Chan came to where a test finds her."""

from __future__ import annotations

from ledger.models import Block, Journal
from ledger.seal.sealer import seal
from margin.accrual import accrue_due
from margin.calls import advance_due, review_calls
from margin.models import Fill, ForcedSale, MarginCall, SettlementInstruction
from margin.sales.instructions import open_instruction
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


def with_an_unsettled_trade(house: House) -> SettlementInstruction:
    """400 of Ms Chan's HSBC are sold under her plan and wait to settle; written past the law, for the doors alone."""
    leg = with_a_planned_sale(house).legs.get()
    journal = Journal.objects.latest("pk").pk
    without_law(
        "INSERT INTO margin_saleorder (leg_id, client_order_id, slice_number, status, quantity, filled_quantity,"
        f" limit_price, created_at) VALUES ({leg.pk}, 'HSBC-1', 9, 'filled', 400, 400, 98, '{DUE}')",
        "INSERT INTO margin_fill (order_id, venue, execution_id, quantity, price, gross, gross_currency, fees,"
        " fees_total, fees_total_currency, net, net_currency, traded_at, settles_on, trade_journal_id)"
        " SELECT id, 'sehk', 'sehk-9', 400, 98, 39200, 'HKD', '{}', 200, 'HKD', 39000, 'HKD', created_at,"
        f" '2026-04-10', '{journal}' FROM margin_saleorder WHERE client_order_id = 'HSBC-1'",
    )
    return open_instruction(Fill.objects.get(execution_id="sehk-9"))
