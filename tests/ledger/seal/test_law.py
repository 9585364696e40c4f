"""Raw SQL goes round the sealer and is refused. See `ledger/INVARIANTS.md`."""

from __future__ import annotations

import pytest
from django.db import Error, connection, transaction

from ledger import posting
from ledger.models import BalanceDay, Block, Book
from ledger.seal.sealer import seal
from tests.ledger.books import BANK, account_id, cash, cash_in, sql

pytestmark = pytest.mark.django_db(transaction=True)
CHAN = "H0001"
HORIZON = "pg_snapshot_xmin(pg_current_snapshot())"


@pytest.fixture
def sealed(book: Book) -> Book:
    """Two sealed blocks of Ms Chan's deposits, and one deposit that is not sealed yet."""
    for key in ("d1", "d2"):
        posting.post(book, cash_in(key, CHAN, "100.00"), actor="ops")
        seal()
    posting.post(book, cash_in("d3", CHAN, "1.00"), actor="ops")
    return book


def insert_block(book: Book, to: str = HORIZON, **columns: str) -> None:
    """Insert a block by hand; columns are SQL."""
    values = {
        "book_id": str(book.pk),
        "to_transaction": to,
        "journal_count": "1",
        "entry_count": "2",
        "merkle_root": "'\\x00'",
        "sealed_at": "now()",
    } | columns
    sql(f"INSERT INTO ledger_block ({', '.join(values)}) VALUES ({', '.join(values.values())})")


def insert_day(account: int, block: int, entries: int = 2) -> None:
    sql(
        "INSERT INTO ledger_balance_day (account_id, value_on, block, delta_atoms, total_atoms, entry_count,"
        " known_entries, first_version, last_version) VALUES (%s, '2022-01-01', %s, 1, 1, %s, 1, 1, 1)",
        account,
        block,
        entries,
    )


def test_l20_a_block_brought_by_hand_is_chained_by_the_law_whatever_it_says(sealed: Book) -> None:
    insert_block(
        sealed, number="9", from_transaction="'0'", previous_hash="'\\x11'", hash="'\\x22'", journal_count="7"
    )

    one, two, three = Block.objects.order_by("number")
    assert [block.number for block in (one, two, three)] == [1, 2, 3]
    assert bytes(one.previous_hash) == b"\0" * 32
    assert (bytes(two.previous_hash), bytes(three.previous_hash)) == (bytes(one.hash), bytes(two.hash))
    assert [b.from_transaction for b in (one, two, three)] == [0, one.to_transaction, two.to_transaction]
    assert len({bytes(block.hash) for block in (one, two, three)}) == 3


def test_l20_a_block_that_reaches_past_the_oldest_open_transaction(sealed: Book) -> None:
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as open_one:
        open_one.execute("SELECT pg_current_xact_id()")
        (number,) = open_one.fetchone()
        with pytest.raises(Error, match="would end at transaction"):
            insert_block(sealed, f"'{int(number) + 1}'::xid8")
    other.rollback()
    other.close()


def test_l20_a_block_that_does_not_go_forward(sealed: Book) -> None:
    last = Block.objects.order_by("number").last()
    assert last is not None
    for to in (last.to_transaction, last.to_transaction - 1, 0):
        with pytest.raises(Error, match="would end at transaction"):
            insert_block(sealed, f"'{to}'::xid8")


def test_l20_transactions_counted_anew_after_a_logical_restore(
    sealed: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql("ALTER TABLE ledger_block DISABLE TRIGGER USER")
    sql("UPDATE ledger_block SET to_transaction = '9000000000' WHERE number = 2")
    sql("ALTER TABLE ledger_block ENABLE TRIGGER USER")

    with pytest.raises(Error, match="transactions are counted anew: sealed to 9000000000"):
        seal()


def test_l21_blocks_and_what_they_added_changed_deleted_or_truncated(sealed: Book) -> None:
    for table, column in (
        ("ledger_block_leaves", "leaves"),
        ("ledger_block", "journal_count"),
        ("ledger_balance_day", "delta_atoms"),
    ):
        for statement in (
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            with pytest.raises(Error, match="is append-only"):
                sql(statement)
    assert Block.objects.count() == 2
    assert BalanceDay.objects.count() == 4


def test_l22_something_added_to_an_old_block(sealed: Book) -> None:
    for account in (account_id(sealed, cash(CHAN)), account_id(sealed, BANK), 10**9):
        for block in (1, 2, 3):
            with pytest.raises(Error, match="comes whole and with its block"):
                insert_day(account, block)


def test_l22_half_of_what_a_block_adds(sealed: Book) -> None:
    with transaction.atomic():
        insert_block(sealed)
        with pytest.raises(Error, match="comes whole and with its block"):
            insert_day(account_id(sealed, cash(CHAN)), 3, entries=1)
        transaction.set_rollback(True)


def test_l23_a_book_renamed(sealed: Book) -> None:
    with pytest.raises(Error, match="what identifies a row of ledger_book never changes"):
        sql("UPDATE ledger_book SET code = 'OTHER'")
