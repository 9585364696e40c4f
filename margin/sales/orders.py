"""One order: our record of it brought up to what its venue says, each step its own commit.

SENT is committed before the venue hears of an order, so after a crash or a lost reply the venue is asked about it
before it is sent again. A rejection arrives as one, with the venue's reason; silence makes an order UNKNOWN, never
new. A report that contradicts what was ordered or booked is not taken in: an event says so and the order waits.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import IntegrityError, transaction

from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.decimals import ZERO
from ledger.core.events import record_event
from ledger.core.models import Event
from ledger.corporate_actions.splits import due_splits
from ledger.models import Role
from ledger.posting import JournalRequest, credit, debit, post
from margin import states
from margin.custody import location_of
from margin.models import Facility, Fill, ForcedSale, MarginCall, SaleOrder
from margin.valuations import assess

from .fills import record_fill
from .venues import Order, OrderReport, OrderState, Venue, VenueUnavailable, venue_for

CONTRADICTED = "margin.sale.contradicted_order"


def work(order: SaleOrder, *, is_stopped: bool, actor: str) -> bool:
    """Bring our record of an order up to the venue's; returns whether anything changed.

    With a kill switch on (`is_stopped`) nothing is sent, and what rests at the venue is taken off.
    """
    venue = venue_for(order.leg.asset.instrument.venue)
    is_new = order.status == SaleOrder.Status.NEW
    try:
        if awaits_split(order.leg.sale):
            return _take_off(order, venue, actor=actor)
        if is_new and is_stopped:
            _note_cancel(order)
            return _end(order, "cancelled", reason="stopped", actor=actor)
        if is_new:
            return _send(order, actor=actor)
        report = venue.report(order.client_order_id)
        if report is None and not is_stopped:
            report = venue.submit(
                Order(order.client_order_id, order.leg.asset.code, order.quantity, order.limit_price)
            )
        if report is not None and report.may_be_cancelled and (is_stopped or _is_overtaken(order)):
            _note_cancel(order)
            report = venue.cancel(order.client_order_id)
    except VenueUnavailable:
        return _set_lost(order, actor=actor)
    return report is not None and _take_in(order, report, actor=actor)


def _take_off(order: SaleOrder, venue: Venue, *, actor: str) -> bool:
    """Take off an order in old shares without asking first what it did: a venue may only answer by doing more."""
    report = None
    if order.status != SaleOrder.Status.NEW:
        _note_cancel(order)
        report = venue.cancel(order.client_order_id)
    if report is not None:
        return _take_in(order, report, actor=actor)
    return _end(order, "cancelled", actor=actor)


def _note_cancel(order: SaleOrder) -> None:
    """Commit that we ask for the order to be taken off before the venue hears of it: it did not end it itself."""
    SaleOrder.objects.filter(pk=order.pk, status__in=SaleOrder.LIVE, cancel_asked_at__isnull=True).update(
        cancel_asked_at=clock.now()
    )


def _is_overtaken(order: SaleOrder) -> bool:
    """Whether a resting order waits in vain: the account is cured without it, or the market is below its limit.

    What is left of it is taken off, so that the next slice is planned and priced afresh or the sale ends.
    """
    sale = order.leg.sale
    assessment = assess(sale.call.facility)
    is_cured = assessment.value.loan == ZERO or not assessment.value.is_above(sale.target_utilisation)
    return is_cured or assessment.market.quotes[order.leg.asset.code].price < order.limit_price


def awaits_split(sale: ForcedSale) -> bool:
    """Whether a split is due in something the sale may sell: its plan and its orders are in old shares."""
    due = due_splits()
    return bool(due) and sale.legs.filter(asset__in=due).exists()


def _send(order: SaleOrder, *, actor: str) -> bool:
    """Commit that an order goes out; a kill switch put on since it was read keeps it back, by the table's own law."""
    try:
        return _set_status(order, "sent", actor=actor)
    except IntegrityError as error:
        if "forced sales are stopped" not in str(error):
            raise
        return False


def _set_lost(order: SaleOrder, *, actor: str) -> bool:
    return order.status == SaleOrder.Status.SENT and _set_status(order, "lost", actor=actor)


def _set_status(order: SaleOrder, event: str, *, actor: str, venue_reference: str = "") -> bool:
    """Move an order from the state it was read in; when somebody else moved it first, theirs stands."""
    with transaction.atomic():
        locked = SaleOrder.objects.select_for_update(no_key=True).get(pk=order.pk)
        if locked.status == order.status:
            locked.venue_reference = venue_reference or locked.venue_reference
            _change(locked, event, order.leg.sale.call.facility.client.broker.code, actor=actor)
    return True


def _change(locked: SaleOrder, event: str, broker_code: str, *, actor: str) -> None:
    locked.status = states.step(states.ORDER, locked.status, event)
    locked.final_at = None if locked.status in SaleOrder.LIVE else clock.now()
    locked.save(update_fields=["status", "final_at", "venue_reference", "reason"])
    record_event(
        f"margin.sale.{event}_order",
        locked,
        actor=actor,
        reason=locked.reason,
        broker_code=broker_code,
        order=locked.client_order_id,
    )


