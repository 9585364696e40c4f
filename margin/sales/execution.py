"""Working a released sale: one slice at a time, each step its own commit.

Before every slice the account is valued afresh and the sale planned again within what was released; it stops
as soon as the target is reached. An order row is committed before anything is sent, and SENT before the venue
hears of it, so after a crash the venue is asked about the order before it is sent again. A fill, its journal
and the order's new state are one transaction, keyed by the venue's execution id.
"""

from __future__ import annotations

import logging
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from collateral.models import Instrument
from collateral.prices import PriceState
from ledger.core import clock
from ledger.core.decimals import ZERO
from ledger.core.events import SYSTEM, record_event
from margin import states
from margin.models import Broker, ForcedSale, SaleLeg, SaleOrder
from margin.valuations import Assessment, assess

from .orders import awaits_split, earmark, lock_sale, work
from .planning import make_plan
from .slices import limit_price, refused_legs
from .switch import stops_of
from .ticks import BOARD_LOTS_PER_ORDER_MAX
from .venues import is_open

logger = logging.getLogger(__name__)


def advance_sales(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Take every released sale as far as it goes now; returns the number of steps taken.

    Where a kill switch is on, no order is made or sent; what the venue already did is still taken in.
    The switches are read again before every step. A sale that fails holds up no other; the sweep then fails as a
    whole, with every failure in its `ExceptionGroup`.
    """
    steps, failures = 0, list[Exception]()
    active = ForcedSale.objects.filter(
        call__facility__client__broker=broker,
        status__in=[ForcedSale.Status.APPROVED, ForcedSale.Status.EXECUTING],
    ).order_by("pk")
    for sale_id in list(active.values_list("pk", flat=True)):
        try:
            while _step(sale_id, actor=actor):
                steps += 1
        except Exception as error:
            logger.exception("sale_failed", extra={"sale": sale_id, "broker": broker.code})
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} sales could not be worked", failures)
    return steps


def _step(sale_id: int, *, actor: str) -> bool:
    facility_id = ForcedSale.objects.values_list("call__facility_id", flat=True).get(pk=sale_id)
    stops = stops_of(Broker.objects.get(client__facility=facility_id))
    orders = SaleOrder.objects.filter(leg__sale_id=sale_id, status__in=SaleOrder.LIVE).order_by("pk")
    related = orders.select_related("leg__asset__instrument", "leg__sale__call__facility__client__broker")
    for order in list(related):
        is_stopped = stops.holds(order.leg.asset.instrument, facility_id)
        if work(order, is_stopped=is_stopped, actor=actor):
            return True
    if orders.exists() or stops.holds_account(facility_id):
        return False
    return _next(sale_id, actor=actor)


# --- the next slice


@transaction.atomic
def _next(sale_id: int, *, actor: str) -> bool:
    """Start a released sale, send its next slice, or end it at the target."""
    sale = lock_sale(sale_id)
    if sale.status == ForcedSale.Status.APPROVED:
        return _move(sale, "started", actor=actor)
    if sale.status != ForcedSale.Status.EXECUTING or _has_live_orders(sale) or awaits_split(sale):
        return False
    assessment = assess(sale.call.facility)
    if assessment.value.loan == ZERO or not assessment.value.is_above(sale.target_utilisation):
        return _move(sale, "filled", actor=actor, reason="target reached")
    refused = refused_legs(sale)
    released = _remaining(sale, assessment)
    remaining = {code: rest for code, rest in released.items() if code not in refused.given_up}
    if not any(remaining.values()):
        is_refused = any(released.values())
        reason = "the venue takes no order for the rest" if is_refused else "released quantities sold"
        return _move(sale, "filled", actor=actor, reason=reason)
    plan = make_plan(assessment, remaining)
    for leg in plan.legs:
        if leg.code not in refused.waiting and is_open(assessment.market.instruments[leg.code].venue):
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
        client_order_id=f"{sale.call.facility.client.broker.code}-{sale.reference}-{leg.position}-{number}",
        slice_number=number,
        quantity=quantity,
        limit_price=limit_price(assessment, code),
        created_at=clock.now(),
    )
    earmark(sale, order, quantity, key=f"in-sale:{order.client_order_id}", actor=actor)
    record_event(
        "margin.sale.order_created",
        order,
        actor=actor,
        broker_code=sale.call.facility.client.broker.code,
        order=order.client_order_id,
    )


def _remaining(sale: ForcedSale, assessment: Assessment) -> dict[str, Decimal]:
    """What was released and is neither sold nor gone from the account."""
    remaining = {}
    for leg in sale.legs.select_related("asset"):
        sold = leg.orders.aggregate(total=Sum("filled_quantity"))["total"] or ZERO
        held = assessment.position.pledged.get(leg.asset.code, ZERO)
        remaining[leg.asset.code] = max(min(leg.quantity - sold, held), ZERO)
    return remaining


def _has_unsellable(assessment: Assessment, remaining: dict[str, Decimal]) -> bool:
    """A stale price, a suspension or a stop may pass: the sale waits for it instead of ending."""
    stops = stops_of(assessment.facility.client.broker)
    return any(
        quantity > ZERO
        and (
            stops.holds(assessment.market.instruments[code], assessment.facility.pk)
            or assessment.market.state(code) in (PriceState.HARD, PriceState.MISSING)
            or assessment.market.instruments[code].status != Instrument.Status.LISTED
        )
        for code, quantity in remaining.items()
    )


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
