"""Where prices come from by themselves: a file over HTTP for exchange prices, trading venues for BTC and ETH.

A source is polled and answers with offers, exact decimal text with the source's own time; it writes nothing.
What becomes of an offer is decided in `taking`: where the price policy asks for several sources, their fresh
bids are brought to one price by `agreement`; where one is enough, each source's bid counts as its own.
Sources are named in the settings (`LOMBARD_PRICE_FEEDS`); without any, nothing goes over the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from collateral.tables import LineError


class FeedUnavailable(Exception):
    """The source did not answer, or not with what was agreed; it is asked again later."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a source would pay and ask for one unit, as text that was never a float.

    A source of one price gives it on both sides. `line` and `text` say where it came from.
    """

    code: str
    bid: str
    ask: str
    currency: str
    observed_at: datetime
    line: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a source goes on, so that nothing is read twice; empty at the first poll."""

    etag: str = ""
    last_modified: str = ""
    content_hash: str = ""


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that is no offer: the refusal, and the line as it came."""

    error: LineError
    text: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a poll brought; empty when the source has nothing new."""

    offers: tuple[Offer, ...] = ()
    refused: tuple[RefusedLine, ...] = ()
    cursor: Cursor = field(default_factory=Cursor)


class Source(Protocol):
    """What polling needs of a source; `poll` may raise :class:`FeedUnavailable`."""

    @property
    def code(self) -> str:
        """The name its prices are recorded under."""

    def poll(self, cursor: Cursor, *, now: datetime) -> Delivery:
        """Ask the source for what is new since `cursor`."""
