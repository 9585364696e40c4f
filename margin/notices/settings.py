"""What a firm sets for its notices: their wording, and where its own system takes them."""

from __future__ import annotations

import re
import secrets
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from ledger.core import approvals
from ledger.core.errors import Invalid
from ledger.core.events import record_event
from margin.models import Broker, NoticeKind, NoticeTemplate, WebhookEndpoint

from .channels import check_url
from .texts import PLACEHOLDERS, SOLD_PLACEHOLDERS

TOPIC: Final = "margin.notice_template"
DEMANDS: Final = ("issued", "amended", "reminder")
_BRACES: Final = re.compile(r"\{([^{}]*)\}")


def check_template(template: NoticeTemplate) -> None:
    """Raise :class:`Invalid` (`unknown_placeholder`, `says_too_little`) for a wording that cannot be sent.

    A demand says by when and how much, and carries the link by which it is confirmed.
    """
    text = f"{template.subject} {template.body}"
    used = set(_BRACES.findall(text))
    known = set(PLACEHOLDERS)
    if template.kind == NoticeKind.SALE_NOTICE:
        known.update(SOLD_PLACEHOLDERS)
    if unknown := sorted(used - known):
        raise Invalid(
            _("There is no figure called %(names)s.") % {"names": ", ".join(unknown)},
            field="body",
            code="unknown_placeholder",
        )
    says_enough = {"due", "link"} <= used and used & {"amount", "missing"}
    if template.kind in DEMANDS and not says_enough:
        raise Invalid(
            _("A demand needs {due}, {link} and one of {amount} and {missing}."),
            field="body",
            code="says_too_little",
        )


@transaction.atomic
def propose_template(
    *,
    broker: Broker,
    kind: str,
    language: str,
    subject: str,
    body: str,
    maker: AbstractBaseUser,
    reason: str = "",
) -> NoticeTemplate:
    """Propose the next version of a wording. Raises what :func:`check_template` raises."""
    Broker.objects.select_for_update(no_key=True).get(pk=broker.pk)
    known = NoticeTemplate.objects.filter(broker=broker, kind=kind, language=language)
    template = NoticeTemplate(
        broker=broker,
        kind=kind,
        language=language,
        version=(known.aggregate(last=Max("version"))["last"] or 0) + 1,
        subject=subject,
        body=body,
        reason=reason,
    )
    check_template(template)
    return approvals.propose(template, maker=maker, topic=f"{TOPIC}.proposed")


@transaction.atomic
def set_webhook(*, broker: Broker, url: str, is_active: bool, actor: str) -> WebhookEndpoint:
    """Name where a firm's system takes notices; a new address gets a new signing secret.

    Raises :class:`Invalid` (`not_https`).
    """
    check_url(url)
    Broker.objects.select_for_update(no_key=True).get(pk=broker.pk)
    endpoint = WebhookEndpoint.objects.filter(broker=broker).first() or WebhookEndpoint(broker=broker)
    if endpoint.url != url:
        endpoint.url, endpoint.secret = url, secrets.token_urlsafe(32)
    endpoint.is_active = is_active
    endpoint.save()
    record_event(
        "margin.webhook.set", endpoint, actor=actor, broker_code=broker.code, url=url, is_active=is_active
    )
    return endpoint
