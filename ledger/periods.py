"""Closing and reopening the periods of a book, each by two people.

Nothing is booked at a value date in a closed period. The law closes (`ledger/sql/periods.sql`): it waits for postings
under way, writes down what stood in the books, and refuses what comes later. It goes on from what the last closing in
force wrote down (`ledger/sql/period_balances.sql`), so postings wait for what was booked since and not for all there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from ledger.core import approvals, clock
from ledger.core.decimals import from_atoms
from ledger.core.errors import Conflict, Invalid
from ledger.core.events import record_event

from .models import Asset, Book, PeriodChange
from .refusals import Fault

TOPIC: Final = "ledger.period_change"
# Postings that come while a closing waits for those under way queue behind it.
WAIT_SECONDS_MAX: Final = 15


@dataclass(frozen=True, slots=True)
class Total:
    """What the accounts of one asset came to at a closing, in units; both sides are equal."""

    asset: str
    debit: Decimal
    credit: Decimal
    accounts: int
    entries: int


def propose(
    *, book: Book, kind: str, through: date | None, reason: str, maker: AbstractBaseUser
) -> PeriodChange:
    """Propose to close the periods through a day, or to reopen those after it (all for None).

    Raises Invalid and Conflict as :func:`check`.
    """
    return propose_change(PeriodChange(book=book, kind=kind, through=through, reason=reason), maker=maker)


def propose_change(change: PeriodChange, *, maker: AbstractBaseUser) -> PeriodChange:
    """Propose a change that was filled in; refusals as :func:`check`."""
    check(change)
    return approvals.propose(change, maker=maker, topic=f"{TOPIC}.proposed")


@transaction.atomic
def approve(change: PeriodChange, *, checker: AbstractBaseUser) -> PeriodChange:
    """Approve a change and carry it out: postings under way end first, and later ones meet the period as it now is.

    Raises Forbidden (`maker_is_checker`), Conflict (`already_decided`, `books_busy` where postings under way do not
    end within :data:`WAIT_SECONDS_MAX`), and refusals as :func:`check`.
    """
    with _refusals_in_words():
        approved = approvals.approve(change, checker=checker, topic=f"{TOPIC}.approved")
    approved.refresh_from_db()
    is_closing = approved.kind == PeriodChange.Kind.CLOSE
    record_event(
        "ledger.period.closed" if is_closing else "ledger.period.reopened",
        approved,
        actor=checker.get_username(),
        reason=approved.reason,
        broker_code=approved.book.code,
        through=_told(approved.through),
        before=_told(approved.closed_before),
    )
    return approved


def reject(change: PeriodChange, *, checker: AbstractBaseUser, reason: str) -> PeriodChange:
    """Reject a proposed change for a reason; Forbidden and Conflict as when approving."""
    return approvals.reject(change, checker=checker, topic=f"{TOPIC}.rejected", reason=reason)


def check(change: PeriodChange) -> None:
    """Raise a refusal, with the field at fault, where the periods cannot change so.

    Invalid: `unknown_kind`, `required`, `not_over`, `reason_required`; Conflict: `not_forward`, `not_backward`,
    `nothing_closed`.
    """
    if change.kind not in PeriodChange.Kind.values:
        raise Invalid(
            _("There is no change %(kind)s.") % {"kind": change.kind}, field="kind", code="unknown_kind"
        )
    if not change.reason.strip():
        raise Invalid(
            _("Closing and reopening periods need a reason."), field="reason", code="reason_required"
        )
    closed = Book.objects.values_list("closed_through", flat=True).get(pk=change.book_id)
    through = change.through
    if change.kind == PeriodChange.Kind.CLOSE:
        if through is None:
            raise Invalid(_("Name the last day to be closed."), field="through", code="required")
        if through >= clock.today():
            raise Invalid(_("A period closes when it is over."), field="through", code="not_over")
        if closed is not None and through <= closed:
            raise Conflict(
                _("The books are closed through %(date)s.") % {"date": closed},
                field="through",
                code="not_forward",
            )
    elif closed is None:
        raise Conflict(_("No period of this book is closed."), field="kind", code="nothing_closed")
    elif through is not None and through >= closed:
        raise Conflict(
            _("The books are closed through %(date)s; name an earlier day.") % {"date": closed},
            field="through",
            code="not_backward",
        )


def totals_of(change: PeriodChange) -> list[Total]:
    """Return what was written down at a closing, by asset code; nothing for what is no closing in force."""
    figures = change.figures or {}
    scales = dict(Asset.objects.filter(code__in=figures).values_list("code", "scale"))
    return [
        Total(
            asset=code,
            debit=from_atoms(int(told["debit_atoms"]), scales[code]),
            credit=from_atoms(int(told["credit_atoms"]), scales[code]),
            accounts=told["accounts"],
            entries=told["entries"],
        )
        for code, told in sorted(figures.items())
    ]


@contextmanager
def _refusals_in_words() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        [before] = cursor.fetchone() or ["0"]
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{WAIT_SECONDS_MAX}s"])
    try:
        yield
    except DatabaseError as error:
        fault = Fault.of(error.__cause__) if error.__cause__ else None  # type: ignore[arg-type]
        if fault is not None and fault.state == "LB018":
            raise Conflict(
                _("The periods of the book have changed meanwhile or do not allow this."),
                field="through",
                code="period_moved",
                **fault.details(),
            ) from error
        if fault is not None and fault.state == "55P03":
            raise Conflict(
                _("The books are busy: postings under way did not end in time. Try again."), code="books_busy"
            ) from error
        raise
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])


def _told(day: date | None) -> str | None:
    return day.isoformat() if day else None
