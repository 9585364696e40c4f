"""Periods close and reopen by two people, and what stood in the books is written down."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, transaction

from ledger import audit, periods, posting
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.models import Event
from ledger.models import Book, PeriodChange
from ledger.periods import Total
from ledger.posting import PeriodClosed
from tests.ledger.books import account_id, cash, cash_in, cash_out, move, pledge, sql, without_law
from tests.ledger.corporate_actions.issuers import on, person
from tests.ledger.test_concurrency import in_thread

from .accounts import APRIL, CHAN, LEE, MAY, TODAY, changed, closed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with on(TODAY):
        yield


@pytest.fixture
def books(book: Book) -> Book:
    """Money in April and in May, some of it passed on; coins of May 2022."""
    posting.post_batch(
        book,
        [
            cash_in("d1", CHAN, "100.00", value_on=date(2026, 4, 10)),
            cash_in("d2", LEE, "50.25", value_on=date(2026, 4, 30)),
            move("t1", cash(CHAN), cash(LEE), "30.00", value_on=date(2026, 5, 4)),
            cash_out("w1", LEE, "0.25", value_on=date(2026, 5, 31)),
            pledge("p1", CHAN, "1.5"),
            cash_in("d3", CHAN, "1.00", value_on=TODAY),
        ],
        actor="ops",
    )
    return book


def test_a_month_is_closed_by_two_people_and_its_figures_written_down(books: Book) -> None:
    proposal = periods.propose(
        book=books, kind="close", through=MAY, reason="Month end", maker=person("chow")
    )
    books.refresh_from_db()
    assert books.closed_through is None
    with pytest.raises(Forbidden):
        periods.approve(proposal, checker=person("chow"))

    change = periods.approve(proposal, checker=person("ng"))

    books.refresh_from_db()
    assert (books.closed_through, change.number, change.closed_before) == (MAY, 1, None)
    assert periods.totals_of(change) == [
        Total("BTC", Decimal("1.50000000"), Decimal("1.50000000"), accounts=2, entries=2),
        Total("HKD", Decimal("150.00"), Decimal("150.00"), accounts=3, entries=8),
    ]
    event = Event.objects.get(topic="ledger.period.closed")
    assert (event.actor, event.reason, event.broker_code) == ("ng", "Month end", "HARBOUR")
    assert event.payload == {"through": "2026-05-31", "before": None}
    for day in (MAY, APRIL):
        with pytest.raises(PeriodClosed, match="closed through 2026-05-31") as refused:
            posting.post(books, cash_in(f"late{day}", CHAN, "1.00", value_on=day), actor="ops")
        assert refused.value.details == {"closed_through": "2026-05-31"}
    posting.post(books, cash_in("d4", CHAN, "1.00", value_on=TODAY), actor="ops")
    assert audit.run().findings == ()


def test_what_was_closed_is_reopened_by_two_people_and_closed_anew(books: Book) -> None:
    closed(books, APRIL)
    first = closed(books, MAY)

    again = changed(books, "reopen", APRIL, "A deposit of May was left out")

    books.refresh_from_db()
    assert (books.closed_through, again.closed_before, again.figures, again.number) == (APRIL, MAY, None, 3)
    assert Event.objects.get(topic="ledger.period.reopened").payload == {
        "through": "2026-04-30",
        "before": "2026-05-31",
    }
    posting.post(books, cash_in("d5", CHAN, "2.00", value_on=MAY), actor="ops")
    with pytest.raises(PeriodClosed):
        posting.post(books, cash_in("d6", CHAN, "2.00", value_on=APRIL), actor="ops")
    second = closed(books, MAY)
    assert [periods.totals_of(change)[-1].debit for change in (first, second)] == [
        Decimal("150.00"),
        Decimal("152.00"),
    ]
    # What was reopened no longer has to stand; what is closed does.
    assert audit.run().findings == ()

    changed(books, "reopen", None, "Start over")
    books.refresh_from_db()
    assert books.closed_through is None
    posting.post(books, cash_in("d7", CHAN, "2.00", value_on=date(2026, 1, 2)), actor="ops")
    assert audit.run().findings == ()


def by_account(change: PeriodChange) -> dict[int, tuple[int, int]]:
    rows = change.balances.values_list("account_id", "net_atoms", "entry_count")
    return {account: (int(net), entries) for account, net, entries in rows}


def from_the_beginning(change: PeriodChange) -> dict[str, Any]:
    """What every entry up to a closing makes, whatever was written down before."""
    [(figures,)] = sql(
        "SELECT figures FROM ledger_trial_balances(%s, ARRAY[%s])", change.book_id, change.through
    )
    found: dict[str, Any] = json.loads(figures) if isinstance(figures, str) else figures
    return found


def test_a_closing_goes_on_from_the_balances_of_the_one_before(books: Book) -> None:
    april = closed(books, APRIL)
    posting.post(books, cash_in("far ahead", CHAN, "7.00", value_on=date(2026, 7, 1)), actor="ops")
    posting.post(books, cash_in("late", LEE, "5.00", value_on=date(2026, 5, 1)), actor="ops")
    may = closed(books, MAY)

    chan, lee = (account_id(books, cash(owner)) for owner in (CHAN, LEE))
    assert (by_account(april)[chan], by_account(april)[lee]) == ((-10_000, 1), (-5_025, 1))
    assert (by_account(may)[chan], by_account(may)[lee]) == ((-7_000, 2), (-8_500, 4))
    assert (april.figures, may.figures) == (from_the_beginning(april), from_the_beginning(may))
    assert audit.run().findings == ()


def test_a_closing_after_a_reopening_goes_on_from_the_last_one_in_force(books: Book) -> None:
    closed(books, date(2026, 4, 20))
    closed(books, APRIL)
    closed(books, MAY)
    changed(books, "reopen", date(2026, 4, 25), "A deposit of April was left out")
    posting.post(books, cash_in("left out", CHAN, "2.00", value_on=APRIL), actor="ops")

    again = closed(books, MAY)

    assert by_account(again)[account_id(books, cash(CHAN))] == (-7_200, 3)
    assert again.figures == from_the_beginning(again)
    assert audit.run().findings == ()


def test_a_closing_does_not_read_again_what_was_closed(books: Book) -> None:
    """An entry that the owner of the tables alters in April reaches neither closing, and the audit names both."""
    closed(books, APRIL)
    chan = account_id(books, cash(CHAN))
    without_law(f"UPDATE ledger_entry SET amount_atoms = -10001 WHERE account_id = {chan} AND version = 1")

    may = closed(books, MAY)

    assert by_account(may)[chan] == (-7_000, 2)
    assert may.figures != from_the_beginning(may)
    said = [found.subject for found in audit.run().findings if found.check == "ledger.period_figures_stand"]
    assert len(said) == 2


def test_balances_that_do_not_make_their_figures_are_not_gone_on_from(books: Book) -> None:
    closed(books, APRIL)
    without_law("UPDATE ledger_period_balance SET net_atoms = net_atoms + 1")
    assert [found.check for found in audit.run().findings] == ["ledger.period_balances_stand"]

    may = closed(books, MAY)

    assert may.figures == from_the_beginning(may)


def test_closings_of_before_balances_were_kept_are_not_gone_on_from(books: Book) -> None:
    closed(books, APRIL)
    without_law("DELETE FROM ledger_period_balance")

    may = closed(books, MAY)

    assert may.figures == from_the_beginning(may)
    assert audit.run().findings == ()


def test_the_books_of_one_firm_close_without_those_of_another(books: Book) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Brokers")
    posting.post(peak, cash_in("d1", "X001", "9.00", value_on=APRIL), actor="ops")

    change = closed(books)

    assert periods.totals_of(change)[-1].debit == Decimal("150.00")
    posting.post(peak, cash_in("d2", "X001", "9.00", value_on=APRIL), actor="ops")
    assert closed(peak).number == 1


def test_an_empty_book_closes_with_nothing_in_it(book: Book) -> None:
    assert closed(book).figures == {}
    assert audit.run().findings == ()


@pytest.mark.parametrize(
    ("kind", "through", "refusal", "field", "code"),
    [
        ("shut", MAY, Invalid, "kind", "unknown_kind"),
        ("close", None, Invalid, "through", "required"),
        ("close", TODAY, Invalid, "through", "not_over"),
        ("close", APRIL, Conflict, "through", "not_forward"),
        ("close", date(2026, 3, 31), Conflict, "through", "not_forward"),
        ("reopen", APRIL, Conflict, "through", "not_backward"),
        ("reopen", MAY, Conflict, "through", "not_backward"),
    ],
)
def test_closing_goes_forward_and_reopening_back(
    books: Book, kind: str, through: date | None, refusal: type[Exception], field: str, code: str
) -> None:
    closed(books, APRIL)

    with pytest.raises(refusal) as refused:
        changed(books, kind, through)
    assert (refused.value.field, refused.value.reason) == (field, code)  # type: ignore[attr-defined]


def test_nothing_closed_and_no_reason(books: Book) -> None:
    with pytest.raises(Conflict) as refused:
        changed(books, "reopen", APRIL)
    assert refused.value.reason == "nothing_closed"
    with pytest.raises(Invalid) as unexplained:
        changed(books, "close", APRIL, " ")
    assert unexplained.value.reason == "reason_required"


def test_a_proposal_that_others_overtook_is_refused_and_stays_proposed(books: Book) -> None:
    late = periods.propose(book=books, kind="close", through=APRIL, reason="x", maker=person("chow"))
    closed(books, MAY)

    with pytest.raises(Conflict) as refused:
        periods.approve(late, checker=person("ng"))

    assert refused.value.reason == "period_moved"
    assert refused.value.details == {"closed_through": "2026-05-31"}
    assert PeriodChange.objects.get(pk=late.pk).approval == "proposed"
    periods.reject(late, checker=person("ng"), reason="Overtaken")


@pytest.mark.django_db(transaction=True)
def test_a_closing_waits_for_the_posting_under_way_and_stops_the_next(books: Book) -> None:
    @in_thread
    def close() -> PeriodChange:
        with on(TODAY):
            return closed(books, MAY)

    @in_thread
    def post() -> None:
        posting.post(books, cash_in("later", CHAN, "4.00", value_on=MAY), actor="ops")

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            posting.post(books, cash_in("under way", CHAN, "8.00", value_on=MAY), actor="ops")
            closing = pool.submit(close)
            time.sleep(0.5)
            late = pool.submit(post)
            time.sleep(0.3)
            assert not closing.done()
            assert not late.done()
        change = closing.result()
        with pytest.raises(PeriodClosed):
            late.result()

    assert periods.totals_of(change)[-1].debit == Decimal("158.00")
    assert audit.run().findings == ()


@pytest.mark.django_db(transaction=True)
def test_a_closing_does_not_wait_for_ever(books: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periods, "WAIT_SECONDS_MAX", 1)

    @in_thread
    def close() -> None:
        with on(TODAY):
            closed(books, MAY)

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        posting.post(books, cash_in("under way", CHAN, "8.00", value_on=MAY), actor="ops")
        with pytest.raises(Conflict) as refused:
            pool.submit(close).result()

    assert refused.value.reason == "books_busy"
    assert PeriodChange.objects.get().approval == "proposed"


@pytest.mark.django_db(transaction=True)
def test_of_many_postings_that_race_with_a_closing_those_before_it_are_counted(books: Book) -> None:
    @in_thread
    def post(seed: int) -> int:
        booked = 0
        for n in range(25):
            try:
                posting.post(books, cash_in(f"r{seed}.{n}", CHAN, "1.00", value_on=MAY), actor="ops")
            except PeriodClosed:
                break
            booked += 1
        return booked

    @in_thread
    def close() -> PeriodChange:
        time.sleep(0.1)
        with on(TODAY):
            return closed(books, MAY)

    with ThreadPoolExecutor(5) as pool:
        closing = pool.submit(close)
        booked = sum(pool.map(post, range(4)))

    assert periods.totals_of(closing.result())[-1].debit == Decimal(150 + booked)
    assert audit.run().findings == ()


@pytest.mark.django_db(transaction=True)
def test_a_posting_that_looked_before_the_closing_is_refused_after_it(books: Book) -> None:
    """Under a stricter isolation than the default a posting would still see the period open."""

    @in_thread
    def close() -> None:
        with on(TODAY):
            closed(books, MAY)

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        sql("SELECT count(*) FROM ledger_journal")
        pool.submit(close).result()
        with pytest.raises(OperationalError, match="could not serialize"):
            posting.post(books, cash_in("late", CHAN, "8.00", value_on=MAY), actor="ops")
        transaction.set_rollback(True)

    assert audit.run().findings == ()
