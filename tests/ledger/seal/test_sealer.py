"""Blocks of what was committed: whole, in order, chained, and none for a book that was quiet."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection, transaction

from ledger import posting, tasks
from ledger.core import clock
from ledger.core.models import Event
from ledger.models import BalanceDay, Block, Book, Journal
from ledger.seal import proof, verify
from ledger.seal.sealer import TOPIC, seal, seal_all
from tests.ledger.books import BANK, DAY, account_id, cash, cash_in, cash_out, pledge

pytestmark = pytest.mark.django_db(transaction=True)
CHAN, LEE = "H0001", "H0002"
NOON = datetime(2022, 5, 12, 4, 0, 0, 123456, UTC)


def headers(book: Book) -> list[dict[str, str]]:
    return [proof.header(block, book.code) for block in Block.objects.filter(book=book).order_by("number")]


def test_a_block_says_what_it_covers_and_an_event_carries_its_hash(book: Book) -> None:
    posting.post_batch(
        book,
        [cash_in("d1", CHAN, "100.00"), pledge("p1", CHAN, "1.5"), cash_out("w1", CHAN, "30.00")],
        actor="ops",
    )
    with clock.override(NOON):
        (block,) = seal()

    assert (block.number, block.journal_count, block.entry_count) == (1, 3, 6)
    assert (block.from_transaction, block.sealed_at) == (0, NOON)
    (told,) = Event.objects.filter(topic=TOPIC)
    assert (told.broker_code, told.subject_id) == ("HARBOUR", str(block.pk))
    assert told.payload == {"number": "1", "hash": bytes(block.hash).hex(), "journals": "3"}


def test_python_and_sql_make_the_same_bytes(book: Book) -> None:
    """Odd characters, nothing where nothing is, amounts of every size, a reversal: hashed alike by both."""
    odd = 'A "quoted" \\ line,\n\ttab | 貸款 🏦 \u2028 \x01'
    posting.post_batch(
        book,
        [
            cash_in("d1|x", CHAN, "100.00", narrative=odd, cause="client:H0001"),
            pledge("p1", CHAN, "99999999999999999999.000000000000000001", "ETH"),
            pledge("p2", CHAN, "1", "00700", "CCASS"),
        ],
        actor='o"ps \\',
    )
    posting.reverse(Journal.objects.get(idempotency_key="p2"), key="r1", actor="lam", reason="Mistake")
    (block,) = seal()

    journals = sorted(Journal.objects.all(), key=lambda journal: (journal.transaction, journal.pk.int))
    leaves = [verify.leaf_hash(proof.prove(journal)["journal"]) for journal in journals]
    assert len(leaves) == 4
    assert verify.tree(leaves)[-1] == [bytes(block.merkle_root)]
    assert verify.header_hash(proof.header(block, "HARBOUR")) == bytes(block.hash).hex()


def test_one_journal_by_hand_byte_for_byte(book: Book) -> None:
    """The encoding as the documentation gives it, written out once without any of our code."""

    def row(*texts: str | None) -> bytes:
        out = len(texts).to_bytes(4, "big")
        for text in texts:
            out += (25).to_bytes(4, "big")
            out += (
                b"\xff\xff\xff\xff" if text is None else len(text.encode()).to_bytes(4, "big") + text.encode()
            )
        return out

    with clock.override(NOON):
        posting.post(book, cash_in("d1", CHAN, "100.00", narrative="存款"), actor="ops")
    (block,) = seal()
    journal = Journal.objects.get()
    told = row(
        str(journal.pk),
        str(journal.transaction),
        "HARBOUR",
        "d1",
        "deposit",
        "2022-05-12",
        "2022-05-12T04:00:00.123456Z",
        "ops",
        "",
        "存款",
        None,
        None,
        "2",
    )
    slot = str(journal.entries.get(position=1).account.slot)
    bank = row("1", "nostro", "HKD", "2", "", "BANK", slot, "10000", "10000", "1")
    chan = row("2", "client_cash", "HKD", "2", CHAN, "", "0", "-10000", "-10000", "1")

    assert bytes(block.merkle_root) == hashlib.sha256(b"\0" + told + bank + chan).digest()


def test_blocks_chain_and_leave_no_transaction_out(book: Book) -> None:
    for n in range(5):
        posting.post(book, cash_in(f"d{n}", CHAN, "1.00"), actor="ops")
        seal()

    chain = headers(book)
    assert [header["number"] for header in chain] == ["1", "2", "3", "4", "5"]
    assert chain[0]["previous_hash"] == "0" * 64
    for before, after in pairwise(chain):
        assert after["previous_hash"] == before["hash"] == verify.header_hash(before)
        assert after["from_transaction"] == before["to_transaction"]


def test_a_quiet_book_gets_no_block_and_its_next_begins_where_its_last_ended(book: Book) -> None:
    quiet = Book.objects.create(code="QUIET", name="Quiet Securities")
    posting.post(quiet, cash_in("q1", LEE, "1.00"), actor="ops")
    (first,) = seal()
    for n in range(3):
        posting.post(book, cash_in(f"d{n}", CHAN, "1.00"), actor="ops")
        assert [block.book_id for block in seal()] == [book.pk]
    assert seal() == []
    posting.post(quiet, cash_in("q2", LEE, "1.00"), actor="ops")
    (second,) = seal()

    assert (second.book_id, second.number, second.journal_count) == (quiet.pk, 2, 1)
    assert second.from_transaction == first.to_transaction


def test_a_posting_under_way_waits_for_the_next_block_and_holds_back_what_began_after_it(book: Book) -> None:
    posting.post_batch(book, [cash_in("d0", CHAN, "1.00"), cash_in("e0", LEE, "1.00")], actor="ops")
    seal()
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as open_one:
        open_one.execute("SELECT pg_current_xact_id()")
        posting.post(book, cash_in("d1", CHAN, "1.00"), actor="ops")
        assert seal() == []
    other.rollback()
    other.close()

    (block,) = seal()
    assert block.journal_count == 1


def test_a_backlog_is_worked_off_in_blocks_that_cut_no_transaction(book: Book) -> None:
    for n in range(6):
        posting.post_batch(book, [cash_in(f"d{n}.{m}", CHAN, "1.00") for m in range(3)], actor="ops")

    assert [block.journal_count for block in seal(journals_max=4)] == [6]
    assert [block.journal_count for block in seal(journals_max=1)] == [3]
    assert [block.journal_count for block in seal_all()] == [9]


def test_what_a_block_adds_to_an_account(book: Book) -> None:
    posting.post_batch(book, [cash_in("d1", CHAN, "100.00"), cash_out("w1", CHAN, "30.00")], actor="ops")
    seal()
    posting.post(book, cash_in("d2", CHAN, "5.00"), actor="ops")
    seal()

    rows = BalanceDay.objects.filter(account_id=account_id(book, cash(CHAN)), value_on=DAY).order_by("block")
    names = (
        "block",
        "delta_atoms",
        "total_atoms",
        "entry_count",
        "known_entries",
        "first_version",
        "last_version",
    )
    assert list(rows.values_list(*names)) == [
        (1, -7000, -7000, 2, 2, 1, 2),
        (2, -500, -7500, 1, 3, 3, 3),
    ]


def test_eight_sealers_at_once_make_one_chain(book: Book) -> None:
    for n in range(40):
        posting.post(book, cash_in(f"d{n}", CHAN, "1.00"), actor="ops")

    def work(_n: int) -> Any:
        try:
            return [block.journal_count for block in seal(journals_max=5)]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(work, range(8)))

    assert made == [[5]] * 8
    chain = headers(book)
    assert [header["number"] for header in chain] == [str(n) for n in range(1, 9)]
    assert Event.objects.filter(topic=TOPIC).count() == 8


def test_a_seal_that_was_rolled_back_left_nothing_and_the_next_makes_the_same_block(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "1.00"), actor="ops")
    with transaction.atomic():
        (lost,) = seal()
        transaction.set_rollback(True)
    (kept,) = seal()

    assert bytes(lost.merkle_root) == bytes(kept.merkle_root)
    assert kept.number == 1
    assert account_id(book, BANK)
    assert Event.objects.filter(topic=TOPIC).count() == 1


def test_the_clock_seals_unless_somebody_is_at_it(book: Book) -> None:
    posting.post(book, cash_in("d1", CHAN, "1.00"), actor="ops")
    other = connection.copy()
    with other.cursor() as at_work:
        at_work.execute("SELECT pg_advisory_lock(hashtextextended('ledger_seal', 0))")
        assert tasks.seal_books() == 0
        # A connection that is closed lets go only when its server process has ended.
        at_work.execute("SELECT pg_advisory_unlock(hashtextextended('ledger_seal', 0))")
    other.close()

    assert tasks.seal_books() == 1
    assert tasks.seal_books() == 0
