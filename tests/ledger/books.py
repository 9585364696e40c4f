"""Words for the stories: accounts of Harbour Securities and the journals that move things between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection

from ledger.accounts import AccountKey, resolve
from ledger.core.ids import uuid7
from ledger.models import Book
from ledger.posting import JournalRequest, credit, debit

DAY = date(2022, 5, 12)
BANK = AccountKey("nostro", "HKD", location="BANK")
CAPITAL = AccountKey("house_capital", "HKD")


def cash(owner: str) -> AccountKey:
    return AccountKey("client_cash", "HKD", owner)


def pledged(owner: str, asset: str = "BTC", location: str = "VAULT") -> AccountKey:
    return AccountKey("client_collateral", asset, owner, location)


def custody(asset: str = "BTC", location: str = "VAULT") -> AccountKey:
    return AccountKey("custody", asset, location=location)


def move(key: str, to: AccountKey, of: AccountKey, quantity: str, **fields: object) -> JournalRequest:
    """Debit `to` and credit `of`."""
    amount = Decimal(quantity)
    values = {"kind": "transfer", "value_on": DAY} | fields
    return JournalRequest(key=key, legs=(debit(to, amount), credit(of, amount)), **values)  # type: ignore[arg-type]


def cash_in(key: str, owner: str, amount: str, **fields: object) -> JournalRequest:
    return move(key, BANK, cash(owner), amount, **{"kind": "deposit"} | fields)


def cash_out(key: str, owner: str, amount: str, **fields: object) -> JournalRequest:
    return move(key, cash(owner), BANK, amount, **{"kind": "withdrawal"} | fields)


def pledge(
    key: str, owner: str, quantity: str, asset: str = "BTC", location: str = "VAULT", **fields: object
) -> JournalRequest:
    to, of = custody(asset, location), pledged(owner, asset, location)
    return move(key, to, of, quantity, **{"kind": "pledge"} | fields)


def account_id(book: Book, key: AccountKey) -> int:
    return resolve(book, [key])[key][0]


def sql(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Go round the application."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def without_law(*statements: str) -> None:
    """Do what the owner of the tables can do: switch their triggers off, change, switch them on."""
    # A partitioned table passes the switch on to its partitions.
    guarded = sql("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
    tables = [name for (name,) in guarded]
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    for table in tables:
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for statement in statements:
        sql(statement)
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    for table in tables:
        sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def raw_journal(book: Book, entries: int, **columns: object) -> str:
    """Insert a journal without entries by hand and return its id."""
    values = {
        "id": str(uuid7()),
        "book_id": book.pk,
        "idempotency_key": f"raw:{uuid7()}",
        "body_hash": b"\0" * 32,
        "kind": "transfer",
        "value_on": DAY,
        "booked_at": "2022-05-12T09:30:00Z",
        "actor": "psql",
        "cause": "",
        "narrative": "",
        "entry_count": entries,
    } | columns
    names = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    sql(f"INSERT INTO ledger_journal ({names}) VALUES ({marks})", *values.values())
    return str(values["id"])


def raw_entries(*rows: tuple[object, ...]) -> None:
    """Insert entries (journal, account, amount, balance after, version) in one statement by hand."""
    marks = ", ".join(["(%s, %s, %s, %s::text::numeric, %s::text::numeric, %s)"] * len(rows))
    counted: Counter[object] = Counter()
    values: list[object] = []
    for journal, *row in rows:
        counted[journal] += 1
        values += [journal, counted[journal], *row]
    sql(
        "INSERT INTO ledger_entry (journal_id, position, account_id, amount_atoms, balance_atoms, version)"
        f" VALUES {marks}",
        *values,
    )


def raw_post(
    book: Book,
    accounts: Sequence[int],
    amounts: Sequence[str],
    *,
    moved: str | Sequence[str] | None = None,
    turns: str | None = None,
    function: str = "ledger_post(true, ",
) -> list[tuple[Any, ...]]:
    """Call a posting function by hand with one journal whose entries lie on `accounts`, each moved once."""
    count = len(accounts)
    return sql(
        f"SELECT * FROM {function}%s, now(), 1, 1, ARRAY[%s]::uuid[], ARRAY[%s],"
        " ARRAY['\\x00'::bytea], ARRAY['psql'], ARRAY['transfer'], ARRAY[%s]::date[], ARRAY[''], ARRAY[''],"
        " ARRAY[%s]::smallint[], ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[], %s::integer[],"
        " %s::smallint[], %s::bigint[], %s::text[]::numeric[], %s::text[]::numeric[], %s::integer[])",
        book.pk,
        str(uuid7()),
        f"raw:{uuid7()}",
        DAY,
        count,
        [1] * count,
        list(range(1, count + 1)),
        list(accounts),
        list(amounts),
        list(amounts) if moved is None else moved,
        [1] * count if turns is None else turns,
    )
