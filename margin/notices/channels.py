"""How a notice leaves: e-mail and signed webhook built in, SMS by an adapter that the firm names."""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.request
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.errors import Invalid
from margin.models import Notice, WebhookEndpoint

TIMEOUT_SECONDS: Final = 10
SIGNATURE_HEADER: Final = "Lombard-Signature"


@dataclass(frozen=True, slots=True)
class Handed:
    """A channel took the notice; `is_delivered` when it also says that it arrived."""

    is_delivered: bool = False


class SmsAdapter(Protocol):
    """What `LOMBARD_SMS_ADAPTER` names: a callable that hands one message to the firm's provider.

    Raises any exception when the provider did not take it. `message_id` is the same for every attempt.
    """

    def __call__(self, *, number: str, text: str, message_id: str) -> None: ...


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed body goes to the address that was agreed and to no other."""

    def redirect_request(self, *_arguments: Any, **_options: Any) -> None:
        return None


def hand_over(notice: Notice) -> Handed:
    """Give a notice to its channel; raises whatever the channel raises when it does not take it."""
    match notice.channel:
        case Notice.Channel.EMAIL:
            return _email(notice)
        case Notice.Channel.WEBHOOK:
            return _webhook(notice)
        case _sms:
            adapter: SmsAdapter = import_string(settings.LOMBARD_SMS_ADAPTER)
            adapter(number=notice.recipient, text=notice.subject, message_id=message_id(notice))
            return Handed()


def message_id(notice: Notice) -> str:
    """The id that every attempt at one notice carries; it is no key to the client's page."""
    return hashlib.sha256(notice.token.encode()).hexdigest()[:32]


def signature(secret: str, moment: int, body: bytes) -> str:
    """Sign a webhook: HMAC-SHA256 over `<seconds>.<body>`, so that an old one cannot be sent again."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signed}"


def check_url(url: str) -> None:
    """Raise :class:`Invalid` (`not_https`) unless a webhook's address is encrypted or on this machine."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
    if parts.scheme != "https" and not is_local:
        raise Invalid(_("A webhook is sent to an https address only."), field="url", code="not_https")


def _email(notice: Notice) -> Handed:
    message = EmailMessage(
        notice.subject,
        notice.body,
        to=[notice.recipient],
        headers={"Message-ID": f"<{message_id(notice)}@lombard>"},
    )
    note = notice.contract_note
    if note is not None:
        message.attach(f"{note.reference.replace('/', '-')}.pdf", bytes(note.document), "application/pdf")
    if not message.send():
        raise ConnectionError("the mail server took no message")
    return Handed()


def _along(notice: Notice) -> dict[str, Any]:
    """The contract note of a forced sale's notice: its words, and the hash of the paper the API gives."""
    note = notice.contract_note
    if note is None:
        return {}
    told = {"reference": note.reference, "sha256": note.document_hash, "content": json.loads(note.content)}
    return {"contract_note": told}


def _webhook(notice: Notice) -> Handed:
    endpoint = WebhookEndpoint.objects.get(broker__client__facility__calls=notice.call_id)
    body = json.dumps(
        {
            "id": message_id(notice),
            "call": notice.call.reference,
            "client": notice.call.facility.client.number,
            "kind": notice.kind,
            "version": notice.version,
            "language": notice.language,
            "subject": notice.subject,
            "body": notice.body,
            **_along(notice),
        },
        ensure_ascii=False,
    ).encode()
    check_url(notice.recipient)
    request = urllib.request.Request(  # noqa: S310  the scheme was checked
        notice.recipient,
        data=body,
        method="POST",
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": message_id(notice),
            SIGNATURE_HEADER: signature(endpoint.secret, int(clock.now().timestamp()), body),
        },
    )
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS):
        return Handed(is_delivered=True)
