"""Exchange rates: what one unit of a currency costs in another, assets at the bid and debts at the ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.errors import Conflict, Invalid, NotFound
from ledger.core.events import record_event
from ledger.models import Asset

from .checks import check_observed_at, check_source, exact_for
from .models import FxRate
from .models.fx import USD_HKD_PEG

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class FxQuote:
    """The rate in force: `bid` and `ask` in `quote` currency per unit of `base`.

    A currency against itself is 1 with no row behind it: `rate_id` and `observed_at` are None.
    """

    rate_id: int | None
    base: str
    quote: str
    bid: Decimal
    ask: Decimal
    observed_at: datetime | None


@transaction.atomic
def record_rate(
    *,
    base: str,
    quote: str,
    bid: object,
    ask: object,
    observed_at: datetime,
    source: str,
    actor: str,
) -> FxRate:
    """Record a rate observed at a source; the same values again answer with the row that was made.

    Raises Invalid: `UNKNOWN_CURRENCY`, `SAME_CURRENCY`, `INEXACT`, `NOT_POSITIVE`, `BID_ABOVE_ASK`,
    `OUT_OF_PEG` (USD/HKD outside 7.75 to 7.85), `INVALID_SOURCE`, `FROM_THE_FUTURE`; Conflict (`CONFLICT`)
    when the source gave other values for the same moment.
    """
    bid_rate, ask_rate = check_rate(base, quote, bid, ask)
    check_source(source)
    check_observed_at(observed_at)
    rate, is_new = FxRate.objects.get_or_create(
        base=base,
        quote=quote,
        source=source,
        observed_at=observed_at,
        defaults={"bid": bid_rate, "ask": ask_rate, "received_at": clock.now()},
    )
    if (rate.bid, rate.ask) != (bid_rate, ask_rate):
        raise Conflict(
            _("%(source)s already gave %(bid)s to %(ask)s for that moment.")
            % {"source": source, "bid": rate.bid, "ask": rate.ask},
            code="CONFLICT",
        )
    if is_new:
        record_event(
            "collateral.fx_rate.recorded",
            rate,
            actor=actor,
            pair=f"{base}/{quote}",
            bid=str(bid_rate),
            ask=str(ask_rate),
            source=source,
        )
    return rate


def latest_rate(base: str, quote: str, *, at: datetime) -> FxQuote:
    """Return the last rate observed not after `at`; 1 for a currency against itself.

    Raises NotFound (`no_rate`) when there is none: a debt without a rate has no known size.
    """
    if base == quote:
        return FxQuote(None, base, quote, ONE, ONE, None)
    rate = (
        FxRate.objects.filter(base=base, quote=quote, observed_at__lte=at)
        .order_by("-observed_at", "-id")
        .first()
    )
    if rate is None:
        raise NotFound(
            _("There is no rate of %(base)s in %(quote)s at %(at)s.")
            % {"base": base, "quote": quote, "at": at.isoformat()},
            code="no_rate",
        )
    return FxQuote(rate.pk, base, quote, rate.bid, rate.ask, rate.observed_at)


def check_rate(base: str, quote: str, bid: object, ask: object) -> tuple[Decimal, Decimal]:
    """Return both sides as exact Decimals, or raise what :func:`record_rate` refuses about them."""
    fiat = Asset.objects.filter(kind=Asset.Kind.FIAT, code__in=[base, quote])
    known = set(fiat.values_list("code", flat=True))
    for field, code in (("base", base), ("quote", quote)):
        if code not in known:
            raise Invalid(
                _("%(code)s is not a currency of the book.") % {"code": code},
                field=field,
                code="UNKNOWN_CURRENCY",
            )
    if base == quote:
        raise Invalid(_("A currency against itself needs no rate."), field="quote", code="SAME_CURRENCY")
    bid_rate, ask_rate = exact_for(FxRate, "bid", bid), exact_for(FxRate, "ask", ask)
    if bid_rate <= 0:
        raise Invalid(_("A rate is above zero."), field="bid", code="NOT_POSITIVE")
    if bid_rate > ask_rate:
        raise Invalid(_("The bid may not be above the ask."), field="bid", code="BID_ABOVE_ASK")
    if not _is_within_peg(base, quote, bid_rate, ask_rate):
        raise Invalid(
            _("USD/HKD is pegged from %(low)s to %(high)s; %(bid)s to %(ask)s is a feed error.")
            % {"low": USD_HKD_PEG[0], "high": USD_HKD_PEG[1], "bid": bid_rate, "ask": ask_rate},
            field="bid",
            code="OUT_OF_PEG",
        )
    return bid_rate, ask_rate


def _is_within_peg(base: str, quote: str, bid: Decimal, ask: Decimal) -> bool:
    low, high = USD_HKD_PEG
    match base, quote:
        case "USD", "HKD":
            return low <= bid and ask <= high
        case "HKD", "USD":
            return bid * high >= 1 and ask * low <= 1
    return True
