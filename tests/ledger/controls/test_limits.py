"""Limits of accounts: from when they hold, what they refuse, and who may set them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from ledger import limits, posting, tasks
from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.closing import close_account
from ledger.core.errors import Conflict, Forbidden, Invalid, Refusal
from ledger.core.models import Event
from ledger.models import Account, AccountLimit, Balance, Book
from ledger.posting import InsufficientBalance
from ledger.refusals import AccountClosed
from tests.ledger.books import BANK, account_id, cash, cash_in, cash_out, pledge, pledged
from tests.ledger.corporate_actions.issuers import on, person

from .accounts import CHAN, TODAY, held, limited

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today():
    with on(TODAY):
        yield


@pytest.fixture
def account(book: Book) -> Account:
    """Ms Chan's money, 100.00."""
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    return Account.objects.get(pk=account_id(book, cash(CHAN)))


@pytest.fixture
def chow(db: None) -> User:
    return person("chow")


@pytest.fixture
def ng(db: None) -> User:
    return person("ng")


def test_an_overdraft_of_500_and_not_a_cent_more(book: Book, account: Account, chow: User, ng: User) -> None:
    proposal = limits.propose(
        account=account, floor="-500.00", ceiling=None, effective_on=TODAY, reason="Agreed", maker=chow
    )
    with pytest.raises(InsufficientBalance):
        posting.post(book, cash_out("w1", CHAN, "600.00"), actor="ops")

    limit = limits.approve(proposal, checker=ng)

    assert (limit.floor, limit.ceiling, limit.applied_at) == (Decimal("-500.00"), None, limit.checked_at)
    with pytest.raises(InsufficientBalance):
        posting.post(book, cash_out("w1", CHAN, "600.01"), actor="ops")
    posting.post(book, cash_out("w2", CHAN, "600.00"), actor="ops")
    assert holding(book, cash(CHAN)) == Decimal("-500.00")
    event = Event.objects.get(topic="ledger.account.limit_changed")
    assert (event.subject_id, event.actor, event.reason, event.broker_code) == (
        str(account.pk),
        "ng",
        "Agreed",
        "HARBOUR",
    )
    assert event.payload == {"limit": limit.pk, "floor": "-500.00", "ceiling": None}


def test_a_ceiling_keeps_what_is_over_it_out(book: Book, account: Account) -> None:
    limited(account, floor="20.00", ceiling="150.00")

    with pytest.raises(InsufficientBalance):
        posting.post(book, cash_in("d2", CHAN, "50.01"), actor="ops")
    posting.post(book, cash_in("d3", CHAN, "50.00"), actor="ops")
    with pytest.raises(InsufficientBalance):
        posting.post(book, cash_out("w1", CHAN, "130.01"), actor="ops")
    posting.post(book, cash_out("w2", CHAN, "130.00"), actor="ops")
    assert holding(book, cash(CHAN)) == Decimal("20.00")


def test_the_bounds_of_a_loan_are_on_its_own_side(book: Book, account: Account) -> None:
    loan = AccountKey("loan_principal", "HKD", CHAN)
    lend = {"key": "l1", "kind": "drawdown", "value_on": TODAY}
    posting.post(
        book,
        posting.JournalRequest(
            legs=(
                posting.debit(loan, Decimal("70.00")),
                posting.credit(cash(CHAN), Decimal("70.00")),
            ),
            **lend,  # type: ignore[arg-type]
        ),
        actor="ops",
    )
    lent = Account.objects.get(pk=account_id(book, loan))
    limited(lent, floor="0", ceiling="70.00")

    assert (lent.balance.floor_atoms, lent.balance.ceiling_atoms) == (0, 7000)
    more = (posting.debit(loan, Decimal("0.01")), posting.credit(cash(CHAN), Decimal("0.01")))
    with pytest.raises(InsufficientBalance):
        posting.post(book, posting.JournalRequest("l2", "drawdown", more, TODAY), actor="ops")


def test_a_limit_of_a_later_day_waits_for_it_and_the_clock_may_strike_twice(
    book: Book, account: Account, chow: User, ng: User
) -> None:
    limit = limited(account, floor="-5.00", effective_on=date(2026, 6, 4))
    assert limit.applied_at is None
    assert tasks.apply_limits() == 0
    with pytest.raises(InsufficientBalance):
        posting.post(book, cash_out("w1", CHAN, "100.01"), actor="ops")

    with on(date(2026, 6, 4)):
        assert (tasks.apply_limits(), tasks.apply_limits()) == (1, 0)
        assert Event.objects.filter(topic="ledger.account.limit_changed").count() == 1
        posting.post(book, cash_out("w2", CHAN, "105.00"), actor="ops")


def test_what_stands_or_is_held_outside_is_told_with_its_figures(
    book: Book, account: Account, ng: User
) -> None:
    held(book, cash(CHAN), BANK, "60.00")

    with pytest.raises(Conflict) as refused:
        limited(account, floor="40.01")
    assert (refused.value.reason, refused.value.field) == ("outside_bounds", "floor")
    assert refused.value.details == {"standing": "100.00", "held": "60.00"}
    with pytest.raises(Conflict) as refused:
        limited(account, ceiling="99.99")
    assert (refused.value.reason, refused.value.field) == ("outside_bounds", "ceiling")
    # The refused approval left both proposals as they were.
    assert set(AccountLimit.objects.values_list("approval", "applied_at")) == {("proposed", None)}

    limited(account, floor="40.00", ceiling="100.00")
    assert Balance.objects.get(account=account).limit is not None


