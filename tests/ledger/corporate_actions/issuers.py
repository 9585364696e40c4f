"""Words for the stories: what issuers announce, and two people who put it through."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from ledger import audit
from ledger.accounts import AccountKey
from ledger.balances import standings
from ledger.core import clock
from ledger.corporate_actions.proposals import Terms, approve, propose
from ledger.models import Book, CorporateAction, Journal
from ledger.posting import JournalRequest, post_batch

EX, RECORD, PAY = date(2026, 4, 2), date(2026, 4, 8), date(2026, 4, 20)
CHAN, LEE, WONG = "C001", "C002", "C003"


def on(day: date, hour: int = 8) -> AbstractContextManager[None]:
    """Live the block on a day in Hong Kong."""
    return clock.override(datetime(day.year, day.month, day.day, hour, tzinfo=clock.HONG_KONG))


def person(name: str) -> User:
    return User.objects.get_or_create(username=name, defaults={"is_staff": True})[0]


def announced(**terms: Any) -> CorporateAction:
    """An action of Tencent that Ms Chow proposed and Mr Ng approved."""
    values = {"reference": "2026-0402", "kind": "split", "asset": "00700", "ex_on": EX} | terms
    action = propose(terms=Terms(**values), maker=person("chow"))
    return approve(action, checker=person("ng"))


def shares(owner: str, role: str = "client_collateral", code: str = "00700", at: str = "CCASS") -> AccountKey:
    return AccountKey(role, code, owner, at)


def booked(book: Book, requests: Sequence[JournalRequest]) -> None:
    post_batch(book, requests, actor="ops")


def stand(book: Book) -> dict[str, Decimal]:
    """What stands in the books, as `owner role asset place`, positive on the normal side."""
    return {
        " ".join(part for part in (key.owner, key.role, key.asset, key.location) if part): row.quantity
        for row in standings(book)
        for key in [row.key]
    }


def journals_of(action: CorporateAction) -> list[Journal]:
    return list(Journal.objects.filter(cause=f"corporate-action:{action.pk}").order_by("idempotency_key"))


def findings() -> list[tuple[str, str, str]]:
    """What the audit of the ledger finds: check, subject and message."""
    return [(f.check, f.subject, f.message) for f in audit.run().findings if f.check.startswith("ledger.")]


def dividend(**terms: object) -> CorporateAction:
    values = {
        "kind": "cash_dividend",
        "amount": "2.40",
        "currency": "HKD",
        "record_on": RECORD,
        "pay_on": PAY,
    }
    return announced(**values | terms)


def consolidation(**terms: object) -> CorporateAction:
    """One new share for ten old, fractions at 51.25 a share."""
    values = {
        "ratio_new": 1,
        "ratio_old": 10,
        "fraction_price": "51.25",
        "currency": "HKD",
        "pay_on": PAY,
    }
    return announced(**values | terms)
