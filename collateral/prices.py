"""Prices: recorded one by one from a live source, imported as history, read as the latest of many.

Nothing is overwritten. A live price is checked against the one before it under the policy of its kind of
asset; a file of history is checked for form, sign, time and order but not for jumps, because a market's real
past holds jumps that no live feed would be believed for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.decimals import ZERO
from ledger.core.errors import Conflict, Invalid, Refusal
from ledger.core.events import record_event

from .checks import check_observed_at, check_source, exact_for
from .models import Instrument, Price, PriceAdjustment, PriceComponent, SourceQuote
from .price_policies import freshness_at, price_policies_on
from .staleness import Freshness, PriceState

__all__ = [
    "Observation",
    "PriceQuote",
    "PriceState",
    "check_price",
    "latest_prices",
    "prices_in_force",
    "record_price",
    "record_prices",
]


@dataclass(frozen=True, slots=True)
class PriceQuote:
    """The price an instrument is valued at, `currency` per unit, and what it is good for.

    Where nothing was ever observed the state is MISSING, `price_id` and `observed_at` are None and `price`
    is zero, which no observed price can be.
    """

    price_id: int | None
    price: Decimal
    currency: str
    observed_at: datetime | None
    state: PriceState
    source: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One price of a batch, per unit in the currency the instrument trades in."""

    code: str
    price: object
    currency: str
    observed_at: datetime


@transaction.atomic
def record_price(
    *,
    instrument: Instrument,
    price: object,
    currency: str,
    observed_at: datetime,
    source: str,
    actor: str,
    quotes: Sequence[SourceQuote] = (),
) -> Price:
    """Record a live price, per unit in the instrument's trading currency; `quotes` are what it is the median of.

    The same values again answer with the row that was made. Raises Invalid: `INEXACT`, `NOT_POSITIVE`,
    `WRONG_CURRENCY`, `INVALID_SOURCE`, `FROM_THE_FUTURE`, `NO_PRICE_POLICY` where no policy for the kind of
    asset is approved, `OUT_OF_BAND` beyond its deviation limit against the last price before; Conflict
    (`CONFLICT`) when the source gave another price for the same moment. The previous price stays in force
    after a refusal.
    """
    locked = (
        Instrument.objects.select_for_update(of=("self",), no_key=True)
        .select_related("asset")
        .get(pk=instrument.pk)
    )
    number = check_price(price, currency, trading_currency=locked.trading_currency)
    if not quotes:
        check_source(source)
    check_observed_at(observed_at)
    known = Price.objects.filter(
        instrument=locked, source=source, observed_at=observed_at, adjustment=None
    ).first()
    if known is not None:
        if known.price != number:
            raise Conflict(
                _("%(source)s already gave %(price)s for that moment.")
                % {"source": source, "price": known.price},
                code="CONFLICT",
            )
        return known
    _check_band(locked, number, observed_at)
    recorded = Price.objects.create(
        instrument=locked,
        source=source,
        price=number,
        currency=currency,
        observed_at=observed_at,
        received_at=clock.now(),
    )
    PriceComponent.objects.bulk_create(PriceComponent(price=recorded, quote=quote) for quote in quotes)
    record_event(
        "collateral.price.recorded", recorded, actor=actor, code=locked.code, price=str(number), source=source
    )
    return recorded


@transaction.atomic
def record_prices(observations: Sequence[Observation], *, source: str, actor: str) -> list[Price | Refusal]:
    """Record live prices of one source, each on its own; the results stand in the order of the input.

    An item is the row, or what :func:`record_price` would raise, or Invalid (`UNKNOWN_INSTRUMENT`).
    """
    known = Instrument.objects.in_bulk({item.code for item in observations}, field_name="code")
    results: dict[int, Price | Refusal] = {}
    # Locks are taken in one order, so that two batches at once queue and never deadlock.
    for place, item in sorted(enumerate(observations), key=lambda pair: (pair[1].code, pair[0])):
        try:
            if item.code not in known:
                raise Invalid(
                    _("%(code)s is not a known instrument.") % {"code": item.code},
                    field="code",
                    code="UNKNOWN_INSTRUMENT",
                )
            results[place] = record_price(
                instrument=known[item.code],
                price=item.price,
                currency=item.currency,
                observed_at=item.observed_at,
                source=source,
                actor=actor,
            )
        except Refusal as refusal:
            results[place] = refusal
    return [results[place] for place in range(len(observations))]


def prices_in_force(instrument: Instrument, *, at: datetime) -> QuerySet[Price]:
    """Return the prices of an instrument that count at `at`, by the rule of :func:`latest_prices`."""
    seen = Price.objects.filter(instrument=instrument, observed_at__lte=at)
    split = (
        PriceAdjustment.objects.filter(instrument=instrument, effective_at__lte=at)
        .order_by("-effective_at", "-id")
        .first()
    )
    if split is None:
        return seen.filter(adjustment=None)
    return seen.filter(Q(adjustment=split) | Q(adjustment=None, observed_at__gte=split.effective_at))


def check_price(price: object, currency: str, *, trading_currency: str) -> Decimal:
    """Return a price as an exact positive Decimal; Invalid (`INEXACT`, `NOT_POSITIVE`, `WRONG_CURRENCY`)."""
    number = exact_for(Price, "price", price)
    if number <= 0:
        raise Invalid(
            _("A price is above zero, not %(price)s.") % {"price": price}, field="price", code="NOT_POSITIVE"
        )
    if currency != trading_currency:
        raise Invalid(
            _("It trades in %(right)s, not in %(currency)s.")
            % {"right": trading_currency, "currency": currency},
            field="currency",
            code="WRONG_CURRENCY",
        )
    return number


