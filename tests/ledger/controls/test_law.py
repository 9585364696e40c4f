"""Raw SQL goes round the services of limits, closings and periods and is refused. See `ledger/INVARIANTS.md`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from django.db import Error, transaction

from ledger import limits, periods, posting
from ledger.models import Account, AccountLimit, Book, PeriodChange, Role
from ledger.models.account import DEBIT_NORMAL_ROLES, UNBOUNDED_ROLES
from tests.ledger.books import (
    BANK,
    account_id,
    cash,
    cash_in,
    pledge,
    pledged,
    raw_entries,
    raw_journal,
    sql,
    without_law,
)
from tests.ledger.corporate_actions.issuers import on, person
from tests.ledger.corporate_actions.test_law import refused

from .accounts import APRIL, CHAN, MAY, TODAY, changed, closed, limited

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with on(TODAY):
        yield


@pytest.fixture
def account(book: Book) -> Account:
    posting.post_batch(
        book,
        [cash_in("d1", CHAN, "100.00"), cash_in("d2", "H0002", "9.00"), pledge("p1", CHAN, "1.5")],
        actor="ops",
    )
    return Account.objects.get(pk=account_id(book, cash(CHAN)))


@pytest.fixture
def proposal(account: Account) -> AccountLimit:
    return limits.propose(
        account=account, floor="-5.00", ceiling=None, effective_on=TODAY, reason="x", maker=person("chow")
    )


@pytest.fixture
def waiting(account: Account) -> AccountLimit:
    """Approved, and due three days later."""
    return limited(account, floor="-5.00", effective_on=date(2026, 6, 4))


def test_l16_both_languages_know_the_same_sides(db: None) -> None:
    for role in Role.values:
        is_debit_normal, is_unbounded = role in DEBIT_NORMAL_ROLES, role in UNBOUNDED_ROLES
        floor = 0 if is_debit_normal and not is_unbounded else None
        ceiling = 0 if not is_debit_normal and not is_unbounded else None
        assert sql(
            "SELECT ledger_is_debit_normal(%s), ledger_lies_in_slots(%s), floor, ceiling"
            " FROM ledger_bounds_of_role(%s)",
            role,
            role,
            role,
        ) == [(role in DEBIT_NORMAL_ROLES, role in UNBOUNDED_ROLES, floor, ceiling)]


@pytest.mark.parametrize(
    "change",
    [
        "ceiling_atoms = 500",
        "ceiling_atoms = NULL",
        "floor_atoms = -20000",
        "limit_id = (SELECT max(id) FROM ledger_accountlimit)",
        "ceiling_atoms = 500, limit_id = (SELECT max(id) FROM ledger_accountlimit)",
        "ceiling_atoms = 500, limit_id = 0",
    ],
)
def test_l16_bounds_moved_without_a_limit_that_is_due(waiting: AccountLimit, change: str) -> None:
    said = refused(f"UPDATE ledger_balance SET {change} WHERE account_id = %s", waiting.account_id)
    assert "not those of a limit that was approved, is due" in said


@pytest.mark.parametrize(
    "change",
    [
        "ceiling_atoms = 501",
        "floor_atoms = -20000",
        "limit_id = NULL",
        "ceiling_atoms = 0, limit_id = NULL",
    ],
)
def test_l16_bounds_that_are_not_those_of_the_limit_in_force(account: Account, change: str) -> None:
    limited(account, floor="-5.00")
    said = refused(f"UPDATE ledger_balance SET {change} WHERE account_id = %s", account.pk)
    assert "not those of a limit" in said


def test_l16_a_limit_of_another_account_or_of_an_earlier_day(book: Book, account: Account) -> None:
    first, second = limited(account, floor="-5.00"), limited(account, floor="-6.00")
    lee = account_id(book, cash("H0002"))
    bounds = "UPDATE ledger_balance SET ceiling_atoms = %s, limit_id = %s WHERE account_id = %s"

    assert "not those of a limit" in refused(bounds, 600, second.pk, lee)
    assert "not those of a limit" in refused(bounds, 500, first.pk, account.pk)


def test_l16_a_balance_that_starts_with_bounds_of_its_own(book: Book, account: Account) -> None:
    sql(
        'INSERT INTO ledger_account (book_id, owner, role, asset_id, "freeze")'
        " SELECT book_id, 'H0009', role, asset_id, \"freeze\" FROM ledger_account WHERE id = %s",
        account.pk,
    )
    new = "INSERT INTO ledger_balance (account_id, floor_atoms, ceiling_atoms) SELECT max(id), %s, %s FROM ledger_account"

    assert "starts with the bounds of its role" in refused(new, None, None)
    assert "starts with the bounds of its role" in refused(new, -5, 0)
    sql(new, None, 0)


@pytest.mark.parametrize(
    "change",
    [
        "floor_atoms = -600",
        "ceiling_atoms = 0",
        "effective_on = '2026-06-02'",
        "reason = 'y'",
        "account_id = 1",
    ],
)
def test_l16_a_proposal_altered_before_its_decision(proposal: AccountLimit, change: str) -> None:
    decision = "approval = 'approved', checked_at = now(), checker_id = %s"
    assert "decided as it stands" in refused(
        f"UPDATE ledger_accountlimit SET {change}, {decision}", person("ng").pk
    )


@pytest.mark.parametrize(
    "change",
    [
        "approval = 'rejected'",
        "approval = 'proposed', checker_id = NULL, checked_at = NULL, applied_at = NULL",
        "floor_atoms = NULL",
        "effective_on = '2026-06-01'",
        "checked_at = now() + interval '1 day'",
    ],
)
def test_l16_an_approved_limit_altered(waiting: AccountLimit, change: str) -> None:
    assert "decided as it stands" in refused(f"UPDATE ledger_accountlimit SET {change}")


def test_l16_the_maker_of_a_limit_is_never_its_checker(proposal: AccountLimit) -> None:
    said = refused(
        "UPDATE ledger_accountlimit SET approval = 'approved', checked_at = now(), checker_id = maker_id"
    )
    assert "maker_is_not_checker" in said


def test_l16_a_limit_in_force_before_its_day_or_its_approval(
    proposal: AccountLimit, account: Account
) -> None:
    applied = "UPDATE ledger_accountlimit SET applied_at = %s WHERE id = %s"
    assert "applied_when_approved" in refused(applied, "2026-06-01T12:00:00+08:00", proposal.pk)

    later = limited(account, floor="-5.00", effective_on=date(2026, 6, 4))
    assert "comes in force once, when it is due" in refused(applied, "2026-06-03T23:59:59+08:00", later.pk)
    limits.reject(proposal, checker=person("ng"), reason="No")
    assert "comes in force once" in refused(applied, "2026-06-05T12:00:00+08:00", proposal.pk)
    sql(applied, "2026-06-04T00:00:00+08:00", later.pk)
    assert "comes in force once" in refused(applied, "2026-06-05T00:00:00+08:00", later.pk)
    # Who says that it is in force has drawn the bounds by it.
    assert sql("SELECT ceiling_atoms, limit_id FROM ledger_balance WHERE account_id = %s", account.pk) == [
        (500, later.pk)
    ]


def test_l16_a_limit_that_the_balance_does_not_stand_within(account: Account) -> None:
    limited(account, floor="200.00", effective_on=date(2026, 6, 4))
    said = refused("UPDATE ledger_accountlimit SET applied_at = '2026-06-04T12:00:00+08:00'")
    assert "ledger_balance_within_bounds" in said


def raw_limit(account: int, **columns: object) -> str:
    values = {
        "account_id": account,
        "floor_atoms": 0,
        "effective_on": TODAY,
        "approval": "proposed",
        "maker_id": person("chow").pk,
        "made_at": "2026-06-01T09:00:00Z",
        "reason": "",
    } | columns
    marks = ", ".join(["%s"] * len(values))
    return refused(
        f"INSERT INTO ledger_accountlimit ({', '.join(values)}) VALUES ({marks})", *values.values()
    )


def test_l16_a_limit_that_begins_approved_or_crossed_or_goes_short(book: Book, account: Account) -> None:
    decided = {"approval": "approved", "checker_id": person("ng").pk, "checked_at": "2026-06-01T10:00:00Z"}
    coins = account_id(book, pledged(CHAN))

    assert "is proposed before it is approved" in raw_limit(account.pk, **decided)
    assert "floor_below_ceiling" in raw_limit(account.pk, floor_atoms=2, ceiling_atoms=1)
    assert "may not go short" in raw_limit(coins, floor_atoms=-1)
    assert "may not go short" in raw_limit(coins, floor_atoms=None)
    for amount in ("NaN", "Infinity", "0.5", "1e38"):
        assert "atoms_are_whole" in raw_limit(account.pk, floor_atoms=None, ceiling_atoms=amount)


@pytest.mark.parametrize("table", ["ledger_accountlimit", "ledger_periodchange"])
def test_l16_l19_nothing_is_deleted(book: Book, account: Account, table: str) -> None:
    limited(account, floor="-5.00")
    closed(book)
    assert "append-only" in refused(f"DELETE FROM {table}")
    assert "append-only" in refused(f"TRUNCATE {table} CASCADE")


def test_l17_a_slot_frozen_closed_or_limited_alone(book: Book, account: Account) -> None:
    bank, _other = (account_id(book, BANK._replace(slot=slot)) for slot in (97, 98))

    assert "in all its slots or in none" in refused(
        'UPDATE ledger_account SET "freeze" = %s WHERE id = %s', "all", bank
    )
    assert "in all its slots or in none" in refused(
        "UPDATE ledger_account SET closed_at = now() WHERE id = %s", bank
    )
    assert "lies in slots and takes no limits" in raw_limit(bank)
    sql("UPDATE ledger_account SET \"freeze\" = 'all' WHERE role = 'nostro'")


def test_l17_a_slot_opened_beside_a_frozen_one_is_frozen(book: Book, account: Account) -> None:
    sql("UPDATE ledger_account SET \"freeze\" = 'debit' WHERE role = 'nostro'")
    sql(
        'INSERT INTO ledger_account (book_id, owner, role, asset_id, location_id, slot, "freeze")'
        " SELECT book_id, owner, role, asset_id, location_id, 99, 'none' FROM ledger_account"
        " WHERE role = 'nostro'"
    )
    assert sql("SELECT DISTINCT \"freeze\" FROM ledger_account WHERE role = 'nostro'") == [("debit",)]


@pytest.mark.parametrize("day", ["'2026-05-31'", "'2026-04-30'", "NULL", "'2021-01-01'", "'9999-12-31'"])
def test_l18_periods_moved_without_two_people(book: Book, account: Account, day: str) -> None:
    periods.propose(book=book, kind="close", through=MAY, reason="x", maker=person("chow"))
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    if day != "NULL":
        assert "only by two people" in refused(f"UPDATE ledger_book SET closed_through = {day}")
    closed(book, date(2026, 5, 15))
    assert "only by two people" in refused(f"UPDATE ledger_book SET closed_through = {day}")


def test_l18_a_change_that_was_followed_is_not_followed_again(book: Book) -> None:
    closed(book, MAY)
    changed(book, "reopen", None)

    assert "only by two people" in refused("UPDATE ledger_book SET closed_through = '2026-05-31'")


def test_l18_a_book_that_begins_closed(db: None) -> None:
    new = "INSERT INTO ledger_book (code, name, closed_through) VALUES ('X', '', '2026-05-31')"
    assert "only by two people" in refused(new)


@pytest.mark.parametrize(
    ("kind", "through"),
    [
        ("close", "2026-04-30"),
        ("close", "2026-03-31"),
        ("close", "2026-06-01"),
        ("close", "9999-12-31"),
        ("close", "infinity"),
        ("reopen", "2026-04-30"),
        ("reopen", "2026-05-01"),
    ],
)
def test_l18_closing_goes_forward_over_days_that_are_over_and_reopening_back(
    book: Book, kind: str, through: str
) -> None:
    closed(book, APRIL)
    sql(
        "INSERT INTO ledger_periodchange (book_id, kind, through, approval, maker_id, made_at, reason)"
        " VALUES (%s, %s, %s, 'proposed', %s, now(), '')",
        book.pk,
        kind,
        through,
        person("chow").pk,
    )
    said = refused(
        "UPDATE ledger_periodchange SET approval = 'approved', checked_at = '2026-06-01T23:00:00+08:00',"
        " checker_id = %s WHERE number IS NULL",
        person("ng").pk,
    )
    assert f"cannot {kind} to" in said


def test_l18_the_maker_of_a_closing_is_never_its_checker(book: Book) -> None:
    periods.propose(book=book, kind="close", through=MAY, reason="x", maker=person("chow"))
    for checker in ("checker_id = maker_id", "checker_id = NULL"):
        said = refused(
            "UPDATE ledger_periodchange SET approval = 'approved',"
            f" checked_at = '2026-06-01T12:00:00+08:00', {checker}"
        )
        assert "maker_is_not_checker" in said or "decided_by_a_checker" in said


def raw_change(book: Book, **columns: object) -> str:
    values = {
        "book_id": book.pk,
        "kind": "close",
        "through": MAY,
        "approval": "proposed",
        "maker_id": person("chow").pk,
        "made_at": "2026-06-01T09:00:00Z",
        "reason": "",
    } | columns
    marks = ", ".join(["%s"] * len(values))
    return refused(
        f"INSERT INTO ledger_periodchange ({', '.join(values)}) VALUES ({marks})", *values.values()
    )


def test_l19_a_change_that_begins_approved_or_with_figures(book: Book) -> None:
    decided = {"approval": "approved", "checker_id": person("ng").pk, "checked_at": "2026-06-01T10:00:00Z"}

    assert "is proposed before it is approved" in raw_change(book, **decided)
    assert "numbered_when_approved" in raw_change(book, figures="{}")
    assert "numbered_when_approved" in raw_change(book, number=7)
    assert "of_its_kind" in raw_change(book, kind="shut")
    assert "of_its_kind" in raw_change(book, through=None)


@pytest.mark.parametrize(
    "change",
    [
        "figures = '{}'",
        "through = '2026-05-30'",
        "number = 2",
        "closed_before = '2026-01-01'",
        "reason = 'y'",
        "kind = 'reopen'",
        "approval = 'rejected', number = NULL, figures = NULL",
    ],
)
def test_l19_what_was_written_down_at_a_closing_stays(book: Book, account: Account, change: str) -> None:
    closed(book)
    assert "decided as it stands, once" in refused(f"UPDATE ledger_periodchange SET {change}")


def test_l19_who_closes_by_hand_does_not_choose_the_figures(book: Book, account: Account) -> None:
    change = periods.propose(book=book, kind="close", through=MAY, reason="x", maker=person("chow"))
    decision = "approval = 'approved', checked_at = '2026-06-01T12:00:00+08:00', checker_id = %s"

    assert "decided as it stands" in refused(
        f"UPDATE ledger_periodchange SET {decision}, figures = '{{}}', number = 1", person("ng").pk
    )
    sql(f"UPDATE ledger_periodchange SET {decision}", person("ng").pk)
    told = PeriodChange.objects.get(pk=change.pk)
    assert [(total.asset, total.entries) for total in periods.totals_of(told)] == [("BTC", 2), ("HKD", 4)]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO ledger_period_balance SELECT change_id, account_id + 1000, 1, 1 FROM ledger_period_balance",
        "UPDATE ledger_period_balance SET net_atoms = 0",
        "DELETE FROM ledger_period_balance",
        "TRUNCATE ledger_period_balance",
    ],
)
def test_l19_balances_written_down_at_a_closing_by_hand(book: Book, account: Account, change: str) -> None:
    closed(book)
    said = refused(change)
    assert "by the closing of a period alone" in said or "append-only" in said


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_l19_a_closing_that_looked_before_it_waited(book: Book, account: Account, isolation: str) -> None:
    """It would write down what it saw then, without the postings it waited for."""
    change = periods.propose(book=book, kind="close", through=MAY, reason="x", maker=person("chow"))
    decision = "approval = 'approved', checked_at = '2026-06-01T12:00:00+08:00', checker_id = %s"
    with transaction.atomic():
        sql(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        said = refused(f"UPDATE ledger_periodchange SET {decision} WHERE id = %s", person("ng").pk, change.pk)
    assert "in read committed isolation" in said


def raw_deposit(book: Book, account: Account, value_on: date) -> str:
    """Try to book 1.00 on top of Ms Chan's 100.00 and Mr Lee's 9.00 by hand."""
    bank = account_id(book, BANK)
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    journal = raw_journal(book, 2, value_on=value_on)
    with pytest.raises(Error) as said, transaction.atomic():
        raw_entries((journal, account.pk, "-100", "-10100", 2), (journal, bank, "100", "11000", 3))
    return str(said.value)


def test_l7_a_closed_account_moved_and_one_that_is_not_empty_closed(book: Book, account: Account) -> None:
    assert "is not empty" in refused("UPDATE ledger_account SET closed_at = now() WHERE id = %s", account.pk)
    without_law(f"UPDATE ledger_account SET closed_at = now() WHERE id = {account.pk}")
    without_law(f"UPDATE ledger_balance SET \"freeze\" = 'closed' WHERE account_id = {account.pk}")

    assert "is closed" in raw_deposit(book, account, TODAY)


def test_l18_a_journal_booked_into_a_closed_period(book: Book, account: Account) -> None:
    closed(book, MAY)

    assert "lies in a closed period" in raw_deposit(book, account, MAY)
