"""Where orders go. A venue is asked by client order id; asking and sending twice is always safe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol


class VenueUnavailable(Exception):
    """The venue did not answer; whether it has the order is not known."""


@dataclass(frozen=True, slots=True)
class Order:
    """A sell order: quantity in units, limit price in the instrument's trading currency."""

    client_order_id: str
    code: str
    quantity: Decimal
    limit_price: Decimal


@dataclass(frozen=True, slots=True)
class Execution:
    execution_id: str
    quantity: Decimal
    price: Decimal
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What the venue knows of an order: everything it did so far and whether more may come."""

    executions: tuple[Execution, ...]
    is_final: bool


class Venue(Protocol):
    """What execution needs of a venue; each call may raise :class:`VenueUnavailable`."""

    code: str

    def report(self, client_order_id: str) -> OrderReport | None:
        """Return what is known of an order, None when the venue has never seen it."""

    def submit(self, order: Order) -> OrderReport:
        """Send an order; the same client order id a second time changes nothing."""

    def cancel(self, client_order_id: str) -> OrderReport | None:
        """Ask for what is left of an order to be taken off; None when the venue has never seen it."""
