"""Securities sold are delivered and paid for on their settlement date; interest stops there.

What was sold before a split and is delivered after it is delivered in new shares.
"""

from __future__ import annotations

from datetime import date

from django.db import transaction

from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.clock import HONG_KONG
from ledger.core.events import SYSTEM, record_event
from ledger.corporate_actions.splits import due_splits, since_split
from ledger.models import Role
from ledger.posting import JournalRequest, credit, debit, post
from margin.custody import location_of
from margin.models import Broker, Facility, Fill

from .fills import proceeds_legs


def settle_due(*, broker: Broker, on: date | None = None, actor: str = SYSTEM) -> int:
    """Settle every fill of a broker that is due by `on` (today) and has not been; returns how many.

    What a split is about to change is settled after it, in new shares.
    """
    due = (
        Fill.objects.filter(
            order__leg__sale__call__facility__client__broker=broker,
            settled_at__isnull=True,
            settles_on__lte=on or clock.today(),
        )
        .exclude(order__leg__asset__in=due_splits())
        .order_by("pk")
    )
    return sum(_settle(fill_id, actor) for fill_id in list(due.values_list("pk", flat=True)))


@transaction.atomic
def _settle(fill_id: int, actor: str) -> int:
    facility = (
        Facility.objects.select_for_update(of=("self",), no_key=True)
        .select_related("client__broker__book")
        .get(calls__sales__legs__orders__fills=fill_id)
    )
    fill = (
        Fill.objects.select_for_update(of=("self",), no_key=True)
        .select_related("order__leg__asset")
        .get(pk=fill_id)
    )
    if fill.settled_at is not None:
        return 0
    client, currency, asset = facility.client, facility.currency, fill.order.leg.asset
    location = location_of(client.broker, asset).code
    owed = AccountKey(Role.UNSETTLED_PAYABLE, asset.code, location=location)
    traded_on = fill.traded_at.astimezone(HONG_KONG).date()
    quantity = since_split(client.broker.book, owed, fill.quantity, since=traded_on)
    request = JournalRequest(
        key=f"settlement:{fill.venue}:{fill.execution_id}",
        kind="forced_sale_settlement",
        legs=(
            debit(owed, quantity),
            credit(AccountKey(Role.CUSTODY, asset.code, location=location), quantity),
            debit(AccountKey(Role.NOSTRO, currency), fill.gross.amount),
            credit(AccountKey(Role.UNSETTLED_RECEIVABLE, currency), fill.gross.amount),
            debit(AccountKey(Role.CLIENT_PROCEEDS, currency, client.number), fill.net.amount),
            *proceeds_legs(client, currency, fill.net.amount),
        ),
        value_on=fill.settles_on,
        cause=f"order:{fill.order.client_order_id}",
    )
    fill.settlement_journal_id = post(client.broker.book, request, actor=actor).journal_id
    fill.settled_at = clock.now()
    fill.save(update_fields=["settlement_journal", "settled_at"])
    record_event(
        "margin.sale.settled_fill",
        fill,
        actor=actor,
        broker_code=client.broker.code,
        journal=str(fill.settlement_journal_id),
    )
    return 1
