"""Damage is planted as the owner of the tables could do it, and the audit names the row."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger import audit, holds
from ledger.models import Book, Hold, Journal
from tests.ledger.books import BANK, account_id, cash, custody, without_law
from tests.ledger.test_audit import found

from .reserved import CHAN, LEE, deliver, one, opened, pay, place

pytestmark = pytest.mark.django_db


@pytest.fixture
def hold(book: Book) -> Hold:
    """Of 40.00 held 15.00 were paid; another hold of 1.00 was released."""
    opened(book)
    made = one(book, "40.00")
    holds.post_hold(made, quantity=Decimal("15.00"), key="s1", actor="ops")
    holds.release(one(book, "1.00", key="h2"), actor="lam", reason="Mistake")
    return made


def test_holds_kept_by_the_law_have_no_findings(book: Book, hold: Hold) -> None:
    report = audit.run()

    assert report.findings == ()
    assert {"ledger.holds_are_counted", "ledger.holds_are_sound", "ledger.holds_match_their_hash"} <= set(
        report.checks
    )


def test_counters_moved_by_hand(book: Book, hold: Hold) -> None:
    chan = account_id(book, cash(CHAN))
    without_law(f"UPDATE ledger_balance SET held_debit_atoms = 2400 WHERE account_id = {chan}")

    assert found("holds_are_counted") == [
        (f"account {chan}", "2400 atoms held to be debited and 0 to be credited; its holds make 2500 and 0")
    ]


def test_a_hold_deleted_from_under_its_journals_and_counters(book: Book, hold: Hold) -> None:
    without_law(f"DELETE FROM ledger_hold WHERE id = '{hold.pk}'")

    chan, bank = account_id(book, cash(CHAN)), account_id(book, BANK)
    assert sorted(found("holds_are_counted")) == sorted(
        [
            (f"account {chan}", "2500 atoms held to be debited and 0 to be credited; its holds make 0 and 0"),
            (f"account {bank}", "0 atoms held to be debited and 2500 to be credited; its holds make 0 and 0"),
            (f"hold {hold.pk}", "journals post it and it does not exist"),
        ]
    )


def test_what_was_posted_miscounted(book: Book, hold: Hold) -> None:
    without_law(f"UPDATE ledger_hold SET posted_atoms = 1600 WHERE id = '{hold.pk}'")

    assert (f"hold {hold.pk}", "says 1600 atoms were posted and its journals make 1500") in found(
        "holds_are_counted"
    )


def test_an_ended_hold_reopened(book: Book, hold: Hold) -> None:
    without_law("UPDATE ledger_hold SET state = 'active', ended_at = NULL WHERE state = 'released'")

    chan = account_id(book, cash(CHAN))
    assert (
        f"account {chan}",
        "2500 atoms held to be debited and 0 to be credited; its holds make 2600 and 0",
    ) in found("holds_are_counted")


def test_a_hold_that_says_it_was_posted_or_expired(book: Book, hold: Hold) -> None:
    for state in ("posted", "expired"):
        without_law(
            f"UPDATE ledger_hold SET state = '{state}', ended_at = '2022-05-12' WHERE id = '{hold.pk}'"
        )
        assert [
            subject for subject, message in found("holds_are_sound") if message.startswith(f"is {state} ")
        ] == [f"hold {hold.pk}"]


def test_a_hold_moved_to_other_accounts(book: Book, hold: Hold) -> None:
    lee, vault = account_id(book, cash(LEE)), account_id(book, custody())
    without_law(f"UPDATE ledger_hold SET debit_account_id = {lee} WHERE id = '{hold.pk}'")

    journal = Journal.objects.get(hold=hold)
    assert found("holds_are_sound") == [
        (f"journal {journal.pk}", f"does not post hold {hold.pk} on its two accounts")
    ]
    assert found("holds_match_their_hash") == [
        (f"group {hold.pk}", "its body is not the one its hash was made of")
    ]
    without_law(f"UPDATE ledger_hold SET debit_account_id = {vault} WHERE id = '{hold.pk}'")
    assert (f"hold {hold.pk}", "its accounts are not two of one asset, place and book") in found(
        "holds_are_sound"
    )


def test_an_amount_or_an_end_altered(book: Book, hold: Hold) -> None:
    for change in ("amount_atoms = 4001", "amount_atoms = 4000, expires_at = '2099-01-01'"):
        without_law(f"UPDATE ledger_hold SET {change} WHERE id = '{hold.pk}'")
        assert [subject for subject, _message in found("holds_match_their_hash")] == [f"group {hold.pk}"]


def test_a_group_let_go_in_part_or_with_a_hold_missing(book: Book, hold: Hold) -> None:
    group = place(book, pay("1.00"), deliver("1"), key="g1")
    without_law(f"UPDATE ledger_hold SET state = 'released', ended_at = now() WHERE id = '{group[1].pk}'")
    assert [subject for subject, _message in found("holds_are_sound")] == [f"group {group[0].pk}"]

    without_law(f"DELETE FROM ledger_hold WHERE id = '{group[0].pk}'")
    assert (f"group {group[0].pk}", "has 1 holds, numbered 2 to 2, or was let go in part") in found(
        "holds_are_sound"
    )
