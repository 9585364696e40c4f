"""Working a released sale: one slice at a time, each step its own commit.

Before every slice the account is valued afresh and the sale planned again within what was released; it stops
as soon as the target is reached. An order row is committed before anything is sent, and SENT before the venue
hears of it, so after a crash the venue is asked about the order before it is sent again. A fill, its journal
and the order's new state are one transaction, keyed by the venue's execution id.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import Sum

from collateral.models import Instrument
from collateral.prices import PriceState
from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.decimals import ZERO, floor_to
from ledger.core.events import SYSTEM, record_event
from ledger.corporate_actions.splits import due_splits
from ledger.models import Role
from ledger.posting import JournalRequest, credit, debit, post
from margin import states
from margin.custody import location_of
from margin.models import Broker, Facility, ForcedSale, MarginCall, SaleLeg, SaleOrder
from margin.valuations import Assessment, assess

from .fills import record_fill
from .planning import make_plan
from .ticks import round_down_to_tick, sehk_spread_tables
from .venues import Order, OrderReport, Venue, VenueUnavailable
from .venues.paper import PaperVenue, is_open

# Regulation 8.9: the exchange takes at most 3,000 board lots in one order.
BOARD_LOTS_PER_ORDER_MAX: Final = 3_000
VIRTUAL_ASSET_TICK: Final = Decimal("0.01")


def advance_sales(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Take every released sale as far as it goes now; returns the number of steps taken.

    With the firm's kill switch on, no order is made or sent; what the venue already did is still taken in.
    The switch is read again before every step.
    """
    steps = 0
    active = ForcedSale.objects.filter(
        call__facility__client__broker=broker,
        status__in=[ForcedSale.Status.APPROVED, ForcedSale.Status.EXECUTING],
    ).order_by("pk")
    for sale_id in list(active.values_list("pk", flat=True)):
        while _step(sale_id, actor=actor):
            steps += 1
    return steps


def venue_of(instrument: Instrument) -> Venue:
    """Return the venue where an instrument is sold."""
    return PaperVenue(instrument.venue)


def _step(sale_id: int, *, actor: str) -> bool:
    is_stopped = Broker.objects.filter(
        client__facility__calls__sales=sale_id, are_forced_sales_stopped=True
    ).exists()
    orders = SaleOrder.objects.filter(leg__sale_id=sale_id, status__in=SaleOrder.LIVE).order_by("pk")
    related = orders.select_related("leg__asset__instrument", "leg__sale__call__facility__client__broker")
    for order in list(related):
        if _work(order, is_stopped=is_stopped, actor=actor):
            return True
    if orders.exists() or is_stopped:
        return False
    return _next(sale_id, actor=actor)


# --- one order


def _work(order: SaleOrder, *, is_stopped: bool, actor: str) -> bool:
    """Bring our record of an order up to the venue's; returns whether anything changed."""
    venue = venue_of(order.leg.asset.instrument)
    try:
        if _awaits_split(order.leg.sale):
            return _take_off(order, venue, actor=actor)
        if order.status == SaleOrder.Status.NEW:
            return not is_stopped and _set_status(order, "sent", actor=actor)
        report = venue.report(order.client_order_id)
        if report is None and not is_stopped:
            report = venue.submit(
                Order(order.client_order_id, order.leg.asset.code, order.quantity, order.limit_price)
            )
        if report is not None and not report.is_final and _is_overtaken(order):
            report = venue.cancel(order.client_order_id)
    except VenueUnavailable:
        return order.status == SaleOrder.Status.SENT and _set_status(order, "lost", actor=actor)
    return report is not None and _take_in(order, report, actor=actor)


def _take_off(order: SaleOrder, venue: Venue, *, actor: str) -> bool:
    """Take off an order in old shares without asking first what it did: a venue may only answer by doing more."""
    report = None if order.status == SaleOrder.Status.NEW else venue.cancel(order.client_order_id)
    if report is not None:
        return _take_in(order, report, actor=actor)
    _release_leaves(order, actor=actor)
    return True


