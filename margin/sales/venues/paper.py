"""The paper venue: a market that trades at the prices the house has seen.

It keeps its own orders and executions, as a real venue would, and commits them on its own: what it did stays
done whatever becomes of the caller. A sell order trades in full at the last price, when the session is open and
that price is fresh and not below the limit. What the exchange would refuse (lots, ticks, size) is rejected with its
reason. Faults happen only when told to, order by order (`LOMBARD_PAPER_FAULTS`), and are kept with the order, so that
a sale that meets them can be told again.
"""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import transaction

from collateral.models import Instrument
from collateral.prices import PriceState, latest_prices
from ledger.core import clock
from ledger.core.decimals import ZERO, floor_to
from margin.models import PaperExecution, PaperOrder
from margin.sales.ticks import (
    BOARD_LOTS_PER_ORDER_MAX,
    VIRTUAL_ASSET_TICK,
    round_down_to_tick,
    sehk_spread_tables,
)

from . import Execution, Order, OrderReport, OrderState, Reason, VenueUnavailable, is_open

LOST_REPLY, PART_FILL, LATE_REPORT, DUPLICATE, REJECT = (
    "lost_reply",
    "part_fill",
    "late_report",
    "duplicate",
    "reject",
)


class PaperVenue:
    """A venue of one code; see :class:`margin.sales.venues.Venue`."""

    def __init__(self, code: str) -> None:
        self.code = code

    def report(self, client_order_id: str) -> OrderReport | None:
        order = self._find(client_order_id)
        if order is None:
            return None
        self._trade(order)
        return self._report(order)

    def submit(self, order: Order) -> OrderReport:
        """Take an order in, or reject it; raises :class:`VenueUnavailable` after it was taken when so told."""
        with transaction.atomic():
            kept, is_new = PaperOrder.objects.get_or_create(
                venue=self.code,
                client_order_id=order.client_order_id,
                defaults={
                    "code": order.code,
                    "quantity": order.quantity,
                    "limit_price": order.limit_price,
                    "received_at": clock.now(),
                    "fault": (fault := self._next_fault()),
                    "reason": refusal_of(order) or (Reason.OTHER if fault == REJECT else ""),
                },
            )
        if is_new and kept.fault == LOST_REPLY:
            raise VenueUnavailable(f"no reply about {kept.client_order_id}")
        self._trade(kept)
        return self._report(kept)

    def cancel(self, client_order_id: str) -> OrderReport | None:
        with transaction.atomic():
            order = (
                PaperOrder.objects.select_for_update()
                .filter(venue=self.code, client_order_id=client_order_id)
                .first()
            )
            if order is None:
                return None
            if not order.reason and _leaves(order):
                order.is_cancelled = True
                order.save(update_fields=["is_cancelled"])
        return self._report(order)

    def _next_fault(self) -> str:
        faults: list[str] = settings.LOMBARD_PAPER_FAULTS
        place = PaperOrder.objects.count()
        return faults[place] if place < len(faults) else ""

    def _find(self, client_order_id: str) -> PaperOrder | None:
        return PaperOrder.objects.filter(venue=self.code, client_order_id=client_order_id).first()

    @transaction.atomic
    def _trade(self, order: PaperOrder) -> None:
        order = PaperOrder.objects.select_for_update().get(pk=order.pk)
        leaves = _leaves(order)
        if order.is_cancelled or order.reason or not leaves or not is_open(self.code):
            return
        instrument = Instrument.objects.select_related("asset").get(code=order.code)
        quote = latest_prices([instrument], at=clock.now()).get(order.code)
        if quote is None or quote.state in (PriceState.HARD, PriceState.MISSING):
            return
        if quote.price < order.limit_price:
            return
        number = order.executions.count() + 1
        half = floor_to(leaves / 2, instrument.step)
        PaperExecution.objects.create(
            order=order,
            execution_id=f"{self.code}-{order.pk}" + (f"-{number}" if number > 1 else ""),
            quantity=half if order.fault == PART_FILL and number == 1 and half else leaves,
            price=quote.price,
            executed_at=clock.now(),
        )

    def _report(self, order: PaperOrder) -> OrderReport:
        order = PaperOrder.objects.get(pk=order.pk)
        executions = tuple(
            Execution(e.execution_id, e.quantity, e.price, e.executed_at)
            for e in PaperExecution.objects.filter(order=order).order_by("pk")
        )
        filled = sum((e.quantity for e in executions), ZERO)
        if order.fault == LATE_REPORT and executions and not order.is_told_late:
            PaperOrder.objects.filter(pk=order.pk).update(is_told_late=True)
            executions = ()
        if order.fault == DUPLICATE:
            executions += executions
        return OrderReport(
            _state(order, filled),
            executions,
            filled_quantity=filled,
            venue_reference=f"{self.code}-{order.pk}",
            reason=order.reason or (Reason.ON_REQUEST if order.is_cancelled else ""),
        )


def refusal_of(order: Order) -> str:
    """Say why the exchange would not take an order: its lots (8.12), its size (8.9) or its tick (8.11); else empty."""
    instrument = Instrument.objects.filter(code=order.code).first()
    if instrument is None:
        return Reason.UNKNOWN_SYMBOL
    if order.quantity <= ZERO or order.quantity % instrument.step:
        return Reason.WRONG_QUANTITY
    if instrument.venue != Instrument.Venue.SEHK:
        return Reason.WRONG_TICK if order.limit_price % VIRTUAL_ASSET_TICK else ""
    if order.quantity > instrument.step * BOARD_LOTS_PER_ORDER_MAX:
        return Reason.TOO_LARGE
    try:
        on_tick = round_down_to_tick(order.limit_price, clock.today(), sehk_spread_tables())
    except ValueError:
        return Reason.WRONG_TICK
    return "" if on_tick == order.limit_price else Reason.WRONG_TICK


def _leaves(order: PaperOrder) -> Decimal:
    return order.quantity - sum(order.executions.values_list("quantity", flat=True), ZERO)


def _state(order: PaperOrder, filled: Decimal) -> OrderState:
    if order.reason:
        return OrderState.REJECTED
    if order.is_cancelled:
        return OrderState.CANCELLED
    if filled == order.quantity:
        return OrderState.FILLED
    return OrderState.PART_FILLED if filled else OrderState.NEW
