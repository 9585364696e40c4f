"""The bank test: whoever writes, and however, every snapshot a reader sees is a book that balances."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count
from threading import Barrier, Event
from uuid import UUID

import pytest
from django.db import connection

from ledger import audit, balances, holds, posting
from ledger.core.errors import Refusal
from ledger.holds import HoldRequest
from ledger.models import Book, Hold, Journal
from ledger.posting import JournalRequest, Leg

from .books import BANK, cash, cash_in, cash_out, move, pledge, pledged, sql

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = [f"H000{n}" for n in range(6)]
PLACES = ["VAULT", "CCASS"]
WRITES = 8

# What stands at every place, what of it is clients' own, and the balances nearest to breaking a bound.
SNAPSHOT = """
SELECT s.code, l.code, sum(b.net_atoms), sum(b.net_atoms) FILTER (WHERE c.owner <> ''),
       bool_and(coalesce(b.net_atoms - b.held_credit_atoms >= b.floor_atoms, true)
                AND coalesce(b.net_atoms + b.held_debit_atoms <= b.ceiling_atoms, true)
                AND b.held_debit_atoms = coalesce(d.total, 0) AND b.held_credit_atoms = coalesce(h.total, 0))
  FROM ledger_balance b
  JOIN ledger_account c ON c.id = b.account_id
  JOIN ledger_asset s ON s.id = c.asset_id
  LEFT JOIN ledger_location l ON l.id = c.stock_location_id
  LEFT JOIN (SELECT debit_account_id AS id, sum(amount_atoms - posted_atoms) AS total
               FROM ledger_hold WHERE state = 'active' GROUP BY 1) d ON d.id = c.id
  LEFT JOIN (SELECT credit_account_id AS id, sum(amount_atoms - posted_atoms) AS total
               FROM ledger_hold WHERE state = 'active' GROUP BY 1) h ON h.id = c.id
 GROUP BY 1, 2 ORDER BY 1, 2
"""
# The same from the entries, and against the balances of the same moment.
ENTRIES = """
SELECT count(*) FROM (SELECT account_id, sum(amount_atoms) AS total, count(*) AS entries FROM ledger_entry GROUP BY 1) e
  FULL JOIN ledger_balance b USING (account_id)
 WHERE b.net_atoms IS DISTINCT FROM coalesce(e.total, 0) OR b.version IS DISTINCT FROM coalesce(e.entries, 0)
"""


class Writer:
    """One of many hands: moves money and coins between clients, each kind in its own way."""

    def __init__(self, book: Book, number: int) -> None:
        self.book = book
        self.number = number
        self.dice = random.Random(number)
        self.keys = count()
        self.booked: list[UUID] = []

    def key(self) -> str:
        return f"t{self.number}.{next(self.keys)}"

    def transfer(self) -> JournalRequest:
        giver, taker = self.dice.sample(CLIENTS, 2)
        if self.dice.random() < 0.5:
            cents = Decimal(self.dice.randint(1, 60_000)).scaleb(-2)
            return move(self.key(), cash(giver), cash(taker), str(cents))
        place = self.dice.choice(PLACES)
        coins = Decimal(self.dice.randint(1, 99_999_999)).scaleb(-8)
        return move(self.key(), pledged(giver, "BTC", place), pledged(taker, "BTC", place), str(coins))

    def single(self) -> None:
        self.booked.append(posting.post(self.book, self.transfer(), actor="ops").journal_id)

    def batch(self) -> None:
        requests = [self.transfer() for _n in range(self.dice.randint(2, 8))]
        self.booked += [posted.journal_id for posted in posting.post_batch(self.book, requests, actor="ops")]

    def each(self) -> None:
        requests = [self.transfer() for _n in range(self.dice.randint(2, 8))]
        results = posting.post_each(self.book, requests, actor="ops")
        self.booked += [result.journal_id for result in results if isinstance(result, posting.Posted)]

    def hold(self) -> None:
        """Reserve, post a part, and let go or post what is left."""
        giver, taker = self.dice.sample(CLIENTS, 2)
        request = HoldRequest(cash(giver), cash(taker), Decimal(self.dice.randint(2, 60_000)).scaleb(-2))
        placed = holds.place(self.book, [request], key=self.key(), actor="ops")
        hold = Hold.objects.select_related("book").get(pk=placed.group_id)
        part = Decimal("0.01")
        posted = holds.post_hold(hold, key=self.key(), actor="ops", quantity=part)
        self.booked += posted.journal_ids
        if self.dice.random() < 0.5:
            holds.release(hold, actor="ops", reason="Not needed")
        else:
            self.booked += holds.post_hold(hold, key=self.key(), actor="ops").journal_ids

    def reversal(self) -> None:
        """Take back half of a journal of one's own, then the rest."""
        journal = Journal.objects.select_related("book").get(pk=self.dice.choice(self.booked))
        left = [Leg(leg.account, -leg.quantity) for leg in posting.remaining(journal)]
        part = [Leg(leg.account._replace(slot=None), _half(leg)) for leg in left]
        for taken in (part if all(leg.quantity for leg in part) else None, None):
            reversed_by = posting.reverse(journal, key=self.key(), actor="lam", reason="Mistake", part=taken)
            self.booked.append(reversed_by.journal_id)

    def run(self) -> Counter[str]:
        """Write in every way in turn and count what came of it."""
        outcomes: Counter[str] = Counter()
        ways = [self.single, self.batch, self.each, self.hold, self.reversal]
        try:
            for _n in range(WRITES):
                for way in self.dice.sample(ways, len(ways)):
                    try:
                        way()
                        outcomes[way.__name__] += 1
                    except Refusal as refusal:
                        outcomes[refusal.reason] += 1
                    except IndexError:
                        outcomes["nothing to reverse"] += 1
        finally:
            connection.close()
        return outcomes