def test_one_that_cannot_come_in_force_on_its_day_waits_and_stops_no_other(
    book: Book, account: Account
) -> None:
    posting.post(book, cash_in("d2", "H0002", "10.00"), actor="ops")
    lee = Account.objects.get(pk=account_id(book, cash("H0002")))
    limited(account, floor="200.00", effective_on=date(2026, 6, 4))
    limited(lee, floor="1.00", effective_on=date(2026, 6, 4))

    with on(date(2026, 6, 4)):
        assert tasks.apply_limits() == 1
    posting.post(book, cash_in("d3", CHAN, "100.00"), actor="ops")
    with on(date(2026, 6, 5)):
        assert tasks.apply_limits() == 1
        with pytest.raises(InsufficientBalance):
            posting.post(book, cash_out("w1", CHAN, "0.01"), actor="ops")


def test_what_was_in_force_on_a_day_can_be_told(book: Book, account: Account, chow: User, ng: User) -> None:
    first = limited(account, floor="-1.00")
    late = limits.propose(
        account=account,
        floor="-2.00",
        ceiling=None,
        effective_on=date(2026, 6, 5),
        reason="x",
        maker=chow,
    )
    second = limited(account, floor="-3.00", effective_on=date(2026, 6, 10))
    with on(date(2026, 6, 10)):
        assert tasks.apply_limits() == 1
        with pytest.raises(Conflict, match="later day is in force") as refused:
            limits.approve(late, checker=ng)

    assert refused.value.reason == "superseded"
    told = [
        limits.in_force(account, on=day)
        for day in (date(2026, 5, 31), TODAY, date(2026, 6, 9), date(2026, 6, 10))
    ]
    assert told == [None, first, first, second]


def test_a_limit_that_was_overtaken_never_comes_in_force(book: Book, account: Account) -> None:
    limited(account, floor="-1.00", effective_on=date(2026, 6, 4))
    limited(account, floor="-2.00", effective_on=date(2026, 6, 3))

    with on(date(2026, 6, 4)):
        assert tasks.apply_limits() == 2
        assert limits.in_force(account).floor == Decimal("-1.00")  # type: ignore[union-attr]
        assert tasks.apply_limits() == 0


def test_two_people_are_needed(account: Account, chow: User, ng: User) -> None:
    proposal = limits.propose(
        account=account, floor="0", ceiling="5000.00", effective_on=TODAY, reason="Policy", maker=chow
    )

    with pytest.raises(Forbidden) as refused:
        limits.approve(proposal, checker=chow)
    assert refused.value.reason == "maker_is_checker"
    limits.reject(proposal, checker=ng, reason="Too high")
    with pytest.raises(Conflict):
        limits.approve(proposal, checker=ng)
    assert Balance.objects.get(account=account).limit is None


@pytest.mark.parametrize(
    ("bounds", "field", "code"),
    [
        ({"floor": "NaN"}, "floor", "inexact"),
        ({"floor": "0.001"}, "floor", "inexact"),
        ({"ceiling": "1e3"}, "ceiling", "inexact"),
        ({"ceiling": "-0"}, "ceiling", "inexact"),
        ({"ceiling": "1" + "0" * 36}, "ceiling", "inexact"),
        ({"ceiling": 1.5}, "ceiling", "inexact"),
        ({"floor": "1.00", "ceiling": "0.99"}, "ceiling", "bounds_crossed"),
        ({"effective_on": date(2026, 5, 31)}, "effective_on", "in_the_past"),
        ({"reason": " "}, "reason", "reason_required"),
    ],
)
def test_what_is_no_limit_is_refused_at_its_field(
    account: Account, bounds: dict[str, object], field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        limited(account, **bounds)
    assert (refused.value.field, refused.value.reason) == (field, code)


@pytest.mark.parametrize("floor", [None, "-0.5"])
def test_what_lies_somewhere_cannot_go_short(book: Book, floor: str | None) -> None:
    posting.post(book, pledge("p1", CHAN, "1.5"), actor="ops")
    coins = Account.objects.get(pk=account_id(book, pledged(CHAN)))

    with pytest.raises(Invalid) as refused:
        limited(coins, floor=floor)
    assert refused.value.reason == "goes_short"
    limited(coins, floor="0.5", ceiling="2")


def test_a_house_account_in_slots_takes_no_limits(book: Book, account: Account) -> None:
    bank = Account.objects.get(pk=account_id(book, BANK))

    with pytest.raises(Refusal, match="lies in slots and takes no limits") as refused:
        limited(bank, floor="0")
    assert refused.value.reason == "account_in_slots"


def test_a_closed_account_takes_no_limits(book: Book, account: Account) -> None:
    posting.post(book, cash_out("w1", CHAN, "100.00"), actor="ops")
    close_account(account=account, actor="ops", reason="Left")
    account.refresh_from_db()

    with pytest.raises(AccountClosed):
        limited(account, floor="0")
