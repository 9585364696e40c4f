"""A statement: opening plus lines is closing, pages joined are the whole, whatever is sealed and booked meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import posting, statements
from ledger.accounts import AccountKey
from ledger.core.errors import Invalid
from ledger.models import Account, Book, Entry
from ledger.seal.sealer import seal_all
from ledger.statements import (
    Line,
    Place,
    Statement,
    balances_by_day,
    every_line,
    newest_value_date,
    open_statement,
    read_lines,
)

from .books import BANK, DAY, account_id, cash, cash_in, cash_out, move, sql

CHAN = "H0001"


def account(book: Book, key: AccountKey) -> Account:
    return Account.objects.select_related("book", "asset", "location").get(pk=account_id(book, key))


def paged(statement: Statement, size: int, meanwhile: Callable[[], Any] = lambda: None) -> list[Line]:
    lines: list[Line] = []
    place: Place | None = None
    while page := read_lines(statement, after=place, limit=size):
        lines += page
        place = page[-1].place
        meanwhile()
    return lines


def told(lines: list[Line]) -> list[tuple[str, str, int, int]]:
    return [
        (f"{line.place.value_on:%m-%d}", line.narrative, line.amount_atoms, line.balance_atoms)
        for line in lines
    ]


def seal() -> None:
    list(seal_all())


def ends(lines: list[Line]) -> list[tuple[date, int]]:
    """What the last line of each value date leaves."""
    return list({line.place.value_on: line.balance_atoms for line in lines}.items())


def on(day: int) -> date:
    return date(2022, 5, day)


@pytest.mark.django_db(transaction=True)
def test_the_statement_of_ms_chan_in_may(book: Book) -> None:
    def book_in(key: str, amount: str, day: int) -> None:
        posting.post(book, cash_in(key, CHAN, amount, value_on=on(day), narrative=key), actor="ops")

    book_in("opening", "100.00", 1)
    book_in("tenth", "7.00", 10)
    posting.post(book, cash_out("fee", CHAN, "2.50", value_on=on(12), narrative="fee"), actor="ops")
    seal()
    book_in("backdated", "1.00", 11)
    book_in("june", "9.00", 30)

    statement = open_statement(account(book, cash(CHAN)), first_on=on(2), last_on=on(29))

    assert (statement.opening_atoms, statement.closing_atoms) == (-10_000, -10_550)
    assert told(paged(statement, 2)) == [
        ("05-10", "tenth", -700, -10_700),
        ("05-11", "backdated", -100, -10_800),
        ("05-12", "fee", 250, -10_550),
    ]
    known = open_statement(account(book, cash(CHAN)), first_on=on(2), last_on=on(29), known_at=1)
    assert (known.opening_atoms, known.closing_atoms) == (-10_000, -10_450)
    assert [narrative for _on, narrative, *_rest in told(paged(known, 1))] == ["tenth", "fee"]
    assert balances_by_day(statement) == [(on(10), -10_700), (on(11), -10_800), (on(12), -10_550)]
    assert balances_by_day(known) == [(on(10), -10_700), (on(12), -10_450)]
    assert newest_value_date(statement) == on(30)


@pytest.mark.django_db
def test_an_account_without_lines(book: Book) -> None:
    statement = open_statement(account(book, cash(CHAN)), first_on=on(1), last_on=on(31))
    assert (statement.opening_atoms, statement.closing_atoms, read_lines(statement, limit=10)) == (0, 0, [])
    assert (balances_by_day(statement), newest_value_date(statement)) == ([], None)
    with pytest.raises(Invalid) as refused:
        open_statement(account(book, cash(CHAN)), first_on=on(2), last_on=on(1))
    assert (refused.value.field, refused.value.reason) == ("to", "out_of_range")
    with pytest.raises(Invalid) as refused:
        open_statement(account(book, cash(CHAN)), first_on=on(1), last_on=on(1), known_at=7)
    assert refused.value.reason == "unknown_block"


@pytest.mark.django_db(transaction=True)
def test_the_slots_of_a_house_account_are_one(book: Book) -> None:
    for n in range(9):
        posting.post(
            book,
            move(f"s{n}", BANK._replace(slot=n % 3), cash(CHAN), "1.00", value_on=on(1 + n % 2)),
            actor="ops",
        )
        if n == 4:
            seal()
    statement = open_statement(account(book, BANK._replace(slot=1)), first_on=on(1), last_on=on(2))
    assert (len(statement.versions), statement.opening_atoms, statement.closing_atoms) == (3, 0, 900)
    assert [line.balance_atoms for line in paged(statement, 2)] == [100 * n for n in range(1, 10)]


@pytest.mark.django_db(transaction=True)
def test_pages_fit_together_whatever_is_booked_and_sealed_meanwhile(book: Book) -> None:
    for n in range(12):
        posting.post(book, cash_in(f"d{n}", CHAN, "1.00", value_on=on(1 + n % 5)), actor="ops")
    statement = open_statement(account(book, cash(CHAN)), first_on=on(1), last_on=on(5))
    whole = list(every_line(statement))
    late = iter(range(100))

    def meanwhile() -> None:
        posting.post(book, cash_in(f"late{next(late)}", CHAN, "5.00", value_on=on(5)), actor="ops")
        posting.post(book, cash_in(f"early{next(late)}", CHAN, "5.00", value_on=on(1)), actor="ops")
        seal()

    assert paged(statement, 2, meanwhile) == whole
    assert balances_by_day(statement) == ends(whole)
    assert whole[-1].balance_atoms == statement.closing_atoms == -1_200


STEPS = st.lists(
    st.one_of(
        st.just("seal"),
        st.lists(st.tuples(st.integers(1, 6), st.integers(1, 400)), min_size=1, max_size=6),
    ),
    max_size=7,
)


@pytest.mark.django_db(transaction=True)
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    steps=STEPS,
    first=st.integers(1, 6),
    length=st.integers(0, 5),
    size=st.integers(1, 5),
    is_house=st.booleans(),
)
def test_opening_plus_lines_is_closing_and_pages_are_the_whole(
    book: Book, steps: list[Any], first: int, length: int, size: int, is_house: bool
) -> None:
    """Against a plain sum over everything that was booked, sealed or not, in any order of value dates."""
    owner = f"H{Account.objects.count():05}"
    booked: list[tuple[date, int]] = []
    for n, step in enumerate(steps):
        if step == "seal":
            seal()
            continue
        batch = [
            move(
                f"{owner}.{n}.{m}",
                BANK._replace(slot=m % 2),
                cash(owner),
                f"{cents / 100:.2f}",
                value_on=on(day),
            )
            for m, (day, cents) in enumerate(step)
        ]
        posting.post_batch(book, batch, actor="ops")
        booked += [(on(day), cents) for day, cents in step]
    from_on, to_on = on(first), on(first) + timedelta(days=length)
    of = account(book, BANK._replace(slot=0) if is_house else cash(owner))

    statement = open_statement(of, first_on=from_on, last_on=to_on)

    lines = paged(statement, size)
    assert lines == list(every_line(statement))
    assert balances_by_day(statement) == ends(lines)
    assert statement.opening_atoms + sum(line.amount_atoms for line in lines) == statement.closing_atoms
    assert [line.balance_atoms for line in lines[-1:]] in ([], [statement.closing_atoms])
    slots = list(statement.versions)
    expected = Entry.objects.filter(account__in=slots, journal__value_on__range=(from_on, to_on))
    assert sorted(line.journal_id for line in lines) == sorted(expected.values_list("journal_id", flat=True))
    assert [line.place[:3] for line in lines] == sorted(line.place[:3] for line in lines)
    if not is_house:
        assert statement.opening_atoms == -sum(cents for day, cents in booked if day < from_on)


@pytest.mark.django_db(transaction=True)
def test_a_page_of_a_big_account_reads_little_of_it(book: Book) -> None:
    """Of 3,000 entries, in days of 100, a page of 20 touches some hundreds."""
    for day in range(30):
        batch = [cash_in(f"d{day}.{n}", CHAN, "0.01", value_on=DAY + timedelta(days=day)) for n in range(100)]
        posting.post_batch(book, batch, actor="ops")
        seal()
    statement = open_statement(account(book, cash(CHAN)), first_on=DAY, last_on=DAY + timedelta(days=99))
    sql("ANALYZE")
    middle = Place(DAY + timedelta(days=14), 1450, account_id(book, cash(CHAN)), -1450)

    with transaction.atomic():
        asked: list[tuple[str, Any]] = []
        with connection.execute_wrapper(lambda run, q, p, m, c: (asked.append((q, p)), run(q, p, m, c))[1]):
            lines = read_lines(statement, after=middle, limit=20)
        read = sum(_rows_read(query, parameters) for query, parameters in asked)

    assert [line.place.version for line in lines] == list(range(1451, 1471))
    assert read < 600


def _rows_read(query: str, parameters: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", parameters)
        return _leaves(cursor.fetchone()[0][0]["Plan"])


def _leaves(plan: dict[str, Any]) -> int:
    own = plan["Actual Rows"] * plan["Actual Loops"] if "Relation Name" in plan else 0
    lost = plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"] if "Relation Name" in plan else 0
    return int(own + lost) + sum(_leaves(each) for each in plan.get("Plans", []))


def test_a_page_has_a_size() -> None:
    with pytest.raises(ValueError, match="1 to 5000"):
        statements.read_lines(None, limit=0)  # type: ignore[arg-type]
