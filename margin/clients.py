"""Clients and their facilities."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _
from moneyed import Money

from ledger.core import clock
from ledger.core.decimals import InexactValue, to_atoms
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.events import record_event
from ledger.models import Book

from .models import Broker, Client, Facility, RatePlan

BASE_CURRENCY: Final = "HKD"

_MOBILE: Final = re.compile(r"\+[1-9][0-9]{6,14}\Z", re.ASCII)

# Far beyond any firm, far within what valuations and reports can hold.
AMOUNT_LIMIT: Final = Decimal(10**15)


@transaction.atomic
def open_client(
    *,
    broker: Broker,
    number: str,
    name: str,
    actor: str,
    kind: str = Client.Kind.INDIVIDUAL,
    language: str = Client.Language.ENGLISH,
    email: str = "",
    mobile: str = "",
    credit_review_due_on: date | None = None,
) -> Client:
    """Open a client under a number that is new to the broker.

    Raises :class:`Invalid` for an empty number or name or a mobile number that is none (`not_a_number`), and
    :class:`Conflict` (`number_taken`).
    """
    if mobile and not _MOBILE.match(mobile):
        raise Invalid(_("Give a mobile number as +85291234567."), field="mobile", code="not_a_number")
    for field, text in (("number", number), ("name", name)):
        if not text.strip():
            raise Invalid(_("This may not be empty."), field=field, code="empty")
    if Client.objects.filter(broker=broker, number=number).exists():
        raise Conflict(_("Client number %(number)s is taken.") % {"number": number}, code="number_taken")
    client = Client.objects.create(
        broker=broker,
        number=number,
        name=name,
        kind=kind,
        language=language,
        email=email,
        mobile=mobile,
        opened_on=clock.today(),
        credit_review_due_on=credit_review_due_on,
    )
    record_event("margin.client.opened", client, actor=actor, broker_code=broker.code)
    return client


@transaction.atomic
def open_facility(*, client: Client, credit_limit: Decimal, rate_plan: str, actor: str) -> Facility:
    """Grant a client a margin facility, one at a time.

    Raises :class:`Invalid` for a limit that is not a positive amount in cents or a rate plan without rates
    for today, and :class:`Conflict` (`facility_exists`) when the client has one.
    """
    check_amount(credit_limit, field="credit_limit")
    plans = RatePlan.objects.filter(broker=client.broker, name=rate_plan, valid_from__lte=clock.today())
    if not plans.exists():
        raise Invalid(
            _("There is no rate plan %(name)s.") % {"name": rate_plan},
            field="rate_plan",
            code="unknown_rate_plan",
        )
    if Facility.objects.filter(client=client).exists():
        raise Conflict(_("This client has a facility already."), code="facility_exists")
    facility = Facility.objects.create(
        client=client,
        credit_limit=Money(credit_limit, BASE_CURRENCY),
        rate_plan=rate_plan,
        opened_on=clock.today(),
    )
    record_event(
        "margin.facility.opened",
        facility,
        actor=actor,
        broker_code=client.broker.code,
        credit_limit=str(credit_limit),
    )
    return facility


@transaction.atomic
def approve_va_financing(*, client: Client, actor: str) -> Client:
    """Let a client borrow against virtual assets from today.

    26EC5: the firm must be permitted to, and the client must be a securities margin client of it already.
    """
    today = clock.today()
    permitted_from = client.broker.va_financing_from
    if permitted_from is None or permitted_from > today:
        raise Forbidden(_("The firm may not finance virtual assets."), code="va_financing_not_permitted")
    if not Facility.objects.filter(client=client, closed_on__isnull=True).exists():
        raise Conflict(_("Only an existing securities margin client qualifies."), code="no_margin_facility")
    client.va_financing_from = today
    client.save(update_fields=["va_financing_from"])
    record_event("margin.client.va_financing_approved", client, actor=actor, broker_code=client.broker.code)
    return client


def strangers(book: Book, numbers: Collection[str]) -> set[str]:
    """Return those of the numbers that no client of the book's firm has."""
    known = Client.objects.filter(broker__book=book, number__in=numbers).values_list("number", flat=True)
    return set(numbers).difference(known)


def check_amount(amount: Decimal, *, field: str = "amount") -> Decimal:
    """Return a positive amount that is exact to the cent; raises :class:`Invalid` naming `field`."""
    try:
        atoms = to_atoms(amount, 2)
    except InexactValue as error:
        raise Invalid(str(error), field=field, code="inexact") from error
    if atoms <= 0:
        raise Invalid(_("An amount must be above zero."), field=field, code="not_positive")
    if amount >= AMOUNT_LIMIT:
        raise Invalid(_("An amount must be below 10^15."), field=field, code="too_large")
    return amount