def _is_overtaken(order: SaleOrder) -> bool:
    """Whether a resting order waits in vain: the account is cured without it, or the market is below its limit.

    What is left of it is taken off, so that the next slice is planned and priced afresh or the sale ends.
    """
    sale = order.leg.sale
    assessment = assess(sale.call.facility)
    is_cured = assessment.value.loan == ZERO or not assessment.value.is_above(sale.target_utilisation)
    return is_cured or assessment.market.quotes[order.leg.asset.code].price < order.limit_price


def _awaits_split(sale: ForcedSale) -> bool:
    """Whether a split is due in something the sale may sell: its plan and its orders are in old shares."""
    due = due_splits()
    return bool(due) and sale.legs.filter(asset__in=due).exists()


def _set_status(order: SaleOrder, event: str, *, actor: str) -> bool:
    """Move an order from the state it was read in; when somebody else moved it first, theirs stands."""
    with transaction.atomic():
        locked = SaleOrder.objects.select_for_update(no_key=True).get(pk=order.pk)
        if locked.status == order.status:
            _change(locked, event, order.leg.sale.call.facility.client.broker.code, actor=actor)
    return True


def _change(locked: SaleOrder, event: str, broker_code: str, *, actor: str) -> None:
    locked.status = states.step(states.ORDER, locked.status, event)
    locked.final_at = None if locked.status in SaleOrder.LIVE else clock.now()
    locked.save(update_fields=["status", "final_at"])
    record_event(
        f"margin.sale.{event}_order",
        locked,
        actor=actor,
        broker_code=broker_code,
        order=locked.client_order_id,
    )


def _take_in(order: SaleOrder, report: OrderReport, *, actor: str) -> bool:
    changed = False
    for execution in report.executions:
        changed = record_fill(order, execution, actor=actor) or changed
    order.refresh_from_db(fields=["status", "filled_quantity"])
    if report.is_final and order.status in SaleOrder.LIVE:
        _release_leaves(order, actor=actor)
        return True
    if order.status in (SaleOrder.Status.SENT, SaleOrder.Status.UNKNOWN):
        return _set_status(order, "acknowledged", actor=actor)
    return changed


@transaction.atomic
def _release_leaves(order: SaleOrder, *, actor: str) -> None:
    """An order ended with something unsold: it goes back from sale to collateral."""
    sale = _lock(order.leg.sale_id)
    locked = SaleOrder.objects.select_for_update(no_key=True).get(pk=order.pk)
    if locked.status not in SaleOrder.LIVE:
        return
    leaves = locked.quantity - locked.filled_quantity
    _change(locked, "cancelled", sale.call.facility.client.broker.code, actor=actor)
    if leaves > ZERO:
        _earmark(sale, order, -leaves, key=f"unsold:{order.client_order_id}", actor=actor)


# --- the next slice


@transaction.atomic
def _next(sale_id: int, *, actor: str) -> bool:
    """Start a released sale, send its next slice, or end it at the target."""
    sale = _lock(sale_id)
    if sale.status == ForcedSale.Status.APPROVED:
        return _move(sale, "started", actor=actor)
    if sale.status != ForcedSale.Status.EXECUTING or _has_live_orders(sale) or _awaits_split(sale):
        return False
    assessment = assess(sale.call.facility)
    if assessment.value.loan == ZERO or not assessment.value.is_above(sale.target_utilisation):
        return _move(sale, "filled", actor=actor, reason="target reached")
    remaining = _remaining(sale, assessment)
    if not any(remaining.values()):
        return _move(sale, "filled", actor=actor, reason="released quantities sold")
    plan = make_plan(assessment, remaining)
    for leg in plan.legs:
        if is_open(assessment.market.instruments[leg.code].venue):
            _create_order(sale, assessment, leg.code, leg.quantity, actor=actor)
            return True
    if not plan.legs and not _has_unsellable(assessment, remaining):
        return _move(sale, "filled", actor=actor, reason="nothing left that cures")
    return False


