"""Stopping an account: no entry passes on the frozen side until it is thawed."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core.errors import Conflict, Invalid
from ledger.core.events import record_event

from .models import Account, Balance, Book


@transaction.atomic
def set_freeze(*, account: Account, mode: str, actor: str, reason: str) -> Account:
    """Set what `account` is frozen for (an `Account.Freeze` value) and return it as it now stands.

    Takes the lock that posting takes, so a posting already under way ends first and every later one is
    refused. Raises :class:`Invalid` for an unknown mode or a missing reason and :class:`Conflict`
    (`no_change`) when the account stands so already.
    """
    if mode not in Account.Freeze.values:
        raise Invalid(_("There is no freeze %(mode)s.") % {"mode": mode}, field="freeze")
    if not reason.strip():
        raise Invalid(_("A freeze needs a reason."), field="reason", code="reason_required")
    book = Book.objects.get(pk=account.book_id)
    Balance.objects.select_for_update(no_key=True).get(account_id=account.pk)
    locked = Account.objects.select_for_update(of=("self",), no_key=True).get(pk=account.pk)
    if locked.freeze == mode:
        raise Conflict(
            _("The account is already in this state: %(state)s.") % {"state": locked.get_freeze_display()},
            code="no_change",
        )
    before, locked.freeze = locked.freeze, mode
    locked.save(update_fields=["freeze"])
    record_event(
        "ledger.account.freeze_changed",
        locked,
        actor=actor,
        reason=reason,
        broker_code=book.code,
        before=before,
        after=mode,
    )
    return locked
