"""Words for the stories: what two people decide about an account and about a book's periods."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from ledger import holds, limits, periods
from ledger.accounts import AccountKey
from ledger.holds import HoldRequest
from ledger.models import Account, AccountLimit, Book, PeriodChange
from tests.ledger.corporate_actions.issuers import person

CHAN, LEE = "H0001", "H0002"
TODAY = date(2026, 6, 1)
APRIL, MAY = date(2026, 4, 30), date(2026, 5, 31)


def limited(account: Account, **terms: Any) -> AccountLimit:
    """A limit that Ms Chow proposed and Mr Ng approved."""
    values = {"floor": None, "ceiling": None, "effective_on": TODAY, "reason": "Credit committee"} | terms
    proposal = limits.propose(account=account, maker=person("chow"), **values)
    return limits.approve(proposal, checker=person("ng"))


def changed(book: Book, kind: str, through: date | None, reason: str = "Month end") -> PeriodChange:
    """A closing or reopening that Ms Chow proposed and Mr Ng approved."""
    proposal = periods.propose(book=book, kind=kind, through=through, reason=reason, maker=person("chow"))
    return periods.approve(proposal, checker=person("ng"))


def closed(book: Book, through: date = MAY) -> PeriodChange:
    return changed(book, "close", through)


def held(book: Book, debit: AccountKey, credit: AccountKey, quantity: str) -> None:
    """Reserve an amount between two accounts."""
    holds.place(book, [HoldRequest(debit, credit, Decimal(quantity))], key="h1", actor="ops")
