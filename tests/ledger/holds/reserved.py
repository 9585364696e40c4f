"""Words for the stories: what Ms Chan has, what is held of it, and how it is placed and posted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ledger import holds, posting
from ledger.accounts import AccountKey
from ledger.holds import HoldRequest
from ledger.models import Balance, Book, Hold
from tests.ledger.books import BANK, account_id, cash, cash_in, custody, pledge, pledged

CHAN, LEE = "H0001", "H0002"


def opened(book: Book) -> None:
    """Ms Chan has 100.00 and 1.5 bitcoin, Mr Lee 50.00."""
    posting.post_batch(
        book,
        [cash_in("d1", CHAN, "100.00"), cash_in("d2", LEE, "50.00"), pledge("p1", CHAN, "1.5")],
        actor="ops",
    )


def pay(quantity: str, owner: str = CHAN, to: AccountKey = BANK, **fields: Any) -> HoldRequest:
    """Money of a client that is to leave."""
    return HoldRequest(cash(owner), to, Decimal(quantity), **fields)


def deliver(quantity: str, owner: str = CHAN) -> HoldRequest:
    """Bitcoin of a client that is to leave."""
    return HoldRequest(pledged(owner), custody(), Decimal(quantity))


def place(book: Book, *requests: HoldRequest, key: str = "h1", **fields: Any) -> list[Hold]:
    return list(holds.place(book, requests, key=key, actor="ops", **fields).holds)


def one(book: Book, quantity: str = "40.00", **fields: Any) -> Hold:
    """Hold money of Ms Chan."""
    return place(book, pay(quantity), **fields)[0]


def held(book: Book, key: AccountKey) -> tuple[int, int]:
    """What is held of an account, to be debited and to be credited, in atoms."""
    balance = Balance.objects.get(account_id=account_id(book, key))
    return balance.held_debit_atoms, balance.held_credit_atoms


def told(hold: Hold) -> tuple[str, int]:
    hold.refresh_from_db()
    return hold.state, hold.posted_atoms
