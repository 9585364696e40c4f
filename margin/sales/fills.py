"""A trade is booked once: the fill, its journal and the order's new state in one transaction.

Virtual assets settle at once (V27). Listed securities are recognised on the trade date, as owed to the
clearing house against a receivable, and settle two settlement days later; until then interest runs on (I14).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from moneyed import Money

from collateral.fx import latest_rate
from collateral.models import Instrument
from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core import clock
from ledger.core.calendars import settlement_date
from ledger.core.clock import HONG_KONG
from ledger.core.decimals import ZERO, plain, round_half_up
from ledger.core.events import record_event
from ledger.models import Role
from ledger.posting import JournalRequest, Leg, credit, debit, post
from margin import states
from margin.custody import location_of
from margin.models import Client, Facility, Fill, ForcedSale, MarginCall, SaleOrder

from .fees import Fees
from .instructions import open_instruction
from .planning import SETTLEMENT_LAG_DAYS, charges
from .venues import Execution


@transaction.atomic
def record_fill(order: SaleOrder, execution: Execution, *, actor: str) -> bool:
    """Book one execution of an order; False when it was booked before.

    Gross is quantity x price x exchange rate (bid), half up to the cent; the charges are those of the trade
    date.
    """
    leg = order.leg
    facility = Facility.objects.select_for_update(of=("self",), no_key=True).get(calls__sales=leg.sale_id)
    MarginCall.objects.select_for_update(no_key=True).get(sales=leg.sale_id)
    ForcedSale.objects.select_for_update(no_key=True).get(pk=leg.sale_id)
    locked = SaleOrder.objects.select_for_update(no_key=True).get(pk=order.pk)
    instrument = leg.asset.instrument
    if Fill.objects.filter(venue=instrument.venue, execution_id=execution.execution_id).exists():
        return False
    rate = latest_rate(instrument.trading_currency, facility.currency, at=execution.executed_at)
    gross = round_half_up(execution.quantity * execution.price * rate.bid)
    traded_on = execution.executed_at.astimezone(HONG_KONG).date()
    fees = charges(facility.client.broker, instrument, on=traded_on).fees(gross)
    is_immediate = instrument.venue == Instrument.Venue.VATP
    journal_id = _book_trade(facility, locked, execution, fees, traded_on, is_immediate, actor)
    fill = Fill.objects.create(
        order=locked,
        venue=instrument.venue,
        execution_id=execution.execution_id,
        quantity=execution.quantity,
        price=execution.price,
        fx_rate_id=rate.rate_id,
        gross=Money(gross, facility.currency),
        fees={name: plain(amount) for name, amount in asdict(fees).items() if name not in ("gross", "net")},
        fees_total=Money(fees.total, facility.currency),
        net=Money(fees.net, facility.currency),
        traded_at=execution.executed_at,
        settles_on=traded_on if is_immediate else settlement_date(traded_on, SETTLEMENT_LAG_DAYS),
        trade_journal_id=journal_id,
        settlement_journal_id=journal_id if is_immediate else None,
        settled_at=clock.now() if is_immediate else None,
    )
    if not is_immediate:
        open_instruction(fill)
    locked.filled_quantity += execution.quantity
    is_done = locked.filled_quantity == locked.quantity
    locked.status = states.step(states.ORDER, locked.status, "filled" if is_done else "part_filled")
    locked.final_at = clock.now() if is_done else None
    locked.save(update_fields=["filled_quantity", "status", "final_at"])
    record_event(
        "margin.sale.filled_order" if is_done else "margin.sale.part_filled_order",
        fill,
        actor=actor,
        broker_code=facility.client.broker.code,
        execution=execution.execution_id,
        journal=str(journal_id),
    )
    return True


def proceeds_legs(
    client: Client,
    currency: str,
    net: Decimal,
    *,
    first: Sequence[Role] = (Role.LOAN_PRINCIPAL, Role.INTEREST_RECEIVABLE),
) -> list[Leg]:
    """Credit settled proceeds: principal first, then booked interest, and what is left is the client's cash.

    I15: the loan is never negative; the surplus goes to the client in the same journal.
    """
    book, number = client.broker.book, client.number
    legs: list[Leg] = []
    rest = net
    for role in first:
        account = AccountKey(role, currency, number)
        part = min(rest, holding(book, account))
        if part > ZERO:
            legs.append(credit(account, part))
            rest -= part
    if rest > ZERO:
        legs.append(credit(AccountKey(Role.CLIENT_CASH, currency, number), rest))
    return legs


def _book_trade(
    facility: Facility,
    order: SaleOrder,
    execution: Execution,
    fees: Fees,
    traded_on: date,
    is_immediate: bool,
    actor: str,
) -> UUID:
    client, currency, asset = facility.client, facility.currency, order.leg.asset
    location = location_of(client.broker, asset).code
    legs = [debit(AccountKey(Role.CLIENT_IN_SALE, asset.code, client.number, location), execution.quantity)]
    if is_immediate:
        legs += [
            credit(AccountKey(Role.CUSTODY, asset.code, location=location), execution.quantity),
            debit(AccountKey(Role.NOSTRO, currency, location=location), fees.gross),
            *proceeds_legs(client, currency, fees.net),
        ]
    else:
        legs += [
            credit(AccountKey(Role.UNSETTLED_PAYABLE, asset.code, location=location), execution.quantity),
            debit(AccountKey(Role.UNSETTLED_RECEIVABLE, currency), fees.gross),
            credit(AccountKey(Role.CLIENT_PROCEEDS, currency, client.number), fees.net),
        ]
    legs += [
        credit(AccountKey(role, currency), amount)
        for role, amount in (
            (Role.FEE_INCOME, fees.commission),
            (Role.VENUE_FEE_PAYABLE, fees.venue_fee),
            (Role.CHARGES_PAYABLE, fees.total - fees.commission - fees.venue_fee),
        )
        if amount > ZERO
    ]
    request = JournalRequest(
        key=f"fill:{order.leg.asset.instrument.venue}:{execution.execution_id}",
        kind="forced_sale_trade",
        legs=tuple(legs),
        value_on=traded_on,
        cause=f"order:{order.client_order_id}",
    )
    return post(client.broker.book, request, actor=actor).journal_id
