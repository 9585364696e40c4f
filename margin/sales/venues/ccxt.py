"""A real trading venue for Bitcoin and Ether, by ccxt.

An order goes out under an id made of ours, and what goes out is committed as a `VenueOrder` before. So an order
without such a row was never sent; one with a row is asked about by that id, and only when the venue has denied it
for a minute after it went out, and never confirmed it before, is the same order sent again under the same id.
Numbers are the text that the venue sent. Quantities go down to the venue's step and prices up to its tick: never
more, and never below the price that was released.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db.models import F

from collateral.feeds.ccxt_client import ask, open_venue
from collateral.models import Instrument
from ledger.core import clock
from ledger.core.decimals import ZERO, InexactValue, ceil_to, exact, floor_to, plain
from margin.models import VenueOrder

from . import Execution, Order, OrderReport, OrderState, Reason, VenueUnavailable
from .ccxt_settings import CcxtSettings, ccxt_settings

# A venue may deny for a moment an order that it has just taken in.
SETTLING: Final = timedelta(seconds=60)
TRADES_MAX: Final = 500

_STATES: Final = {
    "open": OrderState.NEW,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "expired": OrderState.CANCELLED,
    "rejected": OrderState.REJECTED,
}
# The venue still works on it, whatever ccxt makes of it: more may be traded until it is off.
_NOT_OVER: Final = frozenset({"PENDING_CANCEL", "PENDING_NEW"})

_clients: dict[str, tuple[CcxtSettings, Any]] = {}


class _NotFound(Exception):
    """The venue denies the order."""


class _Refused(Exception):
    """The venue understood and said no; the reason is one of :class:`Reason`, or its own words."""


class _Terms(NamedTuple):
    """What goes out: the venue's symbol, units at its step, price at its tick."""

    symbol: str
    quantity: Decimal
    limit_price: Decimal


def venue_order_id(venue: str, client_order_id: str) -> str:
    """The id of an order as venues take one: 32 letters and digits, always the same for the same order."""
    return hashlib.sha256(f"{venue}:{client_order_id}".encode()).hexdigest()[:32]


