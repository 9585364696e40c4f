"""Issuing contract notes for the trades of days that have ended, and correcting them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.calendars import STATUTORY, get_calendar
from ledger.core.clock import HONG_KONG
from ledger.core.errors import Conflict, Invalid
from ledger.core.events import SYSTEM, record_event
from ledger.core.idempotency import body_hash, canonical
from ledger.models import Asset
from margin.models import (
    Broker,
    Client,
    ContractNote,
    ContractNoteHandover,
    ContractNoteTrade,
    Fill,
)
from margin.models.contract_note import CHANNEL_CHOICES
from margin.notices.outbox import tell_sold

from .content import Heading, content, hash_of
from .paper import pdf

DUE_BUSINESS_DAYS = 2
BROKER_PATH = "order__leg__sale__call__facility__client__broker"
CLIENT_PATH = "order__leg__sale__call__facility__client"
LATE_TRADE = "a trade was reported after the note was issued"


def due_on(traded_on: date) -> date:
    """Return the day at whose end the note of a trade is due: the second business day after it (571Q)."""
    return get_calendar(STATUTORY).add_days(traded_on, DUE_BUSINESS_DAYS)


def fills_of(client: Client, asset: Asset, on: date) -> QuerySet[Fill]:
    """The trades of a client in an asset on a Hong Kong day, in the order of time."""
    start = datetime.combine(on, time.min, tzinfo=HONG_KONG)
    return (
        Fill.objects.filter(
            **{CLIENT_PATH: client},
            order__leg__asset=asset,
            traded_at__gte=start,
            traded_at__lt=start + timedelta(days=1),
        )
        .select_related("order__leg__sale__call__facility__client__broker", "fx_rate")
        .order_by("traded_at", "pk")
    )


def issue_due(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Issue the notes of all trades before today that no note tells of; returns how many were issued.

    A day whose note was issued already gets a corrected one. Run again it finds nothing.
    """
    today = datetime.combine(clock.today(), time.min, tzinfo=HONG_KONG)
    untold = (
        Fill.objects.filter(**{BROKER_PATH: broker}, note_trades__isnull=True, traded_at__lt=today)
        .select_related(f"{CLIENT_PATH}__broker", "order__leg__asset")
        .order_by("traded_at", "pk")
    )
    groups = {
        (client.pk, asset.pk, on): (client, asset)
        for fill in untold
        for client in [fill.order.leg.sale.call.facility.client]
        for asset in [fill.order.leg.asset]
        for on in [fill.traded_on]
    }
    return sum(
        _issue(client, asset, on, actor=actor) is not None
        for (_client, _asset, on), (client, asset) in groups.items()
    )


@transaction.atomic
def correct_note(*, note: ContractNote, reason: str, actor: str) -> ContractNote:
    """Issue a note again as its next version, from the records as they stand now.

    Raises :class:`Invalid` (`reason_required`), :class:`Conflict` (`already_corrected`, `nothing_to_correct` when the
    records say what the note says).
    """
    if not reason.strip():
        raise Invalid(_("A correction needs a reason."), field="reason", code="reason_required")
    Broker.objects.select_for_update(no_key=True).get(pk=note.broker_id)
    if ContractNote.objects.filter(corrects=note).exists():
        raise Conflict(_("A later version of this note is in force."), code="already_corrected")
    client = Client.objects.select_related("broker").get(pk=note.client_id)
    made = _make(client, note.asset, note.traded_on, before=note, reason=reason, actor=actor)
    if made is None:
        raise Conflict(_("The records say what the note says."), code="nothing_to_correct")
    return made


@transaction.atomic
def record_handover(*, note: ContractNote, channel: str, handed_on: date, actor: str) -> ContractNoteHandover:
    """Keep that a note was given to its client by hand, once; the first record stands.

    Raises :class:`Invalid` (`unknown_channel`, `from_the_future`, `before_it_was_issued`).
    """
    if channel not in dict(CHANNEL_CHOICES):
        raise Invalid(_("There is no such channel."), field="channel", code="unknown_channel")
    if handed_on > clock.today():
        raise Invalid(_("That day is still to come."), field="handed_on", code="from_the_future")
    if handed_on < note.issued_at.astimezone(HONG_KONG).date():
        raise Invalid(_("The note was not issued by then."), field="handed_on", code="before_it_was_issued")
    Broker.objects.select_for_update(no_key=True).get(pk=note.broker_id)
    known = ContractNoteHandover.objects.filter(note=note).first()
    if known is not None:
        return known
    made = ContractNoteHandover.objects.create(
        note=note, channel=channel, handed_on=handed_on, actor=actor, recorded_at=clock.now()
    )
    record_event(
        "margin.contract_note.handed_over", note, actor=actor, broker_code=note.broker.code, channel=channel
    )
    return made


@transaction.atomic
def _issue(client: Client, asset: Asset, on: date, *, actor: str) -> ContractNote | None:
    Broker.objects.select_for_update(no_key=True).get(pk=client.broker_id)
    before = (
        ContractNote.objects.filter(client=client, asset=asset, traded_on=on).order_by("-version").first()
    )
    return _make(client, asset, on, before=before, reason=LATE_TRADE if before else "", actor=actor)


def _make(
    client: Client, asset: Asset, on: date, *, before: ContractNote | None, reason: str, actor: str
) -> ContractNote | None:
    """Write a note and tell its client; None where the one before says the same. The firm is locked."""
    fills = list(fills_of(client, asset, on))
    year, number, version = _next(client.broker, before)
    note = ContractNote(
        broker=client.broker,
        client=client,
        year=year,
        number=number,
        version=version,
        corrects=before,
        reason=reason,
        traded_on=on,
        asset=asset,
        due_on=due_on(on),
        issued_at=clock.now(),
        actor=actor,
        language=client.language,
    )
    corrects = before.reference if before else ""
    heading = Heading(note.reference, version, corrects, reason, clock.today())
    words = content(heading, client, asset, fills)
    if before is not None and _said(words) == _said(json.loads(before.content)):
        return None
    return _keep(note, words, fills, actor=actor)


def _keep(note: ContractNote, words: dict[str, Any], fills: Sequence[Fill], *, actor: str) -> ContractNote:
    note.content = canonical(words)
    note.content_hash = body_hash(words)
    note.document = pdf(words, note.language)
    note.document_hash = hash_of(note.document)
    note.currency = words["currency"]
    for name in ("quantity", "gross", "fees_total", "net"):
        setattr(note, name, Decimal(words[name]))
    note.save(force_insert=True)
    ContractNoteTrade.objects.bulk_create(ContractNoteTrade(note=note, fill=fill) for fill in fills)
    record_event(
        "margin.contract_note.corrected" if note.corrects_id else "margin.contract_note.issued",
        note,
        actor=actor,
        reason=note.reason,
        broker_code=note.broker.code,
        reference=note.reference,
        content=note.content_hash,
        document=note.document_hash,
    )
    tell_sold(note, fills[-1].order.leg.sale.call)
    return note


def _next(broker: Broker, before: ContractNote | None) -> tuple[int, int, int]:
    """The year, number and version of the next note of a firm, or of the correction of `before`."""
    if before is not None:
        return before.year, before.number, before.version + 1
    year = clock.today().year
    last = ContractNote.objects.filter(broker=broker, year=year).aggregate(last=Max("number"))["last"]
    return year, (last or 0) + 1, 1


def _said(words: dict[str, Any]) -> dict[str, Any]:
    """What a note says beside its own number, day and reason."""
    own = ("reference", "version", "corrects", "reason", "issued_on")
    return {name: value for name, value in words.items() if name not in own}
