"""Writing notices, in the commit of what they tell."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from ledger.core import clock
from ledger.core.decimals import decimal_places
from ledger.core.events import record_event
from ledger.core.formatting import format_quantity
from margin.models import ContractNote, MarginCall, Notice, NoticeKind, NoticeTemplate, WebhookEndpoint

from .texts import DEFAULTS

# Which steps of a call its client is told of.
KIND_OF: Final[Mapping[str, str]] = {
    "expected": "expected",
    "issued": "issued",
    "amended": "amended",
    "part_cured": "part_met",
    "due_time_moved": "moved",
    "passed_due": "overdue",
    "reached_immediate": "overdue",
    "cured": "met",
    "waived": "waived",
    "cancelled": "cancelled",
    "planned": "sale",
    "sold": "settled",
    "exhausted": "shortfall",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """A template as it is used; version 0 is the one that comes with the product."""

    version: int
    subject: str
    body: str


def tell(call: MarginCall, event: str, *, missing: Decimal | None = None, number: int = 1) -> list[Notice]:
    """Write the notices of one step of a call to its client, one for each channel; none is written twice.

    In the caller's transaction. `missing` is what is still to be brought in, else the amount called. A
    client who can be reached by no channel is told of to the staff instead, at the issue of the call.
    """
    kind = KIND_OF.get(event, event)
    if kind not in DEFAULTS["en"]:
        return []
    channels = _channels(call)
    if not channels and kind == "issued":
        record_event(
            "margin.notice.no_channel", call, actor="system", broker_code=call.facility.client.broker.code
        )
    if kind == "part_met":
        # Each payment is told of, and the step itself is taken once for each.
        number += Notice.objects.filter(call=call, kind=kind).values("number").distinct().count()
    known = Notice.objects.filter(call=call, kind=kind, version=call.version, number=number)
    told = set(known.values_list("channel", flat=True))
    fields = _figures(call, missing)
    return [
        _write(call, kind, number, channel, recipient, fields)
        for channel, recipient in channels.items()
        if channel not in told
    ]


def tell_sold(note: ContractNote, call: MarginCall) -> list[Notice]:
    """Write the notice of a forced sale, one for each channel, with the contract note that goes along.

    In the commit of the note and from its words, so the same note is told in the same words.
    """
    kind = NoticeKind.SALE_NOTICE
    number = 1 + (Notice.objects.filter(call=call, kind=kind).aggregate(last=Max("number"))["last"] or 0)
    fields = _figures(call, None) | sold_figures(json.loads(note.content), note.language)
    return [
        _write(call, kind, number, channel, recipient, fields, contract_note=note)
        for channel, recipient in _channels(call).items()
    ]


def sold_figures(words: Mapping[str, Any], language: str) -> dict[str, str]:
    """Return what a notice of a forced sale says, from the words of its contract note."""

    def money(name: str) -> str:
        return f"{words['currency']} {format_quantity(Decimal(words[name]), 2, language)}"

    quantity = Decimal(words["quantity"])
    return {
        "note": words["reference"],
        "asset": f"{words['asset']['code']} {words['asset']['name']}",
        "quantity": format_quantity(quantity, decimal_places(quantity), language),
        "traded_on": words["traded_on"],
        "settles_on": words["settles_on"],
        "gross": money("gross"),
        "charges": money("fees_total"),
        "net": money("net"),
    }


def wording(call: MarginCall, kind: str, language: str) -> Wording:
    """Return the newest approved template of the firm, or the product's own."""
    template = (
        NoticeTemplate.objects.filter(
            broker=call.facility.client.broker,
            kind=kind,
            language=language,
            approval=NoticeTemplate.Approval.APPROVED,
        )
        .order_by("-version")
        .first()
    )
    if template is not None:
        return Wording(template.version, template.subject, template.body)
    return Wording(0, *DEFAULTS[language][kind])


def link_of(token: str) -> str:
    """The page on which a client confirms a notice."""
    return f"{settings.LOMBARD_PUBLIC_URL}/notices/{token}"


def _channels(call: MarginCall) -> dict[str, str]:
    client = call.facility.client
    channels: dict[str, str] = {}
    if client.email:
        channels[Notice.Channel.EMAIL] = client.email
    endpoint = WebhookEndpoint.objects.filter(broker=client.broker, is_active=True).first()
    if endpoint is not None:
        channels[Notice.Channel.WEBHOOK] = endpoint.url
    if client.mobile and settings.LOMBARD_SMS_ADAPTER:
        channels[Notice.Channel.SMS] = client.mobile
    return channels


def _figures(call: MarginCall, missing: Decimal | None) -> dict[str, str]:
    client = call.facility.client
    currency, amount = str(call.amount.currency), call.amount.amount
    return {
        "client": client.name,
        "broker": client.broker.name,
        "reference": call.reference,
        "amount": f"{currency} {format_quantity(amount, 2, client.language)}",
        "missing": f"{currency} {format_quantity(amount if missing is None else missing, 2, client.language)}",
        "due": f"{timezone.localtime(call.due_at):%Y-%m-%d %H:%M}",
    }


def _write(
    call: MarginCall,
    kind: str,
    number: int,
    channel: str,
    recipient: str,
    figures: Mapping[str, str],
    *,
    contract_note: ContractNote | None = None,
) -> Notice:
    client = call.facility.client
    token = secrets.token_urlsafe(32)
    words = wording(call, kind, client.language)
    fields = {**figures, "link": link_of(token)}
    notice = Notice.objects.create(
        call=call,
        kind=kind,
        version=call.version,
        number=number,
        channel=channel,
        language=client.language,
        recipient=recipient,
        template_version=words.version,
        subject=filled(words.subject, fields),
        body=filled(words.body, fields),
        contract_note=contract_note,
        token=token,
        created_at=clock.now(),
        next_attempt_at=clock.now(),
    )
    record_event(
        "margin.notice.written",
        notice,
        actor="system",
        broker_code=client.broker.code,
        call=call.pk,
        kind=kind,
        channel=channel,
    )
    return notice


def filled(text: str, fields: Mapping[str, str]) -> str:
    """Put figures in their places; a brace that names none stays as it is, and nothing is evaluated."""
    for name, value in fields.items():
        text = text.replace("{" + name + "}", value)
    return text
