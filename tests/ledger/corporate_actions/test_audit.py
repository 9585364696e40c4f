"""Damage done to corporate actions as the owner of the tables could do it; the audit names the row."""

from __future__ import annotations

from datetime import date

import pytest

from ledger import posting
from ledger.corporate_actions.actions import carry_out
from ledger.models import Book, CorporateAction, Entitlement
from tests.ledger.books import account_id, move, pledge, without_law

from .issuers import CHAN, EX, LEE, announced, booked, findings, journals_of, on, shares

pytestmark = pytest.mark.django_db
PAY = date(2026, 4, 20)


@pytest.fixture
def action(book: Book) -> CorporateAction:
    """A consolidation that was applied and paid."""
    booked(
        book,
        [pledge("p1", CHAN, "1204", "00700", "CCASS"), pledge("p2", LEE, "333", "00700", "CCASS")],
    )
    action = announced(ratio_new=1, ratio_old=10, fraction_price="51.25", currency="HKD", pay_on=PAY)
    with on(EX):
        carry_out(action=action)
    with on(PAY):
        assert carry_out(action=action).stage == "completed"
    assert findings() == []
    return action


def row_of(action: CorporateAction, owner: str) -> Entitlement:
    return action.entitlements.get(account__owner=owner)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("entitled_atoms = 121, change_atoms = -1083", "entitled_atoms is 121, the terms give 120"),
        ("cash_atoms = 2051", "cash_atoms is 2051, the terms give 2050"),
        ("fraction_numerator = 1", "fraction is 1/5, the terms give 2/5"),
    ],
)
def test_what_was_written_down_altered(action: CorporateAction, change: str, message: str) -> None:
    row = row_of(action, CHAN)
    without_law(f"UPDATE ledger_entitlement SET {change} WHERE id = {row.pk}")

    assert (
        "ledger.entitlements_follow_the_terms",
        f"entitlement {row.pk}",
        f"of account {row.account_id}: {message}",
    ) in findings()


def test_terms_altered_after_they_were_carried_out(action: CorporateAction) -> None:
    without_law(f"UPDATE ledger_corporateaction SET ratio_old = 9 WHERE id = {action.pk}")

    subjects = {
        subject for check, subject, _ in findings() if check == "ledger.entitlements_follow_the_terms"
    }
    assert subjects == {f"entitlement {row.pk}" for row in action.entitlements.all()}


def test_a_holder_forgotten(action: CorporateAction) -> None:
    row = row_of(action, LEE)
    without_law(f"DELETE FROM ledger_entitlement WHERE id = {row.pk}")

    found = findings()
    journals = {row.journal_id, row.payment_id}
    assert {
        (
            "ledger.entitlements_are_booked",
            f"journal {pk}",
            f"no entitlement of corporate-action:{action.pk} made it",
        )
        for pk in journals
    } <= set(found)
    # The custodian's row no longer agrees with the holders' either.
    assert any(check == "ledger.entitlements_follow_the_terms" for check, *_rest in found)


def test_a_holder_made_up(action: CorporateAction, book: Book) -> None:
    stranger = account_id(book, shares("C009"))
    without_law(
        "INSERT INTO ledger_entitlement (action_id, account_id, holding_atoms, entitled_atoms, change_atoms,"
        " fraction_numerator, fraction_denominator, cash_atoms, status, held_up_by)"
        f" VALUES ({action.pk}, {stranger}, 100, 10, -90, 0, 1, 0, 'booked', '')"
    )
    row = action.entitlements.get(account=stranger)

    assert (
        "ledger.entitlements_are_booked",
        f"entitlement {row.pk}",
        f"of account {stranger}: journal None is not what its status says",
    ) in findings()


def test_a_status_ahead_of_its_journal(action: CorporateAction) -> None:
    row = row_of(action, CHAN)
    without_law(f"UPDATE ledger_entitlement SET payment_id = NULL WHERE id = {row.pk}")

    assert (
        "ledger.entitlements_are_booked",
        f"entitlement {row.pk}",
        f"of account {row.account_id}: journal None is not what its status says",
    ) in findings()


def test_a_row_that_names_another_journal(action: CorporateAction) -> None:
    chan, lee = row_of(action, CHAN), row_of(action, LEE)
    without_law(f"UPDATE ledger_entitlement SET journal_id = '{lee.journal_id}' WHERE id = {chan.pk}")

    assert (
        "ledger.entitlements_are_booked",
        f"entitlement {chan.pk}",
        f"of account {chan.account_id}: journal {lee.journal_id} is not the one its terms make",
    ) in findings()


def test_a_journal_that_calls_itself_part_of_an_action(action: CorporateAction, book: Book) -> None:
    booked(
        book,
        [move("x", shares(LEE), shares(CHAN), "1", cause=f"corporate-action:{action.pk}", kind="split")],
    )
    stranger = next(journal for journal in journals_of(action) if journal.idempotency_key == "x")

    assert findings() == [
        (
            "ledger.entitlements_are_booked",
            f"journal {stranger.pk}",
            f"no entitlement of corporate-action:{action.pk} made it",
        )
    ]


def test_a_journal_reversed_by_hand_is_no_damage(action: CorporateAction) -> None:
    """A correction by two people's leave is seen in the books as what it is."""
    mistaken = next(j for j in journals_of(action) if j.idempotency_key.endswith(":paid"))
    posting.reverse(mistaken, key="r1", actor="lam", reason="The custodian paid nothing")

    assert findings() == []
