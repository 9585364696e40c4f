"""Advances and repayments: what is lent, on what, for what, and what stops new credit but no repayment."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core.errors import Forbidden, Invalid, KeyReused
from ledger.models import Journal, Role
from ledger.posting import InsufficientBalance
from margin.accrual import accrue_due, book_accrued
from margin.calls import review_calls
from margin.credit import CreditRefused
from margin.custody import deposit_cash, deposit_collateral, withdraw_cash, withdraw_collateral
from margin.lending import drawdown, repay
from margin.models import Facility, LoanMovement, MarginCall
from margin.valuations import run_valuation
from tests.builders import D, World, at, harbour, v01

pytestmark = pytest.mark.django_db

NOW = "2026-03-23 16:30"
# One coin carries 100,000 x 7.80 x 40% = 312,000.00, one share 100.00 x 70% = 70.00.
EIGHT_THOUSAND_SHARES_CARRY = "560000.00"


@pytest.fixture
def world() -> World:
    world = harbour()
    with at(NOW):
        world.price("00005", "100.00", "2026-03-23 16:08")
        world.price("BTC", "100000", "2026-03-23 16:29:30")
    return world


def ho(world: World, *, shares: str = "8000", coins: str = "", **options: object) -> Facility:
    facility = world.client("C002", "Ho Ka Yan", **options)
    pledged = {"s00005": shares, "BTC": coins}
    world.pledge(facility, **{name: quantity for name, quantity in pledged.items() if quantity})
    return facility


def advance(facility: Facility, amount: str, purpose: str = "securities", key: str = "a-1", **options: bool):
    return drawdown(facility=facility, amount=D(amount), purpose=purpose, key=key, actor="wong", **options)


def pay_in(facility: Facility, amount: str) -> None:
    deposit_cash(client=facility.client, currency="HKD", amount=D(amount), key=f"in-{amount}", actor="wong")


def pay_back(facility: Facility, amount: str, key: str = "r-1") -> LoanMovement:
    return repay(facility=facility, amount=D(amount), key=key, actor="wong")


def owed(facility: Facility, role: Role = Role.LOAN_PRINCIPAL) -> object:
    key = AccountKey(role, "HKD", facility.client.number)
    return holding(facility.client.broker.book, key)


def called_chan() -> tuple[World, Facility]:
    """Ms Chan of V01 with the call of 2 April open."""
    world, chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        review_calls(run=run_valuation(broker=world.broker))
    assert MarginCall.objects.filter(status__in=MarginCall.OPEN).count() == 1
    return world, chan


def test_an_advance_is_booked_as_principal_and_paid_out(world):
    with at(NOW):
        facility = ho(world)
        movement = advance(facility, "100000.00")
    assert (movement.kind, movement.purpose, movement.amount.amount) == (
        "drawdown",
        "securities",
        D("100000.00"),
    )
    assert movement.value_on == date(2026, 3, 23)
    assert owed(facility) == D("100000.00")
    assert holding(world.broker.book, AccountKey(Role.NOSTRO, "HKD")) == D("-100000.00")


def test_an_advance_may_stay_with_the_firm_as_the_clients_cash(world):
    with at(NOW):
        facility = ho(world)
        advance(facility, "100000.00", is_paid_out=False)
    assert owed(facility) == owed(facility, Role.CLIENT_CASH) == D("100000.00")
    assert holding(world.broker.book, AccountKey(Role.NOSTRO, "HKD")) == 0


@pytest.mark.parametrize("purpose", ["virtual_assets", "securities"])
def test_a_book_of_virtual_assets_alone_carries_no_loan(world, purpose):
    with at(NOW):
        facility = ho(world, shares="", coins="2")
        with pytest.raises(CreditRefused) as refusal:
            advance(facility, "100000.00", purpose)
    assert refusal.value.reason == "securities_collateral_required"
    assert refusal.value.details == {"securities_margin_value": "0.00"}
    assert not LoanMovement.objects.exists()


def test_a_client_who_was_not_approved_does_not_borrow_to_deal_in_coins(world):
    with at(NOW):
        facility = ho(world, may_borrow_on_coins=False)
        with pytest.raises(Forbidden) as refusal:
            advance(facility, "100000.00", "virtual_assets")
        assert refusal.value.reason == "va_financing_not_permitted"
        advance(facility, "100000.00", "securities")


def test_coins_of_a_client_who_was_not_approved_carry_nothing(world):
    with at(NOW):
        facility = ho(world, coins="1", may_borrow_on_coins=False)
        with pytest.raises(CreditRefused) as refusal:
            advance(facility, "600000.00")
        assert refusal.value.reason == "beyond_effective_limit"
        assert refusal.value.details["deficiency"] == "40000.00"


def test_a_firm_that_lost_its_permission_lends_on_shares_only(world):
    with at(NOW):
        facility = ho(world, coins="1")
        world.broker.va_financing_from = None
        world.broker.save()
        with pytest.raises(Forbidden) as refusal:
            advance(facility, "100000.00", "virtual_assets")
        assert refusal.value.reason == "va_financing_not_permitted"
        with pytest.raises(CreditRefused) as refusal:
            advance(facility, "560000.01")
        assert refusal.value.reason == "beyond_effective_limit"
        advance(facility, EIGHT_THOUSAND_SHARES_CARRY)


def test_leaning_on_coins_needs_the_policys_share_of_securities(world):
    """Shares carry 70,000.00 of 694,000.00, which is less than a fifth."""
    with at(NOW):
        facility = ho(world, shares="1000", coins="2")
        with pytest.raises(CreditRefused) as refusal:
            advance(facility, "70000.01")
        assert refusal.value.reason == "securities_collateral_required"
        assert refusal.value.details == {"securities_margin_value": "70000.00"}
        advance(facility, "70000.00")


def test_enough_securities_let_a_loan_lean_on_coins(world):
    """Shares carry 560,000.00 of 872,000.00."""
    with at(NOW):
        facility = ho(world, coins="1")
        advance(facility, "872000.00", "virtual_assets")
    assert owed(facility) == D("872000.00")


def test_an_advance_needs_a_purpose_that_is_known(world):
    with at(NOW):
        facility = ho(world)
        for purpose in ("", "holidays"):
            with pytest.raises(Invalid) as refusal:
                advance(facility, "1.00", purpose)
            assert (refusal.value.field, refusal.value.reason) == ("purpose", "unknown_purpose")


@pytest.mark.parametrize(
    ("limit", "available"), [("5000000.00", EIGHT_THOUSAND_SHARES_CARRY), ("300000.00", "300000.00")]
)
def test_margin_value_or_credit_limit_whichever_is_less_is_the_most_one_may_draw(world, limit, available):
    with at(NOW):
        facility = ho(world, limit=limit)
        with pytest.raises(CreditRefused) as refusal:
            advance(facility, str(D(available) + D("1234.56")))
        assert (refusal.value.reason, refusal.value.field) == ("beyond_effective_limit", "amount")
        assert "1234.56" in refusal.value.message
        assert refusal.value.details == {"deficiency": "1234.56"}
        advance(facility, available)
        with pytest.raises(CreditRefused, match=r"0\.01"):
            advance(facility, "0.01", key="a-2")


@pytest.mark.parametrize("due_on", [None, date(2026, 3, 22)])
def test_a_missing_or_overdue_credit_review_stops_new_credit(world, due_on):
    with at(NOW):
        facility = ho(world)
        facility.client.credit_review_due_on = due_on
        facility.client.save()
        with pytest.raises(CreditRefused) as refusal:
            advance(facility, "1.00")
        assert refusal.value.reason == "credit_review_overdue"
        facility.client.credit_review_due_on = date(2026, 3, 23)
        facility.client.save()
        advance(facility, "1.00")


def test_a_closed_facility_lends_no_more(world):
    with at(NOW):
        facility = ho(world)
        facility.closed_on = date(2026, 3, 23)
        facility.save()
        with pytest.raises(CreditRefused) as refusal:
            advance(facility, "1.00")
    assert refusal.value.reason == "facility_closed"


@pytest.mark.parametrize("moment", ["2026-03-23 16:30:31", "2026-03-23 16:34:31"], ids=["soft", "hard"])
def test_a_stale_price_stops_new_credit_and_never_money_that_comes_in(world, moment):
    with at(NOW):
        facility = ho(world, coins="1")
        advance(facility, "100000.00")
    with at(moment):
        pay_in(facility, "2000.00")
        with pytest.raises(CreditRefused) as refusal:
            advance(facility, "1.00", key="a-2")
        assert refusal.value.reason == "stale_price"
        assert refusal.value.details == {"assets": ["BTC"]}
        with pytest.raises(CreditRefused, match="BTC"):
            withdraw_cash(client=facility.client, currency="HKD", amount=D("1.00"), key="w", actor="wong")
        pay_back(facility, "1000.00")
    assert owed(facility) == D("99000.00")


def test_while_a_call_is_open_nothing_goes_out_and_everything_may_come_in():
    _world, chan = called_chan()
    with at("2026-04-02 16:30"):
        pay_in(chan, "2000.00")
        stopped = (
            lambda: advance(chan, "0.01"),
            lambda: withdraw_cash(
                client=chan.client, currency="HKD", amount=D("0.01"), key="w-1", actor="wong"
            ),
            lambda: withdraw_collateral(
                client=chan.client, asset="00005", quantity=D("1"), key="w-2", actor="wong"
            ),
        )
        for command in stopped:
            with pytest.raises(CreditRefused) as refusal:
                command()
            assert refusal.value.reason == "open_call"
        pay_back(chan, "1500.00")
        deposit_collateral(client=chan.client, asset="BTC", quantity=D("0.1"), key="d-1", actor="wong")
    assert owed(chan) == D("1498500.00")


def test_a_repayment_pays_booked_interest_first_and_then_principal():
    """3,287.67 of interest stand booked; 1,000.00 and then 4,000.00 are paid."""
    world, chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        book_accrued(facility=chan, actor="wong")
        pay_in(chan, "5000.00")
        assert owed(chan, Role.INTEREST_RECEIVABLE) == D("3287.67")
        pay_back(chan, "1000.00")
        assert owed(chan, Role.INTEREST_RECEIVABLE) == D("2287.67")
        assert owed(chan) == D("1500000.00")
        pay_back(chan, "4000.00", key="r-2")
    assert owed(chan, Role.INTEREST_RECEIVABLE) == 0
    assert owed(chan) == D("1498287.67")
    assert owed(chan, Role.CLIENT_CASH) == 0


def test_no_more_is_repaid_than_is_owed_or_than_there_is_cash(world):
    with at(NOW):
        facility = ho(world)
        advance(facility, "100000.00")
        pay_in(facility, "60000.00")
        with pytest.raises(InsufficientBalance, match="Client cash"):
            pay_back(facility, "60000.01")
        pay_in(facility, "40000.01")
        with pytest.raises(Invalid) as refusal:
            pay_back(facility, "100000.01")
        assert (refusal.value.field, refusal.value.reason) == ("amount", "more_than_owed")
        pay_back(facility, "100000.00")
    assert (owed(facility), owed(facility, Role.CLIENT_CASH)) == (0, D("0.01"))


def test_an_advance_asked_for_again_is_the_same_advance_whatever_came_since():
    _world, chan = called_chan()
    first = LoanMovement.objects.get()
    key = first.journal.idempotency_key.removeprefix("drawdown:C001:")
    with at("2026-04-02 16:31"):
        assert advance(chan, "1500000.00", "virtual_assets", key) == first
    assert owed(chan) == D("1500000.00")


def test_a_repayment_asked_for_again_is_the_same_repayment_though_less_is_owed_now(world):
    with at(NOW):
        facility = ho(world)
        advance(facility, "1000.00")
        pay_in(facility, "2000.00")
        first = pay_back(facility, "1000.00")
    with at("2026-03-24 09:00"):
        assert pay_back(facility, "1000.00") == first
        with pytest.raises(KeyReused) as refusal:
            pay_back(facility, "999.00")
    assert refusal.value.details["differing"] == ["legs"]
    assert owed(facility, Role.CLIENT_CASH) == D("1000.00")


@pytest.mark.parametrize(
    ("amount", "purpose", "differing"),
    [
        ("1000.01", "securities", ["legs"]),
        ("1000.00", "ipo", ["cause"]),
        ("9999999.00", "ipo", ["cause", "legs"]),
    ],
)
def test_a_key_that_comes_back_with_another_advance_is_told_what_differs(world, amount, purpose, differing):
    with at(NOW):
        facility = ho(world)
        advance(facility, "1000.00")
        with pytest.raises(KeyReused) as refusal:
            advance(facility, amount, purpose)
    assert refusal.value.details["differing"] == differing
    assert owed(facility) == D("1000.00")


@pytest.mark.parametrize("command", [advance, pay_back])
@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("NaN", "inexact"),
        ("sNaN", "inexact"),
        ("Infinity", "inexact"),
        ("-0", "inexact"),
        ("1.005", "inexact"),
        ("0", "not_positive"),
        ("-1.00", "not_positive"),
    ],
)
def test_an_amount_that_is_none_is_refused_by_its_field(world, command, amount, reason):
    with at(NOW):
        facility = ho(world)
        before = Journal.objects.count()
        with pytest.raises(Invalid) as refusal:
            command(facility, amount)
    assert (refusal.value.field, refusal.value.reason) == ("amount", reason)
    assert Journal.objects.count() == before


def test_what_was_repaid_may_be_drawn_again(world):
    with at(NOW):
        facility = ho(world)
        advance(facility, EIGHT_THOUSAND_SHARES_CARRY)
        pay_in(facility, "60000.00")
        pay_back(facility, "60000.00")
        advance(facility, "60000.00", key="a-2")
    assert owed(facility) == D("560000.00")
