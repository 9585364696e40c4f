"""What takes effect on a day: it may not reach into the past, and a day has one value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from psycopg.errors import UniqueViolation

from ledger.core import approvals, clock
from ledger.core.errors import Conflict, Invalid
from ledger.core.models import FourEyes

Proposal = TypeVar("Proposal", bound=FourEyes)


def refuse_retroactive(valid_from: date, *, is_effective: bool) -> None:
    """Refuse a day before today once a value is in force: a past valuation must replay to the same cents.

    Where nothing was in force there is nothing to change, so a first value may begin in the past.
    """
    if is_effective and valid_from < clock.today():
        raise Invalid(
            _("%(day)s lies in the past, and a value is in force already.") % {"day": valid_from.isoformat()},
            field="valid_from",
            code="RETROACTIVE",
        )


def approve_effective(
    proposal: Proposal, *, checker: AbstractBaseUser, topic: str, check: Callable[[Proposal], None]
) -> Proposal:
    """Approve a dated proposal that still passes `check`.

    Raises Conflict (`already_effective`) when its day already has an approved value, and what
    :func:`ledger.core.approvals.approve` and `check` raise.
    """
    try:
        with transaction.atomic():
            approved = approvals.approve(proposal, checker=checker, topic=topic)
            check(approved)
            return approved
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise Conflict(_("A value for this day was approved already."), code="already_effective") from error
