"""Maker and checker: a proposal is decided once, by somebody else.

The database holds the rule (see :class:`ledger.core.models.FourEyes`); this module says it in words first.
"""

from __future__ import annotations

from typing import TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from . import clock
from .errors import Conflict, Forbidden, Invalid
from .events import record_event
from .models import FourEyes

Proposal = TypeVar("Proposal", bound=FourEyes)


@transaction.atomic
def propose(proposal: Proposal, *, maker: AbstractBaseUser, topic: str) -> Proposal:
    """Write a new proposal as `maker`; it has no effect until somebody else approves it."""
    proposal.maker_id = maker.pk
    proposal.made_at = clock.now()
    proposal.save(force_insert=True)
    record_event(topic, proposal, actor=maker.get_username(), reason=proposal.reason)
    return proposal


@transaction.atomic
def approve(proposal: Proposal, *, checker: AbstractBaseUser, topic: str) -> Proposal:
    """Approve a proposal as `checker`.

    Raises :class:`Forbidden` (`maker_is_checker`) when the checker made it and :class:`Conflict`
    (`already_decided`) when it was decided before.
    """
    return _decide(proposal, checker=checker, to=FourEyes.Approval.APPROVED, topic=topic, reason="")


@transaction.atomic
def reject(proposal: Proposal, *, checker: AbstractBaseUser, topic: str, reason: str) -> Proposal:
    """Reject a proposal as `checker`, with a reason that is kept."""
    if not reason.strip():
        raise Invalid(_("A rejection needs a reason."), field="reason", code="reason_required")
    return _decide(proposal, checker=checker, to=FourEyes.Approval.REJECTED, topic=topic, reason=reason)


def _decide(
    proposal: Proposal, *, checker: AbstractBaseUser, to: FourEyes.Approval, topic: str, reason: str
) -> Proposal:
    model = type(proposal)
    locked = model._default_manager.select_for_update(of=("self",), no_key=True).get(pk=proposal.pk)
    if locked.approval != FourEyes.Approval.PROPOSED:
        raise Conflict(
            _("This proposal was already %(state)s.") % {"state": locked.get_approval_display()},
            code="already_decided",
        )
    if locked.maker_id == checker.pk:
        raise Forbidden(_("The maker may not be the checker."), code="maker_is_checker")
    locked.approval = to
    locked.checker_id = checker.pk
    locked.checked_at = clock.now()
    locked.save(update_fields=["approval", "checker", "checked_at"])
    record_event(topic, locked, actor=checker.get_username(), reason=reason)
    return locked
