"""A split changes what a share costs as it changes how many there are: in one event, at one moment (8.14)."""

from __future__ import annotations

from datetime import datetime, time

from ledger.core import clock
from ledger.core.clock import HONG_KONG
from ledger.core.events import SYSTEM, record_event
from ledger.corporate_actions.entitlements import ratio_of
from ledger.corporate_actions.ratios import adjusted_price
from ledger.models import CorporateAction

from .models import Instrument, Price, PriceAdjustment
from .prices import prices_in_force

PLACES = Price._meta.get_field("price").decimal_places


def adjust_prices(action: CorporateAction) -> None:
    """Let the last price of every source count at the ratio of a split from the beginning of its ex date.

    Value stays: quantity x ratio at price / ratio; a price that does not end is rounded up at its last decimal, so
    that no account falls by a cent. Each adjusted price is as old as the one that was seen. A split at one place
    only, and a bonus or a dividend, whose price the market itself makes, leave prices alone.
    """
    if action.kind != CorporateAction.Kind.SPLIT or action.location_id is not None:
        return
    instrument = (
        Instrument.objects.select_for_update(of=("self",), no_key=True).filter(asset=action.asset_id).first()
    )
    if instrument is None:
        return
    effective_at = datetime.combine(action.ex_on, time(), HONG_KONG)
    before = prices_in_force(instrument, at=clock.now()).filter(observed_at__lt=effective_at)
    last = list(before.order_by("source", "-observed_at", "-id").distinct("source"))
    adjustment = PriceAdjustment.objects.create(
        instrument=instrument, corporate_action=action, effective_at=effective_at
    )
    ratio = ratio_of(action)
    Price.objects.bulk_create(
        Price(
            instrument=instrument,
            source=seen.source,
            price=adjusted_price(seen.price, ratio, places=PLACES),
            currency=seen.currency,
            observed_at=seen.observed_at,
            received_at=clock.now(),
            adjustment=adjustment,
            adjusts=seen,
        )
        # In the order in which they were seen, because of two sources at one moment the later row counts.
        for seen in sorted(last, key=lambda price: price.pk)
    )
    record_event(
        "collateral.price.adjusted",
        instrument,
        actor=SYSTEM,
        code=instrument.code,
        corporate_action=action.reference,
        ratio=str(ratio),
        prices=len(last),
    )