def _create_order(
    sale: ForcedSale, assessment: Assessment, code: str, quantity: Decimal, *, actor: str
) -> None:
    leg = SaleLeg.objects.select_related("asset__instrument").get(sale=sale, asset__code=code)
    instrument = leg.asset.instrument
    if instrument.board_lot:
        quantity = min(quantity, Decimal(instrument.board_lot * BOARD_LOTS_PER_ORDER_MAX))
    number = leg.orders.count() + 1
    order = SaleOrder.objects.create(
        leg=leg,
        client_order_id=f"{sale.reference}-{leg.position}-{number}",
        slice_number=number,
        quantity=quantity,
        limit_price=limit_price(assessment, code),
        created_at=clock.now(),
    )
    _earmark(sale, order, quantity, key=f"in-sale:{order.client_order_id}", actor=actor)
    record_event(
        "margin.sale.order_created",
        order,
        actor=actor,
        broker_code=sale.call.facility.client.broker.code,
        order=order.client_order_id,
    )


def limit_price(assessment: Assessment, code: str) -> Decimal:
    """The reference price less the policy's band, down to a tick."""
    lowest = assessment.market.quotes[code].price * (1 - assessment.policy.price_band)
    instrument = assessment.market.instruments[code]
    if instrument.venue == Instrument.Venue.SEHK:
        return round_down_to_tick(lowest, clock.today(), sehk_spread_tables())
    return floor_to(lowest, VIRTUAL_ASSET_TICK)


def _remaining(sale: ForcedSale, assessment: Assessment) -> dict[str, Decimal]:
    """What was released and is neither sold nor gone from the account."""
    remaining = {}
    for leg in sale.legs.select_related("asset"):
        sold = leg.orders.aggregate(total=Sum("filled_quantity"))["total"] or ZERO
        held = assessment.position.pledged.get(leg.asset.code, ZERO)
        remaining[leg.asset.code] = max(min(leg.quantity - sold, held), ZERO)
    return remaining


def _has_unsellable(assessment: Assessment, remaining: dict[str, Decimal]) -> bool:
    """A stale price or a suspension may pass: the sale waits for it instead of ending."""
    return any(
        quantity > ZERO
        and (
            assessment.market.state(code) in (PriceState.HARD, PriceState.MISSING)
            or assessment.market.instruments[code].status != Instrument.Status.LISTED
        )
        for code, quantity in remaining.items()
    )


def _earmark(sale: ForcedSale, order: SaleOrder, quantity: Decimal, *, key: str, actor: str) -> None:
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


def _move(sale: ForcedSale, event: str, *, actor: str, reason: str = "") -> bool:
    sale.status = states.step(states.SALE, sale.status, event)
    sale.save(update_fields=["status"])
    record_event(
        f"margin.sale.{event}",
        sale,
        actor=actor,
        reason=reason,
        broker_code=sale.call.facility.client.broker.code,
    )
    return True


def _has_live_orders(sale: ForcedSale) -> bool:
    return SaleOrder.objects.filter(leg__sale=sale, status__in=SaleOrder.LIVE).exists()


def _lock(sale_id: int) -> ForcedSale:
    """Lock in the room's order: facility, call, sale."""
    facility_id = ForcedSale.objects.values_list("call__facility_id", flat=True).get(pk=sale_id)
    Facility.objects.select_for_update(no_key=True).get(pk=facility_id)
    MarginCall.objects.select_for_update(no_key=True).get(sales=sale_id)
    return (
        ForcedSale.objects.select_for_update(of=("self",), no_key=True)
        .select_related("call__facility__client__broker__book")
        .get(pk=sale_id)
    )
