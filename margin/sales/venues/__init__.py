"""Where orders go. A venue is asked by client order id; asking and sending twice is always safe.

What a venue answers is a statement of everything it knows of an order, not of what is new: executions are told
apart by their ids, so a report may come twice, late or out of order. An order is over when its state is final
*and* the executions add up to the venue's own total; until then the missing ones are waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

from collateral.models import Instrument
from ledger.core import clock
from ledger.core.calendars import ALWAYS, EXCHANGE, get_calendar
from ledger.core.decimals import ZERO

PAPER = "margin.sales.venues.paper.PaperVenue"


class VenueUnavailable(Exception):
    """The venue did not answer; whether it has the order is not known."""


class OrderState(StrEnum):
    """How an order stands at its venue."""

    NEW = "new"
    PART_FILLED = "part_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


FINAL = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED})


class Reason(StrEnum):
    """Why a venue takes no order or no longer keeps one, where it is one of the usual reasons.

    The numbers are those of OrdRejReason (tag 103) in FIX. A venue may give words of its own instead.
    """

    UNKNOWN_SYMBOL = "unknown_symbol"  # 1
    CLOSED = "venue_closed"  # 2
    TOO_LARGE = "exceeds_order_limit"  # 3
    DUPLICATE = "duplicate_order"  # 6
    WRONG_QUANTITY = "wrong_quantity"  # 13
    OUTSIDE_BAND = "outside_price_band"  # 16
    WRONG_TICK = "wrong_tick"  # 18
    END_OF_SESSION = "end_of_session"
    ON_REQUEST = "on_request"
    OTHER = "other"  # 99


@dataclass(frozen=True, slots=True)
class Order:
    """A sell order: quantity in units, limit price in the instrument's trading currency."""

    client_order_id: str
    code: str
    quantity: Decimal
    limit_price: Decimal


@dataclass(frozen=True, slots=True)
class Execution:
    """A trade: the venue's id of it, units, and price per unit in the instrument's trading currency."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class OrderReport:
    """Everything a venue tells of an order.

    `filled_quantity` is the venue's own total (CumQty), None where it gives none. UNKNOWN is an answer that does
    not say whether the order is taken; it is asked about again and never sent again on the strength of it.
    """

    state: OrderState
    executions: tuple[Execution, ...] = ()
    filled_quantity: Decimal | None = None
    venue_reference: str = ""
    reason: str = ""

    @property
    def executed(self) -> Decimal:
        """Units traded, an execution that is told twice counted once."""
        return sum((execution.quantity for execution in set(self.executions)), ZERO)

    @property
    def is_final(self) -> bool:
        """Nothing more will be done, and every execution that was done is told."""
        is_whole = self.filled_quantity is None or self.executed == self.filled_quantity
        return self.state in FINAL and is_whole

    @property
    def may_be_cancelled(self) -> bool:
        return self.state in (OrderState.NEW, OrderState.PART_FILLED)


class Venue(Protocol):
    """What execution needs of a venue; each call may raise :class:`VenueUnavailable`."""

    code: str

    def report(self, client_order_id: str) -> OrderReport | None:
        """Return what is known of an order, None when the venue is certain it never took it in."""

    def submit(self, order: Order) -> OrderReport:
        """Send an order; the same client order id a second time changes nothing."""

    def cancel(self, client_order_id: str) -> OrderReport | None:
        """Ask for what is left of an order to be taken off; None when the venue has never seen it.

        A venue that answers later reports the order as it stands; it is then asked again.
        """


def is_open(venue_code: str) -> bool:
    """Say whether a venue is in session now: the exchange by its calendar, virtual assets always."""
    calendar = get_calendar(EXCHANGE if venue_code == Instrument.Venue.SEHK else ALWAYS)
    return calendar.is_in_session(clock.now())


def venue_for(code: str) -> Venue:
    """Return the adapter that `LOMBARD_VENUE_ADAPTERS` names for a venue's code; the paper venue without one."""
    adapter = import_string(settings.LOMBARD_VENUE_ADAPTERS.get(code, PAPER))
    return cast(Callable[[str], Venue], adapter)(code)