# --- what the venue says


def _take_in(order: SaleOrder, report: OrderReport, *, actor: str) -> bool:
    problem = _contradiction(order, report)
    if problem:
        return _tell(order, problem, actor=actor)
    changed = False
    for execution in report.executions:
        changed = record_fill(order, execution, actor=actor) or changed
    order.refresh_from_db(fields=["status", "filled_quantity"])
    if order.status not in SaleOrder.LIVE:
        return changed
    if report.is_final:
        event = "rejected" if report.state is OrderState.REJECTED and not report.executions else "cancelled"
        return _end(order, event, reason=report.reason, venue_reference=report.venue_reference, actor=actor)
    if report.state is OrderState.UNKNOWN:
        return _set_lost(order, actor=actor) or changed
    if order.status in (SaleOrder.Status.SENT, SaleOrder.Status.UNKNOWN):
        return _set_status(order, "acknowledged", venue_reference=report.venue_reference, actor=actor)
    return changed


def _contradiction(order: SaleOrder, report: OrderReport) -> str:
    """Say in what a report cannot be true of this order; empty when it can.

    What is booked under an execution's id stays what it was, and nothing sells more than was ordered.
    """
    told = {execution.execution_id: execution for execution in report.executions}
    if len(told) < len(set(report.executions)):
        return "one execution id, two trades"
    venue = order.leg.asset.instrument.venue
    for fill in Fill.objects.filter(venue=venue, execution_id__in=list(told)):
        execution = told[fill.execution_id]
        if (fill.order_id, fill.quantity, fill.price) != (order.pk, execution.quantity, execution.price):
            return f"execution {fill.execution_id} was booked as another trade"
    booked = order.fills.exclude(execution_id__in=list(told)).values_list("quantity", flat=True)
    executed = sum(booked, report.executed)
    if executed > order.quantity:
        return f"{executed.normalize():f} executed of {order.quantity.normalize():f} ordered"
    if any(execution.quantity <= ZERO or execution.price <= ZERO for execution in told.values()):
        return "an execution of nothing, or for nothing"
    return ""


@transaction.atomic
def _tell(order: SaleOrder, problem: str, *, actor: str) -> bool:
    """Say once that the venue contradicts itself; the order stays live, so that nothing is sold over it."""
    SaleOrder.objects.select_for_update(no_key=True).get(pk=order.pk)
    said = Event.objects.filter(topic=CONTRADICTED, subject_id=str(order.pk)).order_by("-pk").first()
    if said is not None and said.reason == problem:
        return False
    record_event(
        CONTRADICTED,
        order,
        actor=actor,
        reason=problem,
        broker_code=order.leg.sale.call.facility.client.broker.code,
        order=order.client_order_id,
    )
    return True


@transaction.atomic
def _end(order: SaleOrder, event: str, *, actor: str, reason: str = "", venue_reference: str = "") -> bool:
    """An order ended with something unsold: it goes back from sale to collateral.

    One that was taken to be unsent may have been sent since it was read; it is then left to the next step.
    """
    sale = lock_sale(order.leg.sale_id)
    locked = SaleOrder.objects.select_for_update(no_key=True).get(pk=order.pk)
    was_sent = order.status == SaleOrder.Status.NEW != locked.status
    if locked.status not in SaleOrder.LIVE or was_sent:
        return True
    leaves = locked.quantity - locked.filled_quantity
    locked.reason = reason[:200]
    locked.venue_reference = venue_reference or locked.venue_reference
    _change(locked, event, sale.call.facility.client.broker.code, actor=actor)
    if leaves > ZERO:
        earmark(sale, order, -leaves, key=f"unsold:{order.client_order_id}", actor=actor)
    return True


# --- what orders and slices share


def earmark(sale: ForcedSale, order: SaleOrder, quantity: Decimal, *, key: str, actor: str) -> None:
    """Move `quantity` from collateral into sale (or back when negative): what is in an order is sold once."""
    client = sale.call.facility.client
    code = order.leg.asset.code
    location = location_of(client.broker, order.leg.asset).code
    request = JournalRequest(
        key=key,
        kind="sale_earmark" if quantity > ZERO else "sale_earmark_release",
        legs=(
            debit(AccountKey(Role.CLIENT_COLLATERAL, code, client.number, location), quantity),
            credit(AccountKey(Role.CLIENT_IN_SALE, code, client.number, location), quantity),
        ),
        value_on=clock.today(),
        cause=f"order:{order.client_order_id}",
    )
    post(client.broker.book, request, actor=actor)


def lock_sale(sale_id: int) -> ForcedSale:
    """Lock in the room's order: facility, call, sale."""
    facility_id = ForcedSale.objects.values_list("call__facility_id", flat=True).get(pk=sale_id)
    Facility.objects.select_for_update(no_key=True).get(pk=facility_id)
    MarginCall.objects.select_for_update(no_key=True).get(sales=sale_id)
    return (
        ForcedSale.objects.select_for_update(of=("self",), no_key=True)
        .select_related("call__facility__client__broker__book")
        .get(pk=sale_id)
    )
