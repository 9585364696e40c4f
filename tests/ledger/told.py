"""What stands in a book, read from PostgreSQL and told in the oracle's words."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db import Error

from ledger.accounts import AccountKey
from ledger.core.errors import Refusal
from ledger.models import Book

from .books import sql
from .oracle import Account, Entry, Hold, No, Oracle

KEY = "c.role, s.code, c.owner, coalesce(l.code, ''), c.slot"
ACCOUNTS = "ledger_account c JOIN ledger_asset s ON s.id = c.asset_id LEFT JOIN ledger_location l ON l.id = c.location_id"
LAWS = {
    "LB002": "insufficient_balance",
    "LB004": "account_frozen",
    "LB009": "account_closed",
    "LB011": "account_not_empty",
    "LB012": "hold_shape",
    "LB013": "hold_not_open",
    "23514": "outside_bounds",
}


def accounts_of(book: Book) -> dict[int, AccountKey]:
    rows = sql(f"SELECT c.id, {KEY} FROM {ACCOUNTS} WHERE c.book_id = %s", book.pk)
    return {account_id: AccountKey(*key) for account_id, *key in rows}


def state_of(book: Book) -> dict[str, Any]:
    """Everything that stands in a book, in the shape of :func:`state_told`."""
    names = accounts_of(book)
    return {
        "accounts": _accounts(book, names),
        "journals": _journals(book, names),
        "holds": _holds(book, names),
        "refused": {
            key
            for [key] in sql("SELECT key FROM ledger_key WHERE book_id = %s AND refusal IS NOT NULL", book.pk)
        },
        "closed_through": Book.objects.values_list("closed_through", flat=True).get(pk=book.pk),
    }


def state_told(oracle: Oracle) -> dict[str, Any]:
    """What the oracle expects to stand in a book. An account that was only opened stands like one that was not."""
    return {
        "accounts": {key: a for key, a in oracle.accounts.items() if a != Account.new(key.role)},
        "journals": {
            key: (wish.kind, wish.value_on, wish.reverses, wish.posts, oracle.entries[key])
            for key, wish in oracle.journals.items()
        },
        "holds": oracle.holds,
        "refused": set(oracle.refused),
        "closed_through": oracle.closed_through,
    }


def _accounts(book: Book, names: dict[int, AccountKey]) -> dict[AccountKey, Account]:
    rows = sql(
        "SELECT b.account_id, b.net_atoms::numeric, b.version, b.held_debit_atoms::numeric,"
        " b.held_credit_atoms::numeric, b.floor_atoms::numeric, b.ceiling_atoms::numeric, c.freeze,"
        " c.closed_at IS NOT NULL FROM ledger_balance b JOIN ledger_account c ON c.id = b.account_id"
        " WHERE c.book_id = %s",
        book.pk,
    )
    told = {names[account_id]: Account(*values) for account_id, *values in rows}
    return {key: account for key, account in told.items() if account != Account.new(key.role)}


def _journals(book: Book, names: dict[int, AccountKey]) -> dict[str, tuple[Any, ...]]:
    entries = defaultdict(list)
    for journal, *entry in sql(
        "SELECT e.journal_id, e.account_id, e.amount_atoms::numeric, e.balance_atoms::numeric, e.version"
        " FROM ledger_entry e JOIN ledger_account c ON c.id = e.account_id WHERE c.book_id = %s"
        " ORDER BY e.journal_id, e.position",
        book.pk,
    ):
        entries[journal].append(Entry(names[entry[0]], *entry[1:]))
    rows = sql(
        "SELECT j.id, j.idempotency_key, j.kind, j.value_on, coalesce(o.idempotency_key, ''),"
        " coalesce(h.idempotency_key, '') FROM ledger_journal j"
        " LEFT JOIN ledger_journal o ON o.id = j.reversal_of_id LEFT JOIN ledger_hold h ON h.id = j.hold_id"
        " WHERE j.book_id = %s",
        book.pk,
    )
    return {key: (*words, entries[journal]) for journal, key, *words in rows}


def _holds(book: Book, names: dict[int, AccountKey]) -> dict[str, Hold]:
    rows = sql(
        "SELECT idempotency_key, debit_account_id, credit_account_id, amount_atoms::numeric,"
        " posted_atoms::numeric, state FROM ledger_hold WHERE book_id = %s",
        book.pk,
    )
    return {key: Hold(names[debit], names[credit], *rest) for key, debit, credit, *rest in rows}


def no(book: Book, refusal: Refusal) -> No:
    """Tell a refusal with names in place of numbers; an account opened for a refused posting is there no more."""
    details = dict(refusal.details)
    if "account" in details:
        details["account"] = accounts_of(book).get(details["account"])
    for name, table in (("journal", "ledger_journal"), ("hold", "ledger_hold")):
        if name in details:
            [[details[name]]] = sql(f"SELECT idempotency_key FROM {table} WHERE id = %s", details[name])
    return No(refusal.reason, refusal.field, details)


def no_of_law(error: Error) -> No:
    """Tell what the law of the tables refused when no service stood before it."""
    return No(LAWS[getattr(error.__cause__, "sqlstate", "")])
