"""Firms, their clients and the keys of their systems: who may be opened, for what, and who gets in."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.models import Event
from ledger.models import Book, Location
from margin.accrual import catch_up
from margin.brokers import find_api_key, issue_api_key, open_broker, revoke_api_key
from margin.clients import approve_va_financing, open_client, open_facility
from margin.models import ApiKey, Broker, Client, Facility
from margin.rate_plans import add_rate_plan
from tests.builders import D, World, at, harbour

pytestmark = pytest.mark.django_db

NOW = "2026-03-23 09:00"


@pytest.fixture
def world() -> World:
    return harbour()


def chan_at(broker: Broker, number: str = "C001", name: str = "Chan Siu Ming") -> Client:
    return open_client(broker=broker, number=number, name=name, actor="wong")


def lend_to(client: Client, limit: str = "1000000.00", plan: str = "Standard") -> Facility:
    return open_facility(client=client, credit_limit=D(limit), rate_plan=plan, actor="wong")


def peak(**changes: object) -> Broker:
    """Open Peak Securities, which deals in shares only unless told otherwise."""
    terms = {
        "code": "PEAK",
        "name": "Peak Securities",
        "clearing_location": Location.objects.get(code="CCASS"),
        "commission_rate": D("0.0025"),
        "commission_minimum": D("100.00"),
        "virtual_asset_fee_rate": D("0.002"),
        "actor": "wong",
    }
    return open_broker(**terms | changes)


def test_a_client_is_opened_under_a_number_of_its_own(world):
    with at(NOW):
        chan = chan_at(world.broker)
        with pytest.raises(Conflict) as refusal:
            chan_at(world.broker, name="Somebody Else")
        assert refusal.value.reason == "number_taken"
        chan_at(peak())
    assert (chan.opened_on, chan.va_financing_from) == (date(2026, 3, 23), None)
    assert Event.objects.filter(topic="margin.client.opened", broker_code="HARBOUR").count() == 1


@pytest.mark.parametrize(("number", "name", "field"), [("", "Chan", "number"), ("C001", " ", "name")])
def test_a_client_has_a_number_and_a_name(world, number, name, field):
    with pytest.raises(Invalid) as refusal:
        chan_at(world.broker, number, name)
    assert (refusal.value.field, refusal.value.reason) == (field, "empty")


@pytest.mark.parametrize(
    ("limit", "reason"),
    [("0.00", "not_positive"), ("-1.00", "not_positive"), ("0.005", "inexact"), ("NaN", "inexact")],
)
def test_a_credit_limit_is_a_positive_amount_in_cents(world, limit, reason):
    with at(NOW), pytest.raises(Invalid) as refusal:
        lend_to(chan_at(world.broker), limit)
    assert (refusal.value.field, refusal.value.reason) == ("credit_limit", reason)


def test_a_facility_bears_a_rate_from_its_first_day(world):
    """A plan that begins tomorrow has no rate for today, so nothing is lent at it yet."""
    rates = {"rate_per_annum": D("0.07"), "excess_rate_per_annum": D("0.12"), "actor": "wong"}
    add_rate_plan(broker=world.broker, name="Spring", valid_from=date(2026, 3, 24), **rates)
    with at(NOW):
        chan = chan_at(world.broker)
        for plan in ("Summer", "Spring"):
            with pytest.raises(Invalid) as refusal:
                lend_to(chan, plan=plan)
            assert (refusal.value.field, refusal.value.reason) == ("rate_plan", "unknown_rate_plan")
    with at("2026-03-24 09:00"):
        assert lend_to(chan, plan="Spring").rate_plan == "Spring"
        catch_up(broker=world.broker)


def test_a_plan_of_another_firm_is_unknown(world):
    with at(NOW), pytest.raises(Invalid, match="Standard"):
        lend_to(chan_at(peak()))


def test_a_client_has_one_facility(world):
    with at(NOW):
        chan = chan_at(world.broker)
        lend_to(chan)
        with pytest.raises(Conflict) as refusal:
            lend_to(chan)
    assert refusal.value.reason == "facility_exists"


def test_only_a_margin_client_may_be_approved_to_borrow_on_coins(world):
    """26EC5: existing securities margin clients, and a facility that was closed makes none."""
    with at(NOW):
        chan = chan_at(world.broker)
        with pytest.raises(Conflict) as refusal:
            approve_va_financing(client=chan, actor="lee")
        assert refusal.value.reason == "no_margin_facility"
        facility = lend_to(chan)
        facility.closed_on = date(2026, 3, 23)
        facility.save()
        with pytest.raises(Conflict):
            approve_va_financing(client=chan, actor="lee")
        facility.closed_on = None
        facility.save()
        approve_va_financing(client=chan, actor="lee")
    assert Client.objects.get(pk=chan.pk).va_financing_from == date(2026, 3, 23)


@pytest.mark.parametrize("permitted_from", [None, date(2026, 3, 24)])
def test_a_firm_that_may_not_yet_finance_coins_approves_nobody(world, permitted_from):
    with at(NOW):
        chan = chan_at(world.broker)
        lend_to(chan)
        world.broker.va_financing_from = permitted_from
        world.broker.save()
        with pytest.raises(Forbidden) as refusal:
            approve_va_financing(client=chan, actor="lee")
    assert refusal.value.reason == "va_financing_not_permitted"


def test_a_firm_has_a_code_and_a_book_of_its_own(world):
    firm = peak()
    assert firm.book.code == "PEAK"
    assert firm.book != world.broker.book
    with pytest.raises(Conflict) as refusal:
        peak(name="Another Peak")
    assert refusal.value.reason == "code_taken"
    assert Book.objects.filter(code="PEAK").count() == 1


def test_only_a_virtual_asset_broker_with_a_place_for_coins_may_finance_them(world):
    since = date(2026, 3, 1)
    vault = Location.objects.get(code="VATP")
    with pytest.raises(Invalid) as refusal:
        peak(va_financing_from=since, virtual_asset_location=vault)
    assert refusal.value.field == "va_financing_from"
    with pytest.raises(Invalid) as refusal:
        peak(va_financing_from=since, is_virtual_asset_broker=True)
    assert refusal.value.field == "virtual_asset_location"
    firm = peak(va_financing_from=since, is_virtual_asset_broker=True, virtual_asset_location=vault)
    assert firm.va_financing_from == since


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("commission_rate", "NaN", "inexact"),
        ("commission_rate", "0.002500001", "inexact"),
        ("commission_rate", "-0.0025", "out_of_range"),
        ("commission_rate", "25", "out_of_range"),
        ("commission_minimum", "100.005", "inexact"),
        ("commission_minimum", "-100.00", "out_of_range"),
        ("virtual_asset_fee_rate", "Infinity", "inexact"),
        ("virtual_asset_fee_rate", "1", "out_of_range"),
    ],
)
def test_a_charge_is_an_exact_number_that_makes_sense(world, field, value, reason):
    with pytest.raises(Invalid) as refusal:
        peak(**{field: D(value)})
    assert (refusal.value.field, refusal.value.reason) == (field, reason)
    assert not Broker.objects.filter(code="PEAK").exists()


def test_a_key_opens_the_door_of_its_firm_and_only_its_hash_is_kept(world):
    key, token = issue_api_key(broker=world.broker, label="Order system", actor="lee")
    other, other_token = issue_api_key(broker=peak(), label="Order system", actor="lee")
    assert (find_api_key(token), find_api_key(other_token)) == (key, other)
    secret = token.removeprefix(f"lk_{key.prefix}_")
    assert secret not in ApiKey.objects.get(pk=key.pk).secret_hash
    assert find_api_key(token).broker.book == world.broker.book


def test_a_key_that_was_revoked_opens_nothing_and_revoking_it_again_changes_nothing(world):
    key, token = issue_api_key(broker=world.broker, label="Order system", actor="lee")
    for day in ("2026-03-23 09:00", "2026-03-24 09:00"):
        with at(day):
            revoke_api_key(key=key, actor="lee")
    assert find_api_key(token) is None
    assert Event.objects.filter(topic="margin.api_key.revoked").count() == 1
    key.refresh_from_db()
    with at("2026-03-23 09:00"):
        assert ApiKey.objects.filter(revoked_at__date=date(2026, 3, 23)).get() == key


def test_a_wrong_secret_opens_nothing(world):
    key, token = issue_api_key(broker=world.broker, label="Order system", actor="lee")
    _other, other_token = issue_api_key(broker=world.broker, label="Reports", actor="lee")
    secret, other_secret = (text.split("_", 2)[2] for text in (token, other_token))
    wrong = (
        f"lk_{key.prefix}_{other_secret}",
        f"lk_{key.prefix}_{secret[:-1]}",
        f"lk_{key.prefix}_{secret}x",
        f"lk_{key.prefix}_",
        f"lk_{key.prefix}",
        f"lk_{key.prefix}_{key.secret_hash}",
        f"sk_{key.prefix}_{secret}",
        f"lk_{secret}_{key.prefix}",
    )
    assert [find_api_key(guess) for guess in wrong] == [None] * len(wrong)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "_",
        "__",
        "lk__",
        "Bearer",
        "lk_\x00_secret",
        "lk_abc_\ud800",
        "lk_\ud800_x",
        "鎖_匙_匙",
        "lk_" * 5_000,
    ],
)
def test_garbage_opens_nothing(world, garbage):
    issue_api_key(broker=world.broker, label="Order system", actor="lee")
    assert find_api_key(garbage) is None
