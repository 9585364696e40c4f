"""What the law refused, in words that name the account and the rule.

The posting functions of PostgreSQL answer with an SQLSTATE of class LB and the values that broke the rule as JSON in
the detail; the same four words are kept under a key when an independent journal is refused, so that a refusal told
again is the same refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from ledger.core.errors import Conflict, Invalid, Refusal

from .accounts import account_label
from .requests import AccountKey


class InsufficientBalance(Refusal):
    """An entry or a hold would take a balance, with what is held of it, outside its bounds."""

    code = "insufficient_balance"


class AccountFrozen(Refusal):
    code = "account_frozen"


class AccountClosed(Refusal):
    code = "account_closed"


class PeriodClosed(Refusal):
    """A value date lies in a period that is closed."""

    code = "period_closed"


class HoldNotOpen(Conflict):
    """A hold has ended, is of other accounts, or has less left than was asked for."""

    code = "hold_not_open"


class MonthMissing(RuntimeError):
    """The month of a new journal has no partition. No refusal: nothing is remembered, and the same call works later."""

    def __init__(self) -> None:
        super().__init__(
            "this month has no partition to book in; run the job ledger.tasks.make_partitions or manage.py migrate"
        )


class Fault(NamedTuple):
    """The four words of a refusal by the database."""

    state: str
    rule: str
    message: str
    detail: str

    @classmethod
    def of(cls, error: psycopg.Error) -> Fault:
        diag = error.diag
        return cls(
            error.sqlstate or "",
            diag.constraint_name or "",
            diag.message_primary or "",
            diag.message_detail or "",
        )

    @classmethod
    def kept(cls, refusal: str) -> Fault:
        """Read a refusal as it was kept under its key, as JSON."""
        words = json.loads(refusal)
        return cls(*(words[name] or "" for name in ("state", "rule", "message", "detail")))

    @property
    def is_transient(self) -> bool:
        """A serialisation failure or a deadlock: the same call may simply be made again."""
        return self.state in ("40001", "40P01")

    @property
    def is_month_missing(self) -> bool:
        """A row found no partition, which PostgreSQL tells as a broken check of no name."""
        return self.state == "23514" and not self.rule

    def details(self) -> dict[str, Any]:
        return json.loads(self.detail or "{}") if self.state.startswith("LB") else {}


def refusal_of(fault: Fault) -> Refusal | None:
    """Return the refusal in words; None for an error that is none. `LB005` is told by who knows the requests."""
    details = fault.details()
    match fault.state:
        case "LB001":
            return Invalid(fault.message, field="legs", code="unbalanced")
        case "LB002":
            key = AccountKey(*(details.pop(name) for name in ("role", "asset", "owner", "location")))
            return InsufficientBalance(
                _("%(account)s does not hold enough.") % {"account": key.label()}, field="quantity", **details
            )
        case "LB004":
            return AccountFrozen(_("%(account)s is frozen.") % {"account": account_label(details["account"])})
        case "LB006":
            return Conflict(
                _("A reversal takes back what was booked, on the same accounts and no more."),
                code="not_opposite",
            )
        case "LB007":
            return Conflict(_("This journal was already reversed."), code="already_reversed")
        case "LB008":
            return PeriodClosed(
                _("The books are closed through %(date)s.") % {"date": details["closed_through"]},
                field="value_on",
                **details,
            )
        case "LB009":
            return AccountClosed(_("%(account)s is closed.") % {"account": account_label(details["account"])})
        case "LB010":
            return refusal_of(Fault.kept(fault.detail))
        case "LB012":
            return Invalid(
                _("A hold is between two accounts of one asset, place and book."),
                field="accounts",
                code="hold_shape",
            )
        case "LB013":
            return HoldNotOpen(_("The hold is not open for that."), **details)
    if fault.rule == "atoms_are_whole":
        return Invalid(
            _("A quantity or balance is outside what the books can hold."), field="quantity", code="inexact"
        )
    return None


@contextmanager
def law_in_words() -> Iterator[None]:
    """Run the block in a transaction; raise what the law refuses in it as the refusal it is."""
    try:
        with transaction.atomic():
            yield
    except DatabaseError as error:
        cause = error.__cause__
        refusal = refusal_of(Fault.of(cause)) if isinstance(cause, psycopg.Error) else None
        if refusal is None:
            raise
        raise refusal from error
