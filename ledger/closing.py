"""Closing an account for good, or until it is reopened: it keeps its history and takes no entry and no hold.

The key of a closed account stays its own. A posting that names it finds it and is refused with
:class:`ledger.refusals.AccountClosed`; no second account of that key is opened beside it.
"""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.errors import Conflict, Invalid
from ledger.core.events import record_event

from .models import Account
from .slots import lock_whole, slots_of


@transaction.atomic
def close_account(*, account: Account, actor: str, reason: str) -> Account:
    """Close an account, a house account in all its slots, and return it as it now stands.

    Waits for a posting under way; every later one is refused. Raises :class:`Invalid` without a reason and
    :class:`Conflict`: `already_closed`, `not_empty` where something stands on it, `has_holds` where something is
    held of it.
    """
    slots, locked = _locked(account, reason)
    if locked.closed_at is not None:
        raise Conflict(_("%(account)s is closed already.") % {"account": locked}, code="already_closed")
    for slot in slots:
        balance = slot.balance
        if balance.net_atoms:
            raise Conflict(
                _("%(account)s is not empty: %(standing)s %(asset)s stand on it.")
                % {
                    "account": slot,
                    "standing": slot.asset.units(abs(balance.net_atoms)),
                    "asset": slot.asset.code,
                },
                code="not_empty",
            )
        if balance.held_debit_atoms or balance.held_credit_atoms:
            raise Conflict(
                _("%(account)s has holds that are still active.") % {"account": slot}, code="has_holds"
            )
    return _set(locked, clock.now(), topic="ledger.account.closed", actor=actor, reason=reason)


@transaction.atomic
def reopen_account(*, account: Account, actor: str, reason: str) -> Account:
    """Let a closed account take entries again and return it as it now stands.

    Raises :class:`Invalid` without a reason and :class:`Conflict` (`not_closed`) when it is open.
    """
    _slots, locked = _locked(account, reason)
    if locked.closed_at is None:
        raise Conflict(_("%(account)s is not closed.") % {"account": locked}, code="not_closed")
    return _set(locked, None, topic="ledger.account.reopened", actor=actor, reason=reason)


def _locked(account: Account, reason: str) -> tuple[list[Account], Account]:
    if not reason.strip():
        raise Invalid(
            _("Closing and reopening an account need a reason."), field="reason", code="reason_required"
        )
    slots = lock_whole(account)
    return slots, next(slot for slot in slots if slot.pk == account.pk)


def _set(account: Account, closed_at: object, *, topic: str, actor: str, reason: str) -> Account:
    slots_of(account).update(closed_at=closed_at)
    account.refresh_from_db(fields=["closed_at"])
    record_event(topic, account, actor=actor, reason=reason, broker_code=account.book.code)
    return account
