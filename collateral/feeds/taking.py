"""What becomes of offers: a price of its source where one is enough, part of an agreement where several are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from collateral.checks import MEDIAN, check_observed_at, exact_for
from collateral.models import Instrument, Price, PricePolicy, SourceQuote
from collateral.price_alerts import tell_agreement
from collateral.price_policies import freshness_at, price_policies_on
from collateral.prices import Observation, check_price, record_price, record_prices
from collateral.tables import LineError
from ledger.core import clock
from ledger.core.errors import Conflict, Invalid, Refusal

from . import Offer, RefusedLine
from .agreement import agree


@dataclass(frozen=True, slots=True)
class _Checked:
    offer: Offer
    instrument: Instrument
    bid: Decimal
    ask: Decimal


@transaction.atomic
def take_offers(offers: Sequence[Offer], *, source: str, actor: str) -> tuple[int, list[RefusedLine]]:
    """Take in what a source offered; returns how many rows were new, and what was refused.

    Refused are, line by line: `UNKNOWN_INSTRUMENT`, `INEXACT`, `NOT_POSITIVE`, `CROSSED` (bid above ask),
    `WRONG_CURRENCY`, `FROM_THE_FUTURE`, `NO_PRICE_POLICY`, `OUT_OF_BAND`, and `CONFLICT` where the source gave
    something else for the moment before. What is known already is neither new nor refused.
    """
    # Locked in the order in which every batch of prices locks them, so that two at once queue and never deadlock.
    locked = Instrument.objects.select_for_update(of=("self",), no_key=True).select_related("asset")
    known = {one.code: one for one in locked.filter(code__in={o.code for o in offers}).order_by("code")}
    checked, refused = _check(offers, known)
    policies = price_policies_on(clock.today())
    several: list[_Checked] = []
    single: list[_Checked] = []
    for one in checked:
        policy = policies.get(one.instrument.asset.kind)
        (several if policy and policy.sources_min > 1 else single).append(one)
    is_two_sided = [one for one in checked if one.offer.bid != one.offer.ask]
    quotes, conflicts = _keep_quotes({id(one): one for one in (*several, *is_two_sided)}.values(), source)
    refused += conflicts
    contradicted = {conflict.error.line for conflict in conflicts}
    for code in sorted({one.offer.code for one in several}):
        _agree_on(known[code], policies[known[code].asset.kind], actor=actor)
    prices, not_recorded = _record(
        [one for one in single if one.offer.line not in contradicted], source, actor
    )
    only_quoted = len([one for one in several if (one.instrument.pk, one.offer.observed_at) in quotes])
    return prices + only_quoted, refused + not_recorded


def latest_quotes(instrument: Instrument, *, since: datetime, until: datetime) -> list[SourceQuote]:
    """Return the last quote of each source that was observed from `since` to `until`, by name of the source."""
    quotes = SourceQuote.objects.filter(instrument=instrument, observed_at__gte=since, observed_at__lte=until)
    return list(quotes.order_by("source", "-observed_at", "-id").distinct("source"))


def _check(offers: Iterable[Offer], known: dict[str, Instrument]) -> tuple[list[_Checked], list[RefusedLine]]:
    checked: list[_Checked] = []
    refused: list[RefusedLine] = []
    for offer in sorted(offers, key=lambda one: (one.observed_at, one.line)):
        try:
            checked.append(_one(offer, known))
        except Refusal as refusal:
            refused.append(_refused(offer, refusal))
    return checked, refused


def _one(offer: Offer, known: dict[str, Instrument]) -> _Checked:
    instrument = known.get(offer.code)
    if instrument is None:
        raise Invalid(
            _("%(code)s is not a known instrument.") % {"code": offer.code},
            field="code",
            code="UNKNOWN_INSTRUMENT",
        )
    bid = check_price(offer.bid, offer.currency, trading_currency=instrument.trading_currency)
    ask = exact_for(Price, "price", offer.ask)
    if bid > ask:
        raise Invalid(
            _("The bid %(bid)s is above the ask %(ask)s.") % {"bid": offer.bid, "ask": offer.ask},
            field="bid",
            code="CROSSED",
        )
    check_observed_at(offer.observed_at)
    return _Checked(offer, instrument, bid, ask)


def _refused(offer: Offer, refusal: Refusal) -> RefusedLine:
    return RefusedLine(LineError.of(offer.line, refusal), offer.text)


def _keep_quotes(
    checked: Iterable[_Checked], source: str
) -> tuple[set[tuple[int, datetime]], list[RefusedLine]]:
    """Write the quotes that are new; returns their keys, and those that contradict what is known."""
    rows = list(checked)
    seen = _known_quotes(rows, source)
    new: dict[tuple[int, datetime], SourceQuote] = {}
    refused: list[RefusedLine] = []
    for one in rows:
        key = one.instrument.pk, one.offer.observed_at
        before = seen.get(key)
        if before is not None:
            if before != (one.bid, one.ask):
                refused.append(_refused(one.offer, _conflict(source, before[0])))
            continue
        seen[key] = one.bid, one.ask
        new[key] = SourceQuote(
            instrument=one.instrument,
            source=source,
            bid=one.bid,
            ask=one.ask,
            currency=one.offer.currency,
            observed_at=one.offer.observed_at,
            received_at=clock.now(),
        )
    SourceQuote.objects.bulk_create(new.values(), ignore_conflicts=True)
    return set(new), refused


def _known_quotes(rows: list[_Checked], source: str) -> dict[tuple[int, datetime], tuple[Decimal, Decimal]]:
    quotes = SourceQuote.objects.filter(
        source=source,
        instrument__in={one.instrument.pk for one in rows},
        observed_at__in={one.offer.observed_at for one in rows},
    )
    return {(one.instrument_id, one.observed_at): (one.bid, one.ask) for one in quotes}


def _conflict(source: str, before: Decimal) -> Conflict:
    return Conflict(
        _("%(source)s already gave %(price)s for that moment.") % {"source": source, "price": before},
        code="CONFLICT",
    )


def _record(checked: list[_Checked], source: str, actor: str) -> tuple[int, list[RefusedLine]]:
    """Record the bids as prices of their source; what is known already is left alone."""
    known = {
        (one.instrument_id, one.observed_at): one.price
        for one in Price.objects.filter(
            source=source,
            adjustment=None,
            instrument__in={one.instrument.pk for one in checked},
            observed_at__in={one.offer.observed_at for one in checked},
        )
    }
    new = [one for one in checked if known.get((one.instrument.pk, one.offer.observed_at)) != one.bid]
    done = record_prices(
        [Observation(one.offer.code, one.bid, one.offer.currency, one.offer.observed_at) for one in new],
        source=source,
        actor=actor,
    )
    refused = [
        _refused(one.offer, result)
        for one, result in zip(new, done, strict=True)
        if isinstance(result, Refusal)
    ]
    return len(new) - len(refused), refused


def _agree_on(instrument: Instrument, policy: PricePolicy, *, actor: str) -> None:
    """Record the median of the sources that are fresh and agree, once for each newest quote.

    Too few, or a median that the deviation limit refuses: the previous price stays in force and grows old.
    """
    now = clock.now()
    fresh = latest_quotes(instrument, since=freshness_at(now)[instrument.asset.kind].soft_before, until=now)
    found = agree(
        {quote.source: quote.bid for quote in fresh},
        sources_min=policy.sources_min,
        outlier_limit=policy.outlier_limit,
    )
    why = "" if found.price is not None else "no_quorum"
    components = [quote for quote in fresh if quote.source in found.agreeing]
    if found.price is not None:
        newest = max(quote.observed_at for quote in components)
        if Price.objects.filter(instrument=instrument, source=MEDIAN, observed_at__gte=newest).exists():
            return
        try:
            record_price(
                instrument=instrument,
                price=found.price,
                currency=instrument.trading_currency,
                observed_at=newest,
                source=MEDIAN,
                actor=actor,
                quotes=components,
            )
        except Refusal as refusal:
            why = refusal.reason
    tell_agreement(instrument, found, why=why, actor=actor)
