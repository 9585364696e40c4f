"""Tells once when an instrument's price turns stale or its sources disagree, and once when all is well again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef

from ledger.core import clock
from ledger.core.events import SYSTEM, record_event
from ledger.core.models import Event

from .feeds.agreement import Agreement
from .models import Instrument, Price
from .prices import latest_prices
from .staleness import PriceState

STALE: Final = "collateral.price.stale"
FRESH: Final = "collateral.price.fresh"
DISAGREED: Final = "collateral.price.disagreed"
AGREED: Final = "collateral.price.agreed"


@dataclass(frozen=True, slots=True)
class StateChange:
    """An instrument's price went from one state to another."""

    code: str
    before: PriceState
    after: PriceState


@transaction.atomic
def flag_stale_prices(*, actor: str = SYSTEM) -> list[StateChange]:
    """Record one event for each instrument whose price changed its state since the last one was recorded.

    What was said last stands in the event trail itself, so a second run in the same state says nothing.
    Instruments that never had a price are not watched. An instrument that another worker holds is left to it.
    """
    instruments = {
        instrument.code: instrument
        for instrument in Instrument.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .filter(Exists(Price.objects.filter(instrument=OuterRef("pk"))))
        .order_by("pk")
    }
    said = _last_said(instruments)
    changes = []
    for code, quote in sorted(latest_prices(instruments.values(), at=clock.now()).items()):
        before = said.get(str(instruments[code].pk), PriceState.FRESH)
        if quote.state is before or quote.observed_at is None:
            continue
        record_event(
            FRESH if quote.state is PriceState.FRESH else STALE,
            instruments[code],
            actor=actor,
            code=code,
            state=quote.state.value,
            observed_at=quote.observed_at.isoformat(),
        )
        changes.append(StateChange(code, before, quote.state))
    return changes


def tell_agreement(instrument: Instrument, found: Agreement, *, why: str, actor: str = SYSTEM) -> bool:
    """Record one event when the sources of a price begin to disagree, when it changes who does, and when none does.

    `why` says why there is no new price (`no_quorum`, or the code of the refusal), and is empty where there is
    one. The caller holds the instrument's row. Returns whether anything was said.
    """
    state: dict[str, Any] = {"why": why, "outliers": list(found.outliers)}
    well: dict[str, Any] = {"why": "", "outliers": []}
    said = (
        Event.objects.filter(
            subject_type=Instrument._meta.label_lower,
            subject_id=str(instrument.pk),
            topic__in=[DISAGREED, AGREED],
        )
        .order_by("-id")
        .values_list("payload", flat=True)
        .first()
    )
    if state == ({key: said[key] for key in well} if said else well):
        return False
    record_event(
        AGREED if state == well else DISAGREED,
        instrument,
        actor=actor,
        code=instrument.code,
        agreeing=list(found.agreeing),
        **state,
    )
    return True


def _last_said(instruments: dict[str, Instrument]) -> dict[str, PriceState]:
    events = Event.objects.filter(
        subject_type=Instrument._meta.label_lower,
        subject_id__in=[str(instrument.pk) for instrument in instruments.values()],
        topic__in=[STALE, FRESH],
    )
    latest = events.order_by("subject_id", "-id").distinct("subject_id").values_list("subject_id", "payload")
    return {subject_id: PriceState(payload["state"]) for subject_id, payload in latest}
