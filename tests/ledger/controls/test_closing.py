"""Accounts close when they are empty, reopen, and are frozen and closed in all their slots."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger import posting
from ledger.accounts import AccountKey, resolve
from ledger.closing import close_account, reopen_account
from ledger.core.errors import Conflict, Invalid
from ledger.core.models import Event
from ledger.freezes import set_freeze
from ledger.models import Account, Book
from ledger.refusals import AccountClosed, AccountFrozen
from tests.ledger.books import BANK, account_id, cash, cash_in, cash_out, move, sql

from .accounts import CHAN, LEE, held

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(book: Book) -> Account:
    """Ms Chan's money, of which nothing is left."""
    posting.post_batch(book, [cash_in("d1", CHAN, "7.00"), cash_out("w1", CHAN, "7.00")], actor="ops")
    return Account.objects.get(pk=account_id(book, cash(CHAN)))


def slot(number: int) -> AccountKey:
    return BANK._replace(slot=number)


def test_who_left_is_closed_and_takes_nothing_until_reopened(book: Book, account: Account) -> None:
    closed = close_account(account=account, actor="lam", reason="Client left")

    assert closed.closed_at is not None
    with pytest.raises(AccountClosed, match="Client cash / HKD is closed"):
        posting.post(book, cash_in("d2", CHAN, "1.00"), actor="ops")
    reopen_account(account=account, actor="ng", reason="Client came back")
    posting.post(book, cash_in("d2", CHAN, "1.00"), actor="ops")

    told = Event.objects.filter(subject_id=str(account.pk)).order_by("pk")
    assert [(e.topic, e.actor, e.reason, e.broker_code) for e in told] == [
        ("ledger.account.closed", "lam", "Client left", "HARBOUR"),
        ("ledger.account.reopened", "ng", "Client came back", "HARBOUR"),
    ]


def test_the_key_of_a_closed_account_opens_no_second_one(book: Book, account: Account) -> None:
    close_account(account=account, actor="lam", reason="Client left")

    assert resolve(book, [cash(CHAN)])[cash(CHAN)].id == account.pk
    assert Account.objects.filter(owner=CHAN).count() == 1


def test_what_is_not_empty_stays_open(book: Book, account: Account) -> None:
    posting.post(book, cash_in("d2", CHAN, "0.01"), actor="ops")

    with pytest.raises(Conflict, match=r"is not empty: 0\.01 HKD stand on it") as refused:
        close_account(account=account, actor="lam", reason="Client left")
    assert refused.value.reason == "not_empty"


def test_what_is_held_stays_open(book: Book, account: Account) -> None:
    posting.post(book, cash_in("d2", LEE, "1.00"), actor="ops")
    held(book, cash(LEE), cash(CHAN), "1.00")  # of what Lee may have to pay to Chan

    with pytest.raises(Conflict, match="has holds that are still active") as refused:
        close_account(account=account, actor="lam", reason="Client left")
    assert refused.value.reason == "has_holds"


def test_twice_closed_never_closed_and_without_a_reason(account: Account) -> None:
    with pytest.raises(Invalid):
        close_account(account=account, actor="lam", reason=" ")
    with pytest.raises(Conflict) as refused:
        reopen_account(account=account, actor="lam", reason="x")
    assert refused.value.reason == "not_closed"
    close_account(account=account, actor="lam", reason="Client left")
    with pytest.raises(Conflict) as refused:
        close_account(account=account, actor="lam", reason="Client left")
    assert refused.value.reason == "already_closed"


def test_a_freeze_of_a_house_account_stops_every_slot_and_those_to_come(book: Book) -> None:
    posting.post_batch(book, [move(f"d{n}", slot(n), cash(CHAN), "5.00") for n in (1, 2)], actor="ops")
    first = Account.objects.get(pk=account_id(book, slot(1)))

    set_freeze(account=first, mode="credit", actor="lam", reason="Bank in default")

    for n in (1, 2, 3):
        posting.post(book, move(f"e{n}", slot(n), cash(CHAN), "1.00"), actor="ops")
        with pytest.raises(AccountFrozen):
            posting.post(book, move(f"w{n}", cash(CHAN), slot(n), "1.00"), actor="ops")
    assert set(Account.objects.filter(role="nostro").values_list("slot", "freeze")) == {
        (1, "credit"),
        (2, "credit"),
        (3, "credit"),
    }
    set_freeze(account=first, mode="none", actor="lam", reason="Bank rescued")
    posting.post(book, move("w9", cash(CHAN), slot(2), "1.00"), actor="ops")


def test_a_house_account_closes_when_every_slot_is_empty(book: Book) -> None:
    posting.post_batch(
        book,
        [move("d1", slot(1), cash(CHAN), "5.00"), move("w1", cash(CHAN), slot(2), "5.00")],
        actor="ops",
    )
    first = Account.objects.get(pk=account_id(book, slot(1)))
    with pytest.raises(Conflict, match=r"BANK #1 is not empty: 5\.00 HKD"):
        close_account(account=first, actor="lam", reason="Moved to another bank")

    posting.post(book, move("s1", slot(2), slot(1), "5.00"), actor="ops")
    close_account(account=first, actor="lam", reason="Moved to another bank")

    for n in (1, 2, 3):
        with pytest.raises(AccountClosed):
            posting.post(book, move(f"e{n}", slot(n), cash(CHAN), "1.00"), actor="ops")
    assert not Account.objects.filter(role="nostro", closed_at=None).exists()
    assert sql("SELECT sum(net_atoms) FROM ledger_balance") == [(Decimal(0),)]
