"""Stopping an account: no entry passes on the frozen side until it is thawed."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core.errors import Conflict, Invalid
from ledger.core.events import record_event

from .models import Account
from .slots import lock_whole, slots_of


@transaction.atomic
def set_freeze(*, account: Account, mode: str, actor: str, reason: str) -> Account:
    """Set what `account` is frozen for (an `Account.Freeze` value) and return it as it now stands.

    A house account is frozen in all its slots. Takes the locks that posting takes, so a posting already under way
    ends first and every later one is refused. Raises :class:`Invalid` for an unknown mode or a missing reason and
    :class:`Conflict` (`no_change`) when the account stands so already.
    """
    if mode not in Account.Freeze.values:
        raise Invalid(_("There is no freeze %(mode)s.") % {"mode": mode}, field="freeze")
    if not reason.strip():
        raise Invalid(_("A freeze needs a reason."), field="reason", code="reason_required")
    slots = lock_whole(account)
    locked = next(slot for slot in slots if slot.pk == account.pk)
    if locked.freeze == mode:
        raise Conflict(
            _("The account is already in this state: %(state)s.") % {"state": locked.get_freeze_display()},
            code="no_change",
        )
    before = locked.freeze
    slots_of(locked).update(freeze=mode)
    locked.freeze = mode
    record_event(
        "ledger.account.freeze_changed",
        locked,
        actor=actor,
        reason=reason,
        broker_code=locked.book.code,
        before=before,
        after=mode,
    )
    return locked