class CcxtVenue:
    """The venue that `LOMBARD_CCXT_VENUES` names for a code; see :class:`margin.sales.venues.Venue`."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._settings = ccxt_settings(code)

    def report(self, client_order_id: str) -> OrderReport | None:
        sent = self._sent(client_order_id)
        return None if sent is None else self._report(sent)

    def submit(self, order: Order) -> OrderReport:
        terms = self._terms(order)
        if isinstance(terms, OrderReport):
            return terms
        sent, is_new = VenueOrder.objects.get_or_create(
            venue=self.code,
            client_order_id=order.client_order_id,
            defaults={
                "venue_order_id": venue_order_id(self.code, order.client_order_id),
                "symbol": terms.symbol,
                "quantity": terms.quantity,
                "limit_price": terms.limit_price,
                "sent_at": clock.now(),
            },
        )
        if not is_new:
            known = self._report(sent)
            if known is not None or not self._may_send_again(sent):
                return known or OrderReport(OrderState.UNKNOWN)
        return self._send(sent)

    def cancel(self, client_order_id: str) -> OrderReport | None:
        sent = self._sent(client_order_id)
        if sent is None:
            return None
        # Refused, it is over already or on its way: what the venue says of it now tells which.
        with suppress(_NotFound, _Refused):
            self._call("cancel_order", "", sent.symbol, {"clientOrderId": sent.venue_order_id})
        return self._report(sent)

    # --- what was sent

    def _sent(self, client_order_id: str) -> VenueOrder | None:
        return VenueOrder.objects.filter(venue=self.code, client_order_id=client_order_id).first()

    def _may_send_again(self, sent: VenueOrder) -> bool:
        """Take the right to send an order again; of two at once one gets it."""
        now = clock.now()
        return bool(
            VenueOrder.objects.filter(
                pk=sent.pk, reference="", attempts=sent.attempts, sent_at__lte=now - SETTLING
            ).update(sent_at=now, attempts=F("attempts") + 1)
        )

    def _send(self, sent: VenueOrder) -> OrderReport:
        try:
            answer = self._call(
                "create_order",
                sent.symbol,
                "limit",
                "sell",
                plain(sent.quantity),
                plain(sent.limit_price),
                {"clientOrderId": sent.venue_order_id},
            )
        except _Refused as refusal:
            # A duplicate is refused too: then the order is there, and what it did counts.
            known = self._look(sent)
            return known or OrderReport(OrderState.REJECTED, reason=str(refusal))
        except _NotFound as error:
            raise VenueUnavailable("the venue denies what it was sent") from error
        reference = str(answer.get("id") or "")
        self._keep_reference(sent, reference)
        # Trades, if there were any, are told by the next report.
        return OrderReport(OrderState.NEW, venue_reference=reference)

    def _keep_reference(self, sent: VenueOrder, reference: str) -> None:
        if reference and not sent.reference:
            VenueOrder.objects.filter(pk=sent.pk, reference="").update(reference=reference[:80])

    def _terms(self, order: Order) -> _Terms | OrderReport:
        """Bring an order to the venue's step and tick, or say why it cannot be one there."""
        symbol = self._settings.symbols.get(order.code, "")
        currency = Instrument.objects.values_list("trading_currency", flat=True).get(code=order.code)
        if symbol.partition("/")[2] != currency:
            return OrderReport(OrderState.REJECTED, reason=Reason.UNKNOWN_SYMBOL)
        market = self._market(symbol)
        step, tick = _number(market["precision"]["amount"]), _number(market["precision"]["price"])
        smallest = _number(market["limits"]["amount"].get("min") or "0")
        most = _number(market["limits"]["amount"].get("max") or "0")
        quantity = floor_to(min(order.quantity, most) if most else order.quantity, step)
        if quantity < max(smallest, step):
            return OrderReport(OrderState.REJECTED, reason=Reason.WRONG_QUANTITY)
        return _Terms(symbol, quantity, ceil_to(order.limit_price, tick))

    # --- what the venue says

    def _report(self, sent: VenueOrder) -> OrderReport | None:
        """Return what the venue knows of an order, UNKNOWN while its denial does not count yet."""
        found = self._look(sent)
        if found is None and (sent.reference or clock.now() < sent.sent_at + SETTLING):
            return OrderReport(OrderState.UNKNOWN, venue_reference=sent.reference)
        return found

    def _look(self, sent: VenueOrder) -> OrderReport | None:
        try:
            order = self._call("fetch_order", "", sent.symbol, {"clientOrderId": sent.venue_order_id})
        except _NotFound:
            return None
        except _Refused as refusal:
            raise VenueUnavailable(str(refusal)) from refusal
        if order.get("clientOrderId") != sent.venue_order_id:
            raise VenueUnavailable("the venue answers for another order")
        reference, filled = str(order.get("id") or ""), _number(order.get("filled") or "0")
        self._keep_reference(sent, reference)
        state = _STATES.get(order.get("status") or "", OrderState.UNKNOWN)
        if (order.get("info") or {}).get("status") in _NOT_OVER:
            state = OrderState.NEW
        if state is OrderState.NEW and filled > ZERO:
            state = OrderState.PART_FILLED
        executions = self._executions(sent, reference) if filled > ZERO else ()
        return OrderReport(state, executions, filled_quantity=filled, venue_reference=reference)

    def _executions(self, sent: VenueOrder, reference: str) -> tuple[Execution, ...]:
        client = self._client()
        since = int((sent.sent_at - timedelta(days=1)).timestamp()) * 1000
        try:
            if client.has.get("fetchOrderTrades"):
                trades = self._call("fetch_order_trades", reference, sent.symbol, since, TRADES_MAX)
            else:
                only = {"clientOrderId": sent.venue_order_id}
                trades = self._call("fetch_my_trades", sent.symbol, since, TRADES_MAX, only)
        except (_NotFound, _Refused) as error:
            raise VenueUnavailable(str(error)) from error
        own = [trade for trade in trades if str(trade.get("order")) == reference]
        return tuple(sorted((_execution(sent, trade) for trade in own), key=lambda one: one.executed_at))

    # --- the line

    def _client(self) -> Any:
        """The client of a process: a venue's markets are learnt once."""
        kept = _clients.get(self.code)
        if kept is None or kept[0] != self._settings:
            given = self._settings
            client = open_venue(given.venue, url=given.url, credentials=given.credentials)
            kept = _clients[self.code] = given, client
        return kept[1]

    def _market(self, symbol: str) -> Mapping[str, Any]:
        self._call("load_markets")
        try:
            market: Mapping[str, Any] = self._call("market", symbol)
        except (_NotFound, _Refused) as error:
            raise VenueUnavailable(f"no market {symbol}") from error
        return market

    def _call(self, method: str, *arguments: Any) -> Any:
        """Call ccxt; what it raises becomes what execution knows.

        Only what a venue says in so many words is a refusal. Whatever else goes wrong, from a dead line to an
        answer of no known form, leaves open whether the venue did what it was asked.
        """
        from ccxt.base import errors

        client = self._client()
        try:
            return ask(getattr(client, method), *arguments)
        except errors.OrderNotFound as error:
            raise _NotFound(str(error)) from error
        except errors.BadSymbol as error:
            raise _Refused(Reason.UNKNOWN_SYMBOL) from error
        except errors.DuplicateOrderId as error:
            raise _Refused(Reason.DUPLICATE) from error
        except errors.MarketClosed as error:
            raise _Refused(Reason.CLOSED) from error
        except (
            errors.InvalidOrder,
            errors.InsufficientFunds,
            errors.BadRequest,
            errors.OperationRejected,
        ) as error:
            raise _Refused(str(error)[:200]) from error
        except errors.BaseError as error:
            raise VenueUnavailable(type(error).__name__) from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise VenueUnavailable(f"an answer of no known form: {type(error).__name__}") from error


def _execution(sent: VenueOrder, trade: Mapping[str, Any]) -> Execution:
    executed_at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(trade["timestamp"]))
    return Execution(
        # Some venues count their trades market by market.
        execution_id=f"{sent.symbol}:{trade['id']}",
        quantity=_number(trade["amount"]),
        price=_number(trade["price"]),
        executed_at=min(executed_at, clock.now()),
    )


def _number(text: object) -> Decimal:
    """Read a number of the venue exactly; VenueUnavailable where it is none."""
    try:
        return exact(text)
    except InexactValue as error:
        raise VenueUnavailable(str(error)) from error
