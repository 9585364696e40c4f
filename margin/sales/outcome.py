"""What a forced sale came to: settled, met, planned anew, or a shortfall."""

from __future__ import annotations

from django.db import transaction

from ledger.core import clock
from ledger.core.decimals import ZERO
from ledger.core.events import SYSTEM, record_event
from margin import states
from margin.lifecycle import transition
from margin.models import Broker, Facility, Fill, ForcedSale, MarginCall, SaleOrder
from margin.models.valuation import Level
from margin.valuations import assess, store

from .shortfall import book_shortfall


def conclude(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Close sales whose fills have all settled, then the calls that have nothing left at work.

    Returns the number of sales closed.
    """
    filled = ForcedSale.objects.filter(
        call__facility__client__broker=broker, status=ForcedSale.Status.FILLED
    ).order_by("pk")
    closed = sum(_close(sale_id, actor) for sale_id in list(filled.values_list("pk", flat=True)))
    pending = MarginCall.objects.filter(
        facility__client__broker=broker, status=MarginCall.Status.SALE_PENDING
    ).order_by("facility_id")
    for call_id in list(pending.values_list("pk", flat=True)):
        _conclude_call(call_id, actor)
    return closed


@transaction.atomic
def _close(sale_id: int, actor: str) -> int:
    call = _lock_call(sales=sale_id)
    sale = ForcedSale.objects.select_for_update(no_key=True).get(pk=sale_id)
    if sale.status != ForcedSale.Status.FILLED:
        return 0
    if Fill.objects.filter(order__leg__sale=sale, settled_at__isnull=True).exists():
        return 0
    if SaleOrder.objects.filter(leg__sale=sale, status__in=SaleOrder.LIVE).exists():
        return 0
    sale.status = states.step(states.SALE, sale.status, "settled")
    sale.closed_at = clock.now()
    sale.save(update_fields=["status", "closed_at"])
    record_event("margin.sale.closed", sale, actor=actor, broker_code=call.facility.client.broker.code)
    return 1


@transaction.atomic
def _conclude_call(call_id: int, actor: str) -> None:
    call = _lock_call(pk=call_id)
    at_work = (*ForcedSale.LIVE, ForcedSale.Status.FILLED)
    if call.status != MarginCall.Status.SALE_PENDING or call.sales.filter(status__in=at_work).exists():
        return
    assessment = assess(call.facility)
    if assessment.level in (Level.CALL, Level.IMMEDIATE):
        if assessment.value.market_value == ZERO and not assessment.hard_stale:
            book_shortfall(call, assessment, actor=actor)
        else:
            transition(call, "replanned", actor=actor, reason="still short after the sale")
        return
    if assessment.hard_stale:
        return
    was_sold = Fill.objects.filter(order__leg__sale__call=call).exists()
    valuation = store([assessment])[0]
    transition(
        call,
        "sold" if was_sold else "cured",
        actor=actor,
        closed_at=clock.now(),
        closing_valuation=valuation,
    )


def _lock_call(**which: int) -> MarginCall:
    facility_id = MarginCall.objects.values_list("facility_id", flat=True).get(**which)
    Facility.objects.select_for_update(no_key=True).get(pk=facility_id)
    return (
        MarginCall.objects.select_for_update(of=("self",), no_key=True)
        .select_related("facility__client__broker__book")
        .get(**which)
    )
