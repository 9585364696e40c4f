"""The paper venue: a market that trades at the prices the house has seen.

It keeps its own orders and executions, as a real venue would, and commits them on its own: what it did stays
done whatever becomes of the caller. A sell order trades in full at the last price, when the session is open and
that price is fresh and not below the limit.
"""

from __future__ import annotations

from django.db import transaction

from collateral.models import Instrument
from collateral.prices import PriceState, latest_prices
from ledger.core import clock
from ledger.core.calendars import ALWAYS, EXCHANGE, get_calendar
from ledger.core.decimals import ZERO
from margin.models import PaperExecution, PaperOrder

from . import Execution, Order, OrderReport, OrderState, Reason


def is_open(venue_code: str) -> bool:
    """Say whether the venue is in session now: the exchange by its calendar, virtual assets always."""
    calendar = get_calendar(EXCHANGE if venue_code == Instrument.Venue.SEHK else ALWAYS)
    return calendar.is_in_session(clock.now())


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
        with transaction.atomic():
            kept, _created = PaperOrder.objects.get_or_create(
                venue=self.code,
                client_order_id=order.client_order_id,
                defaults={
                    "code": order.code,
                    "quantity": order.quantity,
                    "limit_price": order.limit_price,
                    "received_at": clock.now(),
                },
            )
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
            if not order.executions.exists():
                order.is_cancelled = True
                order.save(update_fields=["is_cancelled"])
        return self._report(order)

    def _find(self, client_order_id: str) -> PaperOrder | None:
        return PaperOrder.objects.filter(venue=self.code, client_order_id=client_order_id).first()

    @transaction.atomic
    def _trade(self, order: PaperOrder) -> None:
        order = PaperOrder.objects.select_for_update().get(pk=order.pk)
        if order.is_cancelled or order.executions.exists() or not is_open(self.code):
            return
        instrument = Instrument.objects.select_related("asset").get(code=order.code)
        quote = latest_prices([instrument], at=clock.now()).get(order.code)
        if quote is None or quote.state in (PriceState.HARD, PriceState.MISSING):
            return
        if quote.price < order.limit_price:
            return
        PaperExecution.objects.create(
            order=order,
            execution_id=f"{self.code}-{order.pk}",
            quantity=order.quantity,
            price=quote.price,
            executed_at=clock.now(),
        )

    def _report(self, order: PaperOrder) -> OrderReport:
        executions = tuple(
            Execution(e.execution_id, e.quantity, e.price, e.executed_at)
            for e in PaperExecution.objects.filter(order=order).order_by("pk")
        )
        is_cancelled = PaperOrder.objects.get(pk=order.pk).is_cancelled
        state = OrderState.FILLED if executions else OrderState.NEW
        return OrderReport(
            OrderState.CANCELLED if is_cancelled else state,
            executions,
            filled_quantity=sum((e.quantity for e in executions), ZERO),
            venue_reference=f"{self.code}-{order.pk}",
            reason=Reason.ON_REQUEST if is_cancelled else "",
        )
