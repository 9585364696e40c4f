"""Carrying out what was approved: applied once, booked account by account, paid on its day.

A split is one transaction, with the consumers that adjust its price: nobody ever sees new quantities at the old
price. Anything else may be booked in batches, each its own commit, because what is owed is counted by no valuation.
A step that broke off is taken up where it ended: rows know what they are waiting for, and keys let no journal be
booked twice. An account that the law refuses, because it is frozen or what it holds is bound, waits by itself.

Locks: the action's row, then what posting locks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from ledger.accounts import AccountKey, resolve
from ledger.core import clock
from ledger.core.decimals import plain
from ledger.core.errors import Conflict
from ledger.core.events import SYSTEM, record_event
from ledger.core.models import FourEyes
from ledger.models import Book, CorporateAction, Entitlement

from . import hooks
from .bookkeeping import ROWS_PER_BATCH, fresh, work
from .entitlements import entitlements_of
from .holdings import holdings
from .proposals import TOPIC
from .splits import due_splits

Status = Entitlement.Status
Stage = CorporateAction.Stage


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an action has come: its stage, and the number of accounts that wait, are booked and are paid."""

    stage: str
    pending: int
    booked: int
    paid: int

    @property
    def accounts(self) -> int:
        return self.pending + self.booked + self.paid


def progress_of(action: CorporateAction, *, book: Book | None = None) -> Progress:
    """Return how far an action has come, in one book or in all."""
    by_status = written_down(action, book=book).order_by().values_list("status").annotate(number=Count("pk"))
    numbers = dict(by_status)
    stage = CorporateAction.objects.values_list("stage", flat=True).get(pk=action.pk)
    return Progress(
        stage, *(numbers.get(status, 0) for status in (Status.PENDING, Status.BOOKED, Status.PAID))
    )


def preview(action: CorporateAction, *, book: Book | None = None) -> list[Entitlement]:
    """Return what each account would be given now, custodians' included, unsaved; of one book or of all."""
    held = [holding for holding in holdings(action) if book is None or holding.account.book_id == book.pk]
    return entitlements_of(action, held)


def written_down(action: CorporateAction, *, book: Book | None = None) -> QuerySet[Entitlement]:
    """Return what each account is given by an action that was applied, by book, place and account."""
    rows = action.entitlements.select_related("account__book", "account__location", "account__asset")
    rows = rows.order_by("account__book_id", "account__location_id", "account_id")
    return rows if book is None else rows.filter(account__book=book)


def is_due(action: CorporateAction, on: date) -> bool:
    """Whether an action may be applied: a split as its day begins, anything else when its record day is over."""
    return action.ex_on <= on if action.record_on is None else action.record_on < on


def carry_out(*, action: CorporateAction, actor: str = SYSTEM) -> Progress:
    """Take an approved action as far as it goes today; safe to call again at any time, and from anywhere.

    Raises Conflict before anything is changed: `not_approved`, `not_due`, or `must_wait` with what is in the way.
    """
    action = fresh(action.pk)
    if action.stage == Stage.WAITING:
        _apply(action, actor)
    elif action.stage == Stage.APPLIED:
        work(action.pk, Status.PENDING, actor=actor)
    action = fresh(action.pk)
    if _is_payable(action):
        work(action.pk, Status.BOOKED, actor=actor)
    _complete(action.pk, actor)
    return progress_of(action)


def _is_payable(action: CorporateAction) -> bool:
    """Whether the pay date has come; what a split is about to change is paid after it, in new shares."""
    if not action.is_paid_later or action.pay_on is None or action.pay_on > clock.today():
        return False
    return action.given.pk not in due_splits()


def due_actions() -> list[CorporateAction]:
    """Return the approved actions that have something left to do today, those of the earliest ex date first."""
    today = clock.today()
    pending = Entitlement.objects.filter(action=OuterRef("pk"), status=Status.PENDING)
    has_work = Q(stage=Stage.WAITING) | Q(stage=Stage.APPLIED) & (Q(Exists(pending)) | Q(pay_on__lte=today))
    found = CorporateAction.objects.filter(
        has_work, approval=FourEyes.Approval.APPROVED, ex_on__lte=today
    ).order_by("ex_on", "pk")
    return [action for action in found if action.stage == Stage.APPLIED or is_due(action, today)]


def _apply(action: CorporateAction, actor: str) -> None:
    """Apply an action, all of a split or a batch at a time; see the head of the file."""
    if action.kind == CorporateAction.Kind.SPLIT:
        _apply_split(action.pk, actor)
    elif _write_down(action.pk, actor):
        work(action.pk, Status.PENDING, actor=actor)


@transaction.atomic
def _apply_split(action_id: int, actor: str) -> None:
    if _write_down(action_id, actor):
        work(action_id, Status.PENDING, actor=actor)
        hooks.tell(fresh(action_id))


@transaction.atomic
def _write_down(action_id: int, actor: str) -> bool:
    """Write down what every account is entitled to; False when another worker did it first."""
    action = fresh(action_id, lock=True)
    if action.stage != Stage.WAITING:
        return False
    _check_may_be_applied(action)
    rows = entitlements_of(action, holdings(action, lock=True))
    for row in rows:
        if not row.account_id:
            key = AccountKey.of(row.account)
            row.account_id = resolve(row.account.book, [key])[key][0]
    Entitlement.objects.bulk_create(rows, batch_size=ROWS_PER_BATCH)
    action.stage = Stage.APPLIED
    action.applied_at = clock.now()
    action.save(update_fields=["stage", "applied_at"])
    record_event(f"{TOPIC}.applied", action, actor=actor, accounts=len(rows), **terms_of(action))
    if action.kind != CorporateAction.Kind.SPLIT:
        hooks.tell(action)
    return True


def _check_may_be_applied(action: CorporateAction) -> None:
    if action.approval != FourEyes.Approval.APPROVED:
        raise Conflict(_("Nobody has approved this action."), code="not_approved")
    if not is_due(action, clock.today()):
        raise Conflict(_("The day of this action has not come."), code="not_due")
    hooks.announce(action)


def terms_of(action: CorporateAction) -> dict[str, Any]:
    """The terms as an event carries them: codes, and exact numbers as strings."""

    def text(number: Any) -> str | None:
        return None if number is None else plain(number)

    return {
        "reference": action.reference,
        "kind": action.kind,
        "asset": action.asset.code,
        "given": action.given.code,
        "location": action.location.code if action.location else "",
        "ratio_new": action.ratio_new,
        "ratio_old": action.ratio_old,
        "amount": text(action.amount),
        "fraction_price": text(action.fraction_price),
        "currency": action.currency.code if action.currency else "",
        "ex_on": action.ex_on.isoformat(),
        "record_on": action.record_on.isoformat() if action.record_on else None,
        "pay_on": action.pay_on.isoformat() if action.pay_on else None,
    }


@transaction.atomic
def _complete(action_id: int, actor: str) -> None:
    action = fresh(action_id, lock=True)
    last = Status.PAID if action.is_paid_later else Status.BOOKED
    if action.stage != Stage.APPLIED or action.entitlements.exclude(status=last).exists():
        return
    action.stage = Stage.COMPLETED
    action.completed_at = clock.now()
    action.save(update_fields=["stage", "completed_at"])
    record_event(f"{TOPIC}.completed", action, actor=actor, reference=action.reference)
