"""As of a value date, known at a block: exact, the same for ever, and backdating rewrites nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate, permutations
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from ledger import as_of, balances, posting
from ledger.accounts import AccountKey
from ledger.core.decimals import from_atoms
from ledger.core.errors import Invalid
from ledger.models import BalanceDay, Book
from ledger.posting import JournalRequest
from ledger.seal.sealer import seal

from .books import BANK, CAPITAL, account_id, cash, cash_in, cash_out, move, pledge, pledged, sql

pytestmark = pytest.mark.django_db(transaction=True)
CHAN, LEE = "H0001", "H0002"
MAY, JUNE, JULY = date(2022, 5, 12), date(2022, 6, 13), date(2022, 7, 4)
EVER = date(9999, 12, 31)


def on(day: date, request: JournalRequest) -> JournalRequest:
    return JournalRequest(request.key, request.kind, request.legs, day)


def book_and_seal(book: Book, *requests: JournalRequest) -> None:
    posting.post_batch(book, list(requests), actor="ops")
    seal()


def chan(book: Book, day: date, block: int | None = None) -> str:
    return str(as_of.holding(book, cash(CHAN), value_on=day, known_at=block))


def test_two_dates_one_asks_what_counts_the_other_what_was_known(book: Book) -> None:
    book_and_seal(book, on(MAY, cash_in("d1", CHAN, "100.00")))
    book_and_seal(book, on(JULY, cash_in("d2", CHAN, "7.50")))
    book_and_seal(book, on(JUNE, cash_out("w1", CHAN, "30.00")))

    assert [chan(book, day, 3) for day in (MAY, JUNE, JULY)] == ["100.00", "70.00", "77.50"]
    assert [chan(book, day, 2) for day in (MAY, JUNE, JULY)] == ["100.00", "100.00", "107.50"]
    assert [chan(book, day, 1) for day in (MAY, JUNE, JULY)] == ["100.00", "100.00", "100.00"]
    assert [chan(book, day, 0) for day in (MAY, JUNE, JULY)] == ["0.00"] * 3
    assert chan(book, MAY - timedelta(days=1)) == "0.00"


def test_what_is_not_sealed_yet_is_known_now_and_at_no_block(book: Book) -> None:
    book_and_seal(book, on(MAY, cash_in("d1", CHAN, "100.00")))
    posting.post_batch(
        book,
        [on(JUNE, cash_out("w1", CHAN, "0.01")), on(MAY, cash_in("d2", CHAN, "5.00"))],
        actor="ops",
    )

    assert (chan(book, MAY), chan(book, JUNE)) == ("105.00", "104.99")
    assert (chan(book, MAY, 1), chan(book, JUNE, 1)) == ("100.00", "100.00")
    (standing,) = as_of.standings(book, value_on=MAY, owners=[CHAN])
    assert (str(standing.quantity), standing.version) == ("105.00", 3)
    (known,) = as_of.standings(book, value_on=MAY, known_at=1, owners=[CHAN])
    assert (str(known.quantity), known.version) == ("100.00", 1)


def test_within_its_own_transaction_a_posting_is_known(book: Book) -> None:
    with transaction.atomic():
        posting.post_batch(book, [on(MAY, cash_in("d1", CHAN, "100.00"))], actor="ops")
        assert seal() == []
        assert chan(book, MAY) == "100.00"


def test_slots_of_a_house_account_are_added_up(book: Book) -> None:
    slots = [BANK._replace(slot=slot) for slot in (0, 1, 2)]
    deposits = [move(f"d{n}", slot, cash(CHAN), "10.00") for n, slot in enumerate(slots)]
    book_and_seal(book, *deposits)
    posting.post_batch(book, [move("d9", slots[1], cash(CHAN), "0.50")], actor="ops")

    assert as_of.holding(book, BANK, value_on=MAY) == Decimal("30.50")
    assert as_of.holding(book, BANK, value_on=MAY, known_at=1) == Decimal("30.00")
    assert as_of.holding(book, slots[1], value_on=MAY) == Decimal("10.50")
    (bank,) = as_of.standings(book, value_on=MAY, owners=[""])
    assert (bank.key, bank.quantity, bank.version) == (BANK, Decimal("30.50"), 4)


def test_eighteen_decimals_and_more_are_exact(book: Book) -> None:
    wei = "100000000.000000000000000001"
    book_and_seal(book, on(MAY, pledge("p1", CHAN, wei, "ETH")), on(MAY, pledge("p2", CHAN, wei, "ETH")))
    held = as_of.holding(book, pledged(CHAN, "ETH"), value_on=MAY)
    assert str(held) == "200000000.000000000000000002"


def test_a_block_that_is_not_there_is_refused(book: Book) -> None:
    book_and_seal(book, on(MAY, cash_in("d1", CHAN, "100.00")))

    for number in (2, -1):
        with pytest.raises(Invalid, match="The newest block is 1") as refusal:
            chan(book, MAY, number)
        assert (refusal.value.reason, refusal.value.field) == ("unknown_block", "block")


def test_an_account_that_was_never_opened_held_nothing(book: Book) -> None:
    assert as_of.holding(book, cash("H9999"), value_on=MAY) == 0
    assert as_of.standings(book, value_on=MAY) == []


def test_backdating_rewrites_nothing(book: Book) -> None:
    for n, day in enumerate((MAY, JULY, JUNE)):
        book_and_seal(book, on(day, cash_in(f"d{n}", CHAN, "100.00")))
    tables = ("ledger_entry", "ledger_journal", "ledger_balance_day", "ledger_block")
    before = {table: set(sql(f"SELECT {table}::text, xmin::text FROM {table}")) for table in tables}

    book_and_seal(book, on(MAY - timedelta(days=40), cash_in("late", CHAN, "1.00")))

    for table in tables:
        after = set(sql(f"SELECT {table}::text, xmin::text FROM {table}"))
        assert before[table] < after
    assert chan(book, MAY) == "101.00"
    assert chan(book, MAY, 3) == "100.00"


def test_the_order_in_which_a_set_is_booked_does_not_matter(book: Book) -> None:
    moves = [(JULY, "40.00"), (MAY, "10.00"), (JUNE, "-25.00"), (MAY, "0.05")]
    told = []
    for number, order in enumerate(permutations(range(4))):
        owner = f"H1{number:03}"
        opening = on(MAY, cash_in(f"o{number}", owner, "100.00"))
        book_and_seal(book, opening)
        for n in order:
            day, amount = moves[n]
            to, of = (BANK, cash(owner)) if amount[0] != "-" else (cash(owner), BANK)
            request = move(f"m{number}.{n}", to, of, amount.lstrip("-"), value_on=day)
            posting.post_batch(book, [request], actor="ops")
            if n % 2:
                seal()
        told.append([str(as_of.holding(book, cash(owner), value_on=day)) for day in (MAY, JUNE, JULY, EVER)])

    assert told == [["110.05", "85.05", "125.05", "125.05"]] * 24


def test_a_book_as_of_is_the_book_that_a_plain_sum_makes(book: Book) -> None:
    dice = random.Random(20220613)
    owners = [f"H200{n}" for n in range(5)]
    days = [MAY + timedelta(days=n) for n in range(8)]
    known: list[tuple[int, AccountKey, date, int]] = []
    posting.post_batch(book, [on(days[0], cash_in(f"o{o}", o, "1000.00")) for o in owners], actor="ops")
    known += [(1, key, days[0], n) for o in owners for key, n in ((BANK, 100_000), (cash(o), 100_000))]
    for block in range(1, 12):
        for n in range(dice.randint(1, 6)):
            of, to = dice.sample(owners, 2)
            day, atoms = dice.choice(days), dice.randint(1, 5_000)
            units = str(from_atoms(atoms, 2))
            posting.post_batch(
                book, [move(f"t{block}.{n}", cash(of), cash(to), units, value_on=day)], actor="ops"
            )
            known += [(block, cash(of), day, -atoms), (block, cash(to), day, atoms)]
        seal()

    for block in range(12):
        for day in days:
            expected: dict[AccountKey, int] = {}
            for known_at, key, value_on, atoms in known:
                if known_at <= block and value_on <= day:
                    expected[key] = expected.get(key, 0) + atoms
            told = as_of.standings(book, value_on=day, known_at=block)
            assert {s.key: int(s.quantity * 100) for s in told} == {k: n for k, n in expected.items() if n}
    now = {s.key: (s.quantity, s.version) for s in as_of.standings(book, value_on=EVER)}
    assert now == {s.key: (s.quantity, s.version) for s in balances.standings(book)}


def in_thread(work: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        try:
            return work(*arguments)
        finally:
            connection.close()

    return run


def test_what_a_block_knew_stays_while_writers_backdate_and_two_sealers_run(book: Book) -> None:
    owners = [f"H300{n}" for n in range(4)]
    days = [MAY + timedelta(days=n) for n in range(6)]
    posting.post_batch(book, [cash_in(f"o{o}", o, "100000.00") for o in owners], actor="ops")
    seal()
    is_over = Event()

    def write(seed: int) -> None:
        dice = random.Random(seed)
        for n in range(40):
            batch = [
                move(
                    f"t{seed}.{n}.{m}",
                    *map(cash, dice.sample(owners, 2)),
                    "0.01",
                    value_on=dice.choice(days),
                )
                for m in range(dice.randint(1, 4))
            ]
            posting.post_batch(book, batch, actor=f"writer{seed}")

    def work_seal() -> None:
        while not is_over.is_set():
            seal(journals_max=7)

    def read() -> int:
        seen: dict[tuple[date, int], list[as_of.StandingAsOf]] = {}
        dice = random.Random(7)
        while not is_over.is_set():
            day, block = dice.choice(days), dice.randint(1, as_of.newest_block(book))
            told = as_of.standings(book, value_on=day, known_at=block)
            assert seen.setdefault((day, block), told) == told
            assert sum(s.quantity for s in told if s.key.owner) == Decimal("400000.00")
            now = as_of.standings(book, value_on=day)
            assert sum(s.quantity for s in now if s.key.owner) == Decimal("400000.00")
        for (day, block), told in seen.items():
            assert as_of.standings(book, value_on=day, known_at=block) == told
        return len(seen)

    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(in_thread(work)) for work in (work_seal, work_seal, read)]
        try:
            list(pool.map(in_thread(write), range(4)))
        finally:
            is_over.set()
        results = [other.result() for other in others]

    assert results[2] >= 2
    while seal():
        pass
    assert as_of.newest_block(book) > 5
    for owner in owners:
        rows = BalanceDay.objects.filter(account_id=account_id(book, cash(owner)))
        added = dict(rows.values_list("block").annotate(Sum("entry_count")).order_by("block"))
        known = dict(rows.values_list("block", "known_entries").distinct().order_by("block"))
        assert dict(zip(added, accumulate(added.values()), strict=True)) == known


def test_a_client_who_was_paid_by_the_house_and_the_house(book: Book) -> None:
    book_and_seal(book, move("c1", BANK, CAPITAL, "10.00"), move("c2", CAPITAL, cash(CHAN), "10.00"))
    assert as_of.holding(book, CAPITAL, value_on=MAY) == 0
    assert {s.key for s in as_of.standings(book, value_on=MAY)} == {cash(CHAN), BANK}
