"""Gale and black-rainstorm days: they cannot be known in advance, so two people declare each as it comes."""

from __future__ import annotations

from datetime import date
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from . import approvals, clock
from .calendars import STATUTORY, get_calendar
from .errors import Conflict, Invalid
from .models import SevereWeatherDay

TOPIC: Final = "core.severe_weather"


def check_declaration(declaration: SevereWeatherDay) -> None:
    """Raise :class:`Invalid` for a day that has not come (`in_future`) or was no business day (`not_open`)."""
    if declaration.on > clock.today():
        raise Invalid(_("A warning is declared when it was given, not before."), field="on", code="in_future")
    if not get_calendar(STATUTORY).is_open(declaration.on):
        raise Invalid(_("This day is no business day as it is."), field="on", code="not_open")


def declare(*, on: date, warning: str, maker: AbstractBaseUser, reason: str = "") -> SevereWeatherDay:
    """Propose that `on` was a severe weather day; it counts once somebody else approves it.

    Raises what :func:`check_declaration` raises, :class:`Invalid` (`unknown_warning`) and :class:`Conflict`
    (`already_declared`).
    """
    if warning not in SevereWeatherDay.Warning.values:
        raise Invalid(_("There is no such warning."), field="warning", code="unknown_warning")
    declaration = SevereWeatherDay(on=on, warning=warning, reason=reason)
    check_declaration(declaration)
    try:
        with transaction.atomic():
            return approvals.propose(declaration, maker=maker, topic=f"{TOPIC}.proposed")
    except IntegrityError as error:
        raise Conflict(_("This day was declared already."), field="on", code="already_declared") from error


def approve(declaration: SevereWeatherDay, *, checker: AbstractBaseUser) -> SevereWeatherDay:
    """Let the day count as no business day, as its second person."""
    return approvals.approve(declaration, checker=checker, topic=f"{TOPIC}.approved")


def reject(declaration: SevereWeatherDay, *, checker: AbstractBaseUser, reason: str) -> SevereWeatherDay:
    """Turn a declaration down, with a reason that is kept."""
    return approvals.reject(declaration, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)