def _check_band(instrument: Instrument, price: Decimal, observed_at: datetime) -> None:
    policy = price_policies_on(clock.today()).get(instrument.asset.kind)
    if policy is None:
        raise Invalid(
            _("There is no approved price policy for %(kind)s.")
            % {"kind": instrument.asset.get_kind_display()},
            code="NO_PRICE_POLICY",
        )
    previous = prices_in_force(instrument, at=observed_at).order_by("-observed_at", "-id").first()
    if previous and abs(price - previous.price) > policy.deviation_limit * previous.price:
        raise Invalid(
            _("%(price)s is more than %(limit)s away from the previous price %(previous)s.")
            % {"price": price, "limit": policy.deviation_limit, "previous": previous.price},
            field="price",
            code="OUT_OF_BAND",
            previous=str(previous.price),
            limit=str(policy.deviation_limit),
        )


# What counts at a moment: prices as they were seen since the last split, and what that split made of those before.
_LATEST = """
SELECT i.asset_id, i.code, i.status, i.trading_currency, a.kind, p.id, p.price, p.observed_at, p.source
  FROM collateral_instrument i
  JOIN ledger_asset a ON a.id = i.asset_id
  LEFT JOIN LATERAL (
       SELECT id, effective_at FROM collateral_priceadjustment
        WHERE instrument_id = i.asset_id AND effective_at <= %(at)s
        ORDER BY effective_at DESC, id DESC LIMIT 1) split ON true
  LEFT JOIN LATERAL (
       SELECT id, price, observed_at, source FROM collateral_price
        WHERE instrument_id = i.asset_id AND observed_at <= %(at)s
          AND (adjustment_id IS NOT DISTINCT FROM split.id
               OR (adjustment_id IS NULL AND observed_at >= split.effective_at))
        ORDER BY observed_at DESC, id DESC LIMIT 1) p ON true
 WHERE i.asset_id = ANY(%(instruments)s)
"""

# Of the last two sources of each instrument that are not hard-stale, the lower price.
_LOWER_OF_TWO_SOURCES = """
SELECT DISTINCT ON (instrument_id) instrument_id, id, price, observed_at, source
  FROM (SELECT last.*,
               row_number() OVER (PARTITION BY instrument_id ORDER BY observed_at DESC, id DESC) AS recency
          FROM (SELECT DISTINCT ON (p.instrument_id, p.source) p.*
                  FROM unnest(%(instruments)s::bigint[], %(hard_before)s::timestamptz[])
                       AS soft (instrument_id, hard_before)
                  LEFT JOIN LATERAL (
                       SELECT id, effective_at FROM collateral_priceadjustment
                        WHERE instrument_id = soft.instrument_id AND effective_at <= %(at)s
                        ORDER BY effective_at DESC, id DESC LIMIT 1) split ON true
                  JOIN collateral_price p
                    ON p.instrument_id = soft.instrument_id
                   AND p.observed_at BETWEEN soft.hard_before AND %(at)s
                   AND (p.adjustment_id IS NOT DISTINCT FROM split.id
                        OR (p.adjustment_id IS NULL AND p.observed_at >= split.effective_at))
                 ORDER BY p.instrument_id, p.source, p.observed_at DESC, p.id DESC) last) sources
 WHERE recency <= 2
 ORDER BY instrument_id, price, recency
"""


def latest_prices(instruments: Iterable[Instrument], *, at: datetime) -> dict[str, PriceQuote]:
    """Return the price each instrument is valued at, as seen at `at`, by instrument code.

    The last price observed not after `at` counts, one from before a split at the split's ratio; while it is
    soft-stale, the lower of the last two sources (regulation 8.18). HARD is also what no approved policy judges
    and what is suspended or delisted. Two queries by index whatever the number of instruments. Raises
    OutsideCalendar where a security has to be judged on a day that no calendar was loaded for.
    """
    wanted: dict[str, Any] = {"at": at, "instruments": [instrument.pk for instrument in instruments]}
    freshness = freshness_at(at)
    quotes: dict[str, PriceQuote] = {}
    soft: dict[int, tuple[str, Freshness]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, wanted)
        for key, code, status, currency, kind, price_id, price, observed_at, source in cursor.fetchall():
            if price_id is None:
                quotes[code] = PriceQuote(None, ZERO, currency, None, PriceState.MISSING)
                continue
            state = _state(status, freshness.get(kind), observed_at)
            quotes[code] = PriceQuote(price_id, price, currency, observed_at, state, source)
            if state is PriceState.SOFT:
                soft[key] = code, freshness[kind]
        if soft:
            cursor.execute(
                _LOWER_OF_TWO_SOURCES,
                {
                    "at": at,
                    "instruments": list(soft),
                    "hard_before": [rule.hard_before for _code, rule in soft.values()],
                },
            )
            for key, price_id, price, observed_at, source in cursor.fetchall():
                code = soft[key][0]
                quotes[code] = replace(
                    quotes[code], price_id=price_id, price=price, observed_at=observed_at, source=source
                )
    return quotes


def _state(status: str, freshness: Freshness | None, observed_at: datetime) -> PriceState:
    if status != Instrument.Status.LISTED or freshness is None:
        return PriceState.HARD
    return freshness.judge(observed_at)
