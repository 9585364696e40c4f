"""Collateral and cash in and out: every unit has an owner and a place, and no withdrawal uncovers a loan."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.accounts import AccountKey
from ledger.balances import holding, standings
from ledger.core.decimals import from_atoms
from ledger.core.errors import Invalid, KeyReused, Refusal
from ledger.models import Journal, Role
from ledger.posting import InsufficientBalance, JournalRequest, credit, debit, post
from margin.brokers import open_broker
from margin.clients import open_client
from margin.credit import CreditRefused
from margin.custody import deposit_cash, deposit_collateral, withdraw_cash, withdraw_collateral
from margin.models import Client, Facility
from margin.valuations import Assessment, assess
from tests.builders import D, World, at, harbour

pytestmark = pytest.mark.django_db

NOW = "2026-03-23 16:30"


def priced() -> World:
    """HSBC at 100.00 and Bitcoin at USD 100,000: a share carries 70.00, a coin 312,000.00."""
    world = harbour()
    with at(NOW):
        world.price("00005", "100.00", "2026-03-23 16:08")
        world.price("BTC", "100000", "2026-03-23 16:29:30")
    return world


@pytest.fixture
def world() -> World:
    return priced()


def ho(world: World, *, drawn: str = "", shares: str = "8000") -> Facility:
    """Ms Ho with shares that carry 560,000.00."""
    facility = world.client("C002", "Ho Ka Yan")
    world.pledge(facility, s00005=shares)
    if drawn:
        world.draw(facility, drawn, purpose="securities")
    return facility


def put_in(client: Client, asset: str, quantity: str, key: str = "d-1"):
    return deposit_collateral(client=client, asset=asset, quantity=D(quantity), key=key, actor="wong")


def take_out(client: Client, asset: str, quantity: str, key: str = "w-1"):
    return withdraw_collateral(client=client, asset=asset, quantity=D(quantity), key=key, actor="wong")


def pay_in(client: Client, amount: str, currency: str = "HKD", key: str = "ci-1"):
    return deposit_cash(client=client, currency=currency, amount=D(amount), key=key, actor="wong")


def pay_out(client: Client, amount: str, currency: str = "HKD", key: str = "co-1"):
    return withdraw_cash(client=client, currency=currency, amount=D(amount), key=key, actor="wong")


def entries(journal_id: object) -> dict[tuple[str, str, str], object]:
    """Signed units, debit positive, by role, owner and place."""
    journal = Journal.objects.get(pk=journal_id)
    return {
        (key.role, key.owner, key.location): entry.account.asset.units(entry.amount_atoms)
        for entry in journal.entries.select_related("account__asset", "account__location")
        for key in [AccountKey.of(entry.account)]
    }


def pledged(client: Client, asset: str, location: str) -> object:
    return holding(client.broker.book, AccountKey(Role.CLIENT_COLLATERAL, asset, client.number, location))


def stock_record(world: World) -> dict[tuple[str, str], tuple[object, object]]:
    """What the owners have and what lies in custody, by asset and place."""
    owned, kept = {}, {}
    for row in standings(world.broker.book):
        place = (row.key.asset, row.key.location)
        if row.key.role == Role.CUSTODY:
            kept[place] = row.quantity
        elif row.key.location:
            owned[place] = owned.get(place, 0) + row.quantity
    return {place: (owned.get(place, 0), kept.get(place, 0)) for place in owned | kept}


def test_deposits_book_owner_and_place(world):
    with at(NOW):
        chan = world.client("C001", "Chan Siu Ming").client
        shares = put_in(chan, "00005", "800")
        coins = put_in(chan, "BTC", "1.50000001", key="d-2")
    assert entries(shares.journal_id) == {
        (Role.CUSTODY, "", "CCASS"): 800,
        (Role.CLIENT_COLLATERAL, "C001", "CCASS"): -800,
    }
    assert entries(coins.journal_id) == {
        (Role.CUSTODY, "", "VATP"): D("1.50000001"),
        (Role.CLIENT_COLLATERAL, "C001", "VATP"): D("-1.50000001"),
    }
    assert Journal.objects.get(pk=shares.journal_id).value_on == date(2026, 3, 23)


def test_what_the_owners_have_lies_in_custody_place_by_place(world):
    with at(NOW):
        chan, lam = (world.client(n, name).client for n, name in (("C001", "Chan"), ("C003", "Lam")))
        put_in(chan, "00005", "800")
        put_in(chan, "BTC", "1.5", key="d-2")
        put_in(lam, "00005", "400")
        put_in(lam, "BTC", "0.25", key="d-2")
        take_out(chan, "00005", "300")
        take_out(lam, "BTC", "0.25")
    assert stock_record(world) == {("00005", "CCASS"): (900, 900), ("BTC", "VATP"): (D("1.5"), D("1.5"))}
    assert (pledged(chan, "00005", "CCASS"), pledged(lam, "00005", "CCASS")) == (500, 400)


def test_a_withdrawal_that_uncovers_the_loan_is_refused_and_leaves_no_journal(world):
    """1.16: 560,000.00 is drawn on exactly that; 400 shares fewer carry 28,000.00 less."""
    with at(NOW):
        facility = ho(world, drawn="560000.00")
        before = Journal.objects.count()
        with pytest.raises(CreditRefused) as refusal:
            take_out(facility.client, "00005", "400")
    assert refusal.value.reason == "withdrawal_leaves_shortfall"
    assert refusal.value.details == {"deficiency": "28000.00"}
    assert Journal.objects.count() == before
    assert pledged(facility.client, "00005", "CCASS") == 8000


def test_what_the_loan_does_not_need_may_go_to_the_last_share(world):
    with at(NOW):
        facility = ho(world, drawn="532000.00")
        with pytest.raises(CreditRefused, match=r"70\.00"):
            take_out(facility.client, "00005", "401")
        take_out(facility.client, "00005", "400")
    assert pledged(facility.client, "00005", "CCASS") == 7600


def test_the_shares_under_a_loan_that_leans_on_coins_stay(world):
    """26EC5: two coins alone would carry the loan twice, and shares must carry a fifth of what carries it."""
    with at(NOW):
        facility = ho(world)
        put_in(facility.client, "BTC", "2")
        world.draw(facility, "300000.00")
        with pytest.raises(CreditRefused) as refusal:
            take_out(facility.client, "00005", "8000")
        assert refusal.value.reason == "securities_collateral_required"
        assert refusal.value.details == {"securities_margin_value": "0.00"}
        with pytest.raises(CreditRefused) as refusal:
            take_out(facility.client, "00005", "5772")
        assert refusal.value.details == {"securities_margin_value": "155960.00"}
        take_out(facility.client, "00005", "5771")
        take_out(facility.client, "BTC", "1", key="w-2")


def test_all_may_go_where_nothing_is_owed_even_on_a_price_of_last_week(world):
    with at(NOW):
        facility = ho(world)
        put_in(facility.client, "BTC", "1")
    with at("2026-03-30 16:30"):
        take_out(facility.client, "00005", "8000")
        take_out(facility.client, "BTC", "1", key="w-2")
    assert stock_record(world) == {}


def test_more_than_is_pledged_is_refused(world):
    with at(NOW):
        facility = ho(world)
        with pytest.raises(InsufficientBalance, match="C002"):
            take_out(facility.client, "00005", "8001")
        with pytest.raises(InsufficientBalance):
            take_out(facility.client, "BTC", "0.00000001")


@pytest.mark.parametrize("move", [put_in, take_out])
@pytest.mark.parametrize(
    ("asset", "quantity", "field", "reason"),
    [
        ("00005", "0.5", "quantity", "inexact"),
        ("BTC", "0.000000001", "quantity", "inexact"),
        ("00005", "NaN", "quantity", "inexact"),
        ("00005", "-Infinity", "quantity", "inexact"),
        ("00005", "-0", "quantity", "inexact"),
        ("00005", "0", "quantity", "not_positive"),
        ("00005", "-400", "quantity", "not_positive"),
        ("09999", "400", "asset", "unknown_asset"),
        ("HKD", "400.00", "asset", "asset_not_held"),
    ],
)
def test_what_is_no_collateral_is_refused_by_its_field(world, move, asset, quantity, field, reason):
    with at(NOW):
        facility = ho(world)
        before = Journal.objects.count()
        with pytest.raises(Invalid) as refusal:
            move(facility.client, asset, quantity)
    assert (refusal.value.field, refusal.value.reason) == (field, reason)
    assert Journal.objects.count() == before


@pytest.mark.parametrize("move", [pay_in, pay_out])
@pytest.mark.parametrize(
    ("amount", "currency", "field", "reason"),
    [
        ("1.005", "HKD", "amount", "inexact"),
        ("NaN", "HKD", "amount", "inexact"),
        ("0.00", "HKD", "amount", "not_positive"),
        ("-5.00", "HKD", "amount", "not_positive"),
        ("5.00", "BTC", "currency", "unknown_currency"),
        ("5.00", "ZZZ", "currency", "unknown_currency"),
    ],
)
def test_what_is_no_money_is_refused_by_its_field(world, move, amount, currency, field, reason):
    with at(NOW):
        facility = ho(world)
        with pytest.raises(Invalid) as refusal:
            move(facility.client, amount, currency)
    assert (refusal.value.field, refusal.value.reason) == (field, reason)


def test_a_firm_without_a_place_for_coins_takes_none(world):
    with at(NOW):
        peak = open_broker(
            code="PEAK",
            name="Peak Securities",
            clearing_location=world.broker.clearing_location,
            commission_rate=D("0.0025"),
            commission_minimum=D("100.00"),
            virtual_asset_fee_rate=D("0.002"),
            actor="wong",
        )
        lam = open_client(broker=peak, number="C003", name="Lam", actor="wong")
        put_in(lam, "00005", "400")
        with pytest.raises(Invalid) as refusal:
            put_in(lam, "BTC", "1", key="d-2")
    assert (refusal.value.field, refusal.value.reason) == ("asset", "asset_not_held")


def test_what_is_in_sale_stays(world):
    """500 of 8,000 shares are with a venue; 7,500 are left to withdraw."""
    with at(NOW):
        facility = ho(world)
        legs = (
            debit(AccountKey(Role.CLIENT_COLLATERAL, "00005", "C002", "CCASS"), D(500)),
            credit(AccountKey(Role.CLIENT_IN_SALE, "00005", "C002", "CCASS"), D(500)),
        )
        reserve = JournalRequest(key="in-sale", kind="sale_reserve", legs=legs, value_on=date(2026, 3, 23))
        post(world.broker.book, reserve, actor="system")
        with pytest.raises(InsufficientBalance):
            take_out(facility.client, "00005", "7501")
        take_out(facility.client, "00005", "7500")
    assert stock_record(world) == {("00005", "CCASS"): (500, 500)}


def test_cash_that_covers_the_loan_stays_and_the_rest_may_go(world):
    """564,000.00 owed less 10,000.00 of cash stands on 560,000.00: 6,000.00 are free."""
    with at(NOW):
        facility = ho(world, drawn="560000.00")
        pay_in(facility.client, "10000.00")
        world.draw(facility, "4000.00", purpose="securities")
        with pytest.raises(CreditRefused) as refusal:
            pay_out(facility.client, "6000.01")
        assert refusal.value.reason == "withdrawal_leaves_shortfall"
        assert refusal.value.details == {"deficiency": "0.01"}
        movement = pay_out(facility.client, "6000.00")
    assert entries(movement.journal_id) == {
        (Role.CLIENT_CASH, "C002", ""): D("6000.00"),
        (Role.NOSTRO, "", ""): D("-6000.00"),
    }


def test_no_more_cash_goes_out_than_came_in(world):
    with at(NOW):
        facility = ho(world)
        with pytest.raises(InsufficientBalance):
            pay_out(facility.client, "0.01")
        pay_in(facility.client, "100.00", "USD")
        with pytest.raises(InsufficientBalance, match="Client cash"):
            pay_out(facility.client, "100.01", "USD")
        pay_out(facility.client, "100.00", "USD")


def test_a_movement_asked_for_again_is_the_same_movement_on_any_day(world):
    with at(NOW):
        facility = ho(world, drawn="532000.00")
        first = take_out(facility.client, "00005", "400")
    with at("2026-03-30 09:00"):
        again = take_out(facility.client, "00005", "400")
        with pytest.raises(KeyReused) as refusal:
            take_out(facility.client, "00005", "300")
    assert again == replace(first, is_replay=True)
    assert refusal.value.details["differing"] == ["legs"]
    assert pledged(facility.client, "00005", "CCASS") == 7600


def figures(assessment: Assessment) -> tuple[object, ...]:
    value = assessment.value
    return (
        *(value.loan, value.cash, value.market_value, value.margin_value, value.deficiency),
        *(value.credit_balance, assessment.securities_margin_value, assessment.level),
    )


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(shares=st.integers(1, 6_000), coin_atoms=st.integers(1, 150_000_000), cents=st.integers(1, 50_000_00))
def test_a_what_if_says_what_doing_it_will_say(world, shares, coin_atoms, cents):
    less = {"00005": D(shares), "BTC": from_atoms(coin_atoms, 8), "HKD": from_atoms(cents, 2)}
    with at(NOW), transaction.atomic():
        facility = ho(world)
        put_in(facility.client, "BTC", "2")
        pay_in(facility.client, "50000.00")
        world.draw(facility, "90000.00", purpose="securities")
        foretold = assess(facility, less=less)
        take_out(facility.client, "00005", str(less["00005"]))
        take_out(facility.client, "BTC", str(less["BTC"]), key="w-2")
        pay_out(facility.client, str(less["HKD"]))
        assert figures(foretold) == figures(assess(facility))
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_of_two_withdrawals_at_once_that_only_fit_alone_exactly_one_passes():
    """400 shares are more than the loan needs, and two systems ask for 400 each."""
    world = priced()
    with at(NOW):
        client = ho(world, drawn="532000.00").client
    start, outcomes = threading.Barrier(2), []

    def ask(key: str) -> None:
        try:
            with at(NOW):
                start.wait(timeout=20)
                take_out(client, "00005", "400", key=key)
            outcomes.append("booked")
        except Refusal as refusal:
            outcomes.append(refusal.reason)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(key,)) for key in ("w-1", "w-2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["booked", "withdrawal_leaves_shortfall"]
    assert stock_record(world) == {("00005", "CCASS"): (7600, 7600)}