def _half(leg: Leg) -> Decimal:
    """Half of a leg at the scale of its asset, towards nothing."""
    scale = {"HKD": 2, "BTC": 8}[leg.account.asset]
    atoms = int(leg.quantity.scaleb(scale))
    return Decimal(abs(atoms) // 2 * (1 if atoms > 0 else -1)).scaleb(-scale)


def read_until(is_over: Event, look: Callable[[], None]) -> int:
    try:
        for snapshots in count(1):
            look()
            if is_over.is_set():
                return snapshots
        return 0
    finally:
        connection.close()


def test_every_snapshot_sums_to_what_was_there_whoever_writes(book: Book) -> None:
    opening = [cash_in(f"d{c}", c, "1000.00") for c in CLIENTS]
    opening += [pledge(f"b{c}{place}", c, "2", "BTC", place) for c in CLIENTS for place in PLACES]
    posting.post_batch(book, opening, actor="ops")
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = sql(deadlocks)
    constant = [
        ("BTC", "CCASS", 0, -12 * 10**8, True),
        ("BTC", "VAULT", 0, -12 * 10**8, True),
        ("HKD", None, 0, -600_000, True),
    ]
    is_over = Event()

    def look_at_balances() -> None:
        assert sql(SNAPSHOT) == constant

    def look_at_entries() -> None:
        assert sql(ENTRIES) == [(0,)]

    with ThreadPoolExecutor(7) as pool:
        readers = [pool.submit(read_until, is_over, look) for look in (look_at_balances, look_at_entries)]
        try:
            outcomes = sum(pool.map(lambda n: Writer(book, n).run(), range(5)), Counter())
        finally:
            is_over.set()
        snapshots = [reader.result() for reader in readers]

    assert min(outcomes[way] for way in ("single", "batch", "each", "hold", "reversal")) > 5, outcomes
    assert outcomes.keys() <= {
        *("single", "batch", "each", "hold", "reversal"),
        *("insufficient_balance", "already_reversed", "hold_not_open", "nothing to reverse"),
    }
    assert min(snapshots) > 5
    assert sql(deadlocks) == before
    assert audit.run().findings == ()


def test_of_twenty_threads_that_take_back_a_tenth_each_ten_do(book: Book) -> None:
    posting.post(book, cash_in("d0", CLIENTS[0], "10000.00"), actor="ops")
    posted = posting.post(book, cash_in("d1", CLIENTS[0], "100.00"), actor="ops")
    journal = Journal.objects.select_related("book").get(pk=posted.journal_id)
    tenth = [Leg(BANK, Decimal("10.00")), Leg(cash(CLIENTS[0]), Decimal("-10.00"))]
    at_once = Barrier(20)

    def take_back(n: int) -> str:
        try:
            at_once.wait()
            posting.reverse(journal, key=f"r{n}", actor="lam", reason="Mistake", part=tenth)
        except Refusal as refusal:
            return refusal.reason
        finally:
            connection.close()
        return "reversed"

    with ThreadPoolExecutor(20) as pool:
        outcomes = Counter(pool.map(take_back, range(20)))

    assert outcomes == {"reversed": 10, "already_reversed": 10}
    assert balances.holding(book, cash(CLIENTS[0])) == Decimal("10000.00")
    assert audit.run().findings == ()


def test_twenty_threads_send_the_same_reversal_and_have_one_answer(book: Book) -> None:
    posting.post(book, cash_in("d0", CLIENTS[0], "10000.00"), actor="ops")
    posted = posting.post(book, cash_in("d1", CLIENTS[0], "100.00"), actor="ops")
    journal = Journal.objects.select_related("book").get(pk=posted.journal_id)
    at_once = Barrier(20)

    def take_back(_n: int) -> object:
        try:
            at_once.wait()
            return posting.reverse(journal, key="r1", actor="lam", reason="Mistake")
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(take_back, range(20)))

    assert sorted(answers.values()) == [1, 19]
    assert len({posted.journal_id for posted in answers}) == 1  # type: ignore[attr-defined]
    assert balances.holding(book, cash(CLIENTS[0])) == Decimal("10000.00")


def test_withdrawals_of_the_last_cent_at_once_leave_one(book: Book) -> None:
    posting.post(book, cash_in("d1", CLIENTS[0], "0.01"), actor="ops")

    def withdraw(n: int) -> object:
        try:
            [result] = posting.post_each(book, [cash_out(f"w{n}", CLIENTS[0], "0.01")], actor="ops")
            return type(result)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        outcomes = Counter(pool.map(withdraw, range(10)))

    assert outcomes == {posting.Posted: 1, posting.Refused: 9}
