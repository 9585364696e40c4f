"""BTC and ETH from a trading venue: best bid and ask, one source for each venue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from collateral.tables import LineError

from . import Cursor, Delivery, FeedUnavailable, Offer, RefusedLine
from .ccxt_client import ask, open_venue

# A venue's clock may run a little before ours; what is further ahead is refused like any price of the future.
SKEW_MAX: Final = timedelta(seconds=2)


@dataclass(slots=True)
class VenueSource:
    """The tickers of one venue of ccxt, by instrument; markets are learnt at the first poll."""

    code: str
    venue: str
    symbols: Mapping[str, str]
    url: str = ""
    _client: Any = field(default=None, repr=False)

    def poll(self, cursor: Cursor, *, now: datetime) -> Delivery:
        """Read the best bid and ask of each symbol; one that is missing does not hide the others.

        A venue that gives no time of its own is taken at ours. Raises FeedUnavailable when it answers for none.
        """
        offers: list[Offer] = []
        refused: list[RefusedLine] = []
        failures: list[Exception] = []
        for line, (code, symbol) in enumerate(sorted(self.symbols.items()), start=1):
            try:
                found = _offer(code, symbol, line, self._ticker(symbol), now)
            except _ccxt_errors() as error:
                failures.append(error)
                found = RefusedLine(
                    LineError(
                        line,
                        "NO_ANSWER",
                        _("The venue did not answer: %(error)s.") % {"error": type(error).__name__},
                    ),
                    symbol,
                )
            if isinstance(found, Offer):
                offers.append(found)
            else:
                refused.append(found)
        if failures and not offers:
            raise FeedUnavailable(f"{type(failures[0]).__name__} from {self.venue}") from failures[0]
        return Delivery(tuple(offers), tuple(refused), cursor)

    def _ticker(self, symbol: str) -> Mapping[str, Any]:
        try:
            if self._client is None:
                self._client = open_venue(self.venue, url=self.url)
            ask(self._client.load_markets)
            ticker: Mapping[str, Any] = ask(self._client.fetch_ticker, symbol)
        except ImproperlyConfigured as error:
            raise FeedUnavailable(str(error)) from error
        return ticker


def _ccxt_errors() -> tuple[type[Exception], ...]:
    """What a venue's answer may come to: ccxt's own errors, and those of its parsers on an answer of no known form."""
    try:
        from ccxt.base.errors import BaseError
    except ImportError:
        return ()
    return (BaseError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def _offer(
    code: str, symbol: str, line: int, ticker: Mapping[str, Any], now: datetime
) -> Offer | RefusedLine:
    bid, ask_, at = ticker.get("bid"), ticker.get("ask"), ticker.get("timestamp")
    shown = f"{symbol} {bid} {ask_} {at}"
    if bid is None or ask_ is None:
        return RefusedLine(LineError(line, "ONE_SIDED", _("The book has no bid or no ask.")), shown)
    observed_at = now if at is None else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(at))
    if now < observed_at <= now + SKEW_MAX:
        observed_at = now
    # BTC/USD is quoted in USD, and so is a perpetual BTC/USD:USD, which is none of the instruments here.
    currency = symbol.partition("/")[2]
    return Offer(code, str(bid), str(ask_), currency, observed_at, line, shown)
