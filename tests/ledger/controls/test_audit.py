"""What only the owner of the tables can do to limits, closings and periods, the audit shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from ledger import posting
from ledger.closing import close_account
from ledger.models import Account, Book
from tests.ledger.books import BANK, account_id, cash, cash_in, cash_out, sql, without_law
from tests.ledger.corporate_actions.issuers import on
from tests.ledger.test_audit import found

from .accounts import APRIL, CHAN, LEE, MAY, TODAY, changed, closed, limited

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with on(TODAY):
        yield


@pytest.fixture
def books(book: Book) -> Book:
    posting.post_batch(
        book,
        [
            cash_in("d1", CHAN, "100.00", value_on=APRIL),
            cash_in("d2", LEE, "50.00", value_on=date(2026, 5, 4)),
        ],
        actor="ops",
    )
    return book


def row(book: Book, owner: str = CHAN) -> Account:
    return Account.objects.get(pk=account_id(book, cash(owner)))


def test_bounds_drawn_by_hand(books: Book) -> None:
    chan, lee = row(books), row(books, LEE)
    limited(lee, floor="-5.00", ceiling="80.00")
    without_law(
        f"UPDATE ledger_balance SET ceiling_atoms = 7 WHERE account_id = {chan.pk}",
        f"UPDATE ledger_balance SET floor_atoms = NULL WHERE account_id = {lee.pk}",
    )

    limit = lee.limits.get()
    assert sorted(found("limits_are_in_force")) == [
        (f"account {chan.pk}", "is bounded by nothing and 7; its role makes nothing and 0"),
        (
            f"account {lee.pk}",
            f"is bounded by nothing and 500; its limit {limit.pk} makes -8000 and 500",
        ),
    ]


def test_a_limit_taken_from_its_balance_or_altered(books: Book) -> None:
    chan, lee = row(books), row(books, LEE)
    limited(chan, floor="-5.00")
    limited(lee, floor="-6.00")
    without_law(
        f"UPDATE ledger_balance SET limit_id = NULL WHERE account_id = {chan.pk}",
        f"UPDATE ledger_accountlimit SET floor_atoms = -900 WHERE account_id = {lee.pk}",
    )

    assert {subject for subject, _message in found("limits_are_in_force")} == {
        f"account {chan.pk}",
        f"account {lee.pk}",
    }


def test_a_limit_that_nobody_approved(books: Book) -> None:
    limit = limited(row(books), floor="-5.00")
    other = limited(row(books, LEE), floor="-5.00")
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("ALTER TABLE ledger_accountlimit DROP CONSTRAINT ledger_accountlimit_maker_is_not_checker")
    without_law(
        f"UPDATE ledger_accountlimit SET checker_id = maker_id WHERE id = {limit.pk}",
        f"UPDATE ledger_accountlimit SET effective_on = '2026-06-02' WHERE id = {other.pk}",
    )

    assert found("limits_were_approved") == [
        (f"limit {limit.pk}", "is in force without the approval of a second person"),
        (f"limit {other.pk}", "came in force before its day"),
    ]
    assert found("law_is_in_force") == [
        ("table ledger_accountlimit", "ledger_accountlimit_maker_is_not_checker is missing or switched off")
    ]


def test_an_account_closed_by_the_rules(books: Book) -> None:
    posting.post(books, cash_out("w1", CHAN, "100.00"), actor="ops")
    close_account(account=row(books), actor="lam", reason="Client left")

    assert found("closed_accounts_rest") == []


@pytest.mark.parametrize("change", ["\"freeze\" = 'all'", "closed_at = now()"])
def test_a_slot_stopped_alone(books: Book, change: str) -> None:
    slots = [account_id(books, BANK._replace(slot=slot)) for slot in (97, 98)]
    without_law(f"UPDATE ledger_account SET {change} WHERE id = {slots[0]}")

    [first] = sql("SELECT min(id) FROM ledger_account WHERE role = 'nostro'")
    assert found("slots_agree") == [
        (f"account {first[0]}", "is frozen or closed in some of its slots and not in all")
    ]


def test_a_period_moved_by_hand(books: Book) -> None:
    closed(books, APRIL)
    without_law("UPDATE ledger_book SET closed_through = '2026-03-31'")

    assert found("periods_follow") == [
        ("book HARBOUR", "is closed through 2026-03-31 where change 1 says 2026-04-30")
    ]


def test_a_change_of_periods_altered_or_gone(books: Book) -> None:
    closed(books, APRIL)
    change = closed(books, MAY)
    without_law(f"UPDATE ledger_periodchange SET closed_before = '2026-01-31' WHERE id = {change.pk}")
    [(subject, message)] = found("periods_follow")
    assert (subject, message[:48]) == (
        f"change of periods {change.pk}",
        "is number 2 and goes from 2026-01-31 to 2026-05-",
    )

    without_law("DELETE FROM ledger_periodchange WHERE number = 1")
    assert (
        "is number 2 and goes from 2026-01-31 to 2026-05-31, after one to no day"
        in dict(found("periods_follow"))[f"change of periods {change.pk}"]
    )


def test_an_entry_altered_in_a_closed_period_is_shown_by_every_closing_after_it(books: Book) -> None:
    april, may = closed(books, APRIL), closed(books, MAY)
    lee = row(books, LEE)
    assert found("period_figures_stand") == []
    without_law(f"UPDATE ledger_entry SET amount_atoms = -5001 WHERE account_id = {lee.pk}")

    assert found("period_figures_stand") == [
        (
            f"change of periods {may.pk}",
            "closed through 2026-05-31, but what was booked up to then has changed since in HKD",
        )
    ]
    chan = row(books)
    without_law(f"UPDATE ledger_entry SET amount_atoms = -10001 WHERE account_id = {chan.pk}")
    assert [subject for subject, _message in found("period_figures_stand")] == [
        f"change of periods {april.pk}",
        f"change of periods {may.pk}",
    ]


def test_money_moved_between_clients_in_a_closed_period(books: Book) -> None:
    """The totals of both sides stay what they were; the hash over the accounts does not."""
    closed(books, MAY)
    chan, lee = row(books), row(books, LEE)
    without_law(
        f"UPDATE ledger_entry SET amount_atoms = amount_atoms - 1 WHERE account_id = {chan.pk}",
        f"UPDATE ledger_entry SET amount_atoms = amount_atoms + 1 WHERE account_id = {lee.pk}",
    )
    assert len(found("period_figures_stand")) == 1


def test_a_journal_slipped_into_a_closed_period(books: Book) -> None:
    closed(books, APRIL)
    late = posting.post(books, cash_in("d3", CHAN, "1.00", value_on=MAY), actor="ops")
    without_law(f"UPDATE ledger_journal SET value_on = '2026-04-30' WHERE id = '{late.journal_id}'")

    assert len(found("period_figures_stand")) == 1


def test_figures_altered_by_hand_and_those_of_what_was_reopened(books: Book) -> None:
    closed(books, MAY)
    changed(books, "reopen", None)
    again = closed(books, APRIL)
    posting.post(books, cash_in("d3", CHAN, "1.00", value_on=MAY), actor="ops")
    assert found("period_figures_stand") == []

    without_law("UPDATE ledger_periodchange SET figures = '{}' WHERE kind = 'close'")
    assert [subject for subject, _message in found("period_figures_stand")] == [
        f"change of periods {again.pk}"
    ]


def test_balances_by_account_altered_or_of_no_closing(books: Book) -> None:
    change = closed(books, MAY)
    assert found("period_balances_stand") == []
    lee = row(books, LEE)
    without_law(
        f"UPDATE ledger_period_balance SET entry_count = 9 WHERE account_id = {lee.pk}",
        f"INSERT INTO ledger_period_balance VALUES ({change.pk + 1}, {lee.pk}, 1, 1)",
    )

    assert found("period_balances_stand") == [
        (
            f"change of periods {change.pk}",
            "was closed through 2026-05-31 with balances by account that do not make its figures in HKD",
        ),
        (f"change of periods {change.pk + 1}", "has balances by account and is none that is there"),
    ]
