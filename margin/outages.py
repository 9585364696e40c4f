"""Outages of the firm: recorded by one person, approved by another, and paid for with time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import approvals, clock
from ledger.core.errors import Invalid

from .due_times import give_grace
from .models import Broker, Outage
from .valuations import policy_on

TOPIC: Final = "margin.outage"


def check_outage(outage: Outage) -> None:
    """Raise :class:`Invalid` (`backwards`, `in_future`) for an outage that has not come to its end."""
    if outage.ended_at <= outage.began_at:
        raise Invalid(_("An outage ends after it began."), field="ended_at", code="backwards")
    if outage.ended_at > clock.now():
        raise Invalid(_("An outage is recorded when it is over."), field="ended_at", code="in_future")


def propose_outage(
    *,
    broker: Broker,
    began_at: datetime,
    ended_at: datetime,
    what: str,
    maker: AbstractBaseUser,
    reason: str = "",
) -> Outage:
    """Record an outage; no due time moves until somebody else approves it."""
    outage = Outage(broker=broker, began_at=began_at, ended_at=ended_at, what=what, reason=reason)
    check_outage(outage)
    return approvals.propose(outage, maker=maker, topic=f"{TOPIC}.proposed")


@transaction.atomic
def approve_outage(outage: Outage, *, checker: AbstractBaseUser) -> Outage:
    """Approve an outage and give its grace: the minutes of the policy in force when it ended."""
    approved = approvals.approve(outage, checker=checker, topic=f"{TOPIC}.approved")
    policy = policy_on(outage.broker, outage.ended_at)
    give_grace(approved, grace=timedelta(minutes=policy.outage_grace_minutes), actor=checker.get_username())
    return approved


def reject_outage(outage: Outage, *, checker: AbstractBaseUser, reason: str) -> Outage:
    """Turn an outage down, with a reason that is kept."""
    return approvals.reject(outage, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)
