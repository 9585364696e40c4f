from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ledger import balances, posting
from ledger.core import clock
from ledger.core.errors import Conflict, Invalid
from ledger.models import Account, Book, Journal
from ledger.posting import AccountFrozen, InsufficientBalance

from .books import BANK, cash, cash_in, cash_out

pytestmark = pytest.mark.django_db
CHAN = "H0001"


@pytest.fixture
def deposit(book: Book) -> Journal:
    posted = posting.post(book, cash_in("d1", CHAN, "250.00"), actor="ops")
    return Journal.objects.get(pk=posted.journal_id)


def test_a_deposit_booked_by_mistake_is_reversed_and_both_stay_readable(book: Book, deposit: Journal) -> None:
    with clock.override(datetime(2022, 5, 13, 2, tzinfo=UTC)):
        posted = posting.reverse(deposit, key="r1", actor="lam", reason="Belongs to another client")

    reversal = Journal.objects.get(pk=posted.journal_id)
    assert balances.holding(book, cash(CHAN)) == 0
    assert balances.holding(book, BANK) == 0
    assert reversal.reversal_of == deposit
    assert list(deposit.reversals.all()) == [reversal]
    assert (reversal.kind, reversal.cause) == ("reversal", f"journal:{deposit.pk}")
    assert (reversal.actor, reversal.narrative) == ("lam", "Belongs to another client")
    assert reversal.value_on == date(2022, 5, 13)
    assert deposit.entries.count() == 2


def test_the_same_reversal_sent_again_is_had_once(book: Book, deposit: Journal) -> None:
    first = posting.reverse(deposit, key="r1", actor="lam", reason="Mistake", value_on=deposit.value_on)
    again = posting.reverse(deposit, key="r1", actor="lam", reason="Mistake", value_on=deposit.value_on)

    assert (again.journal_id, again.is_replay) == (first.journal_id, True)
    assert balances.holding(book, cash(CHAN)) == 0


def test_a_second_reversal_is_refused(book: Book, deposit: Journal) -> None:
    posting.reverse(deposit, key="r1", actor="lam", reason="Mistake")
    # Enough stands there for another one, so only the law is in the way.
    posting.post(book, cash_in("d2", CHAN, "250.00"), actor="ops")

    with pytest.raises(Conflict, match="already reversed") as refused:
        posting.reverse(deposit, key="r2", actor="lam", reason="Mistake")

    assert refused.value.reason == "already_reversed"
    assert balances.holding(book, cash(CHAN)) == Decimal("250.00")


def test_a_reversal_can_itself_be_reversed_once(book: Book, deposit: Journal) -> None:
    first = posting.reverse(deposit, key="r1", actor="lam", reason="Mistake")
    reversal = Journal.objects.get(pk=first.journal_id)

    posting.reverse(reversal, key="r2", actor="lam", reason="It was right after all")

    assert balances.holding(book, cash(CHAN)) == Decimal("250.00")


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_reversal_needs_a_reason(deposit: Journal, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        posting.reverse(deposit, key="r1", actor="lam", reason=reason)

    assert (refused.value.reason, refused.value.field) == ("reason_required", "reason")


def test_what_was_spent_since_cannot_be_taken_back(book: Book, deposit: Journal) -> None:
    posting.post(book, cash_out("w1", CHAN, "0.01"), actor="ops")

    with pytest.raises(InsufficientBalance):
        posting.reverse(deposit, key="r1", actor="lam", reason="Mistake")


def test_a_frozen_account_is_not_reversed_either(deposit: Journal) -> None:
    Account.objects.filter(owner=CHAN).update(freeze=Account.Freeze.ALL)

    with pytest.raises(AccountFrozen):
        posting.reverse(deposit, key="r1", actor="lam", reason="Mistake")
