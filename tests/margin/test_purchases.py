"""An under-margined client buys nothing, draws nothing and takes nothing out; it may always pay in."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from ledger.core.errors import Invalid, KeyReused
from ledger.core.models import Event
from margin.accrual import accrue_due
from margin.calls import review_calls
from margin.credit import CreditRefused, stops
from margin.cures import cures
from margin.custody import deposit_cash, deposit_collateral, withdraw_cash, withdraw_collateral
from margin.lending import repay
from margin.models import Facility, MarginCall, PurchaseCheck
from margin.purchases import ask_to_purchase
from margin.valuations import assess, run_valuation
from tests.builders import D, World, at, v01

pytestmark = pytest.mark.django_db


def ask(
    chan: Facility, *, asset: str = "00005", quantity: str = "400", amount: str = "39500.00", key: str = "k1"
):
    return ask_to_purchase(
        facility=chan, asset=asset, quantity=D(quantity), amount=D(amount), key=key, actor="oms"
    )


@pytest.fixture
def short() -> tuple[World, Facility]:
    """Ms Chan is 73,860.00 short on 2 April, and no run has noticed yet: there is no call."""
    return v01()


def test_a_client_who_is_short_may_not_buy_before_any_call_goes_out(short):
    _world, chan = short
    with at("2026-04-02 16:30"):
        check = ask(chan)
        assert (check.is_allowed, check.reason_code) == (False, "under_margined")
        assert stops(chan, assess(chan)) == ["under_margined"]
    assert not MarginCall.objects.exists()
    told = Event.objects.get(topic="margin.purchase.refused")
    assert (told.actor, told.reason, told.payload["client"]) == ("oms", "under_margined", "C001")


def test_everything_that_takes_out_stops_with_the_call_and_everything_that_pays_in_goes_on(short):
    world, chan = short
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        review_calls(run=run_valuation(broker=world.broker))
        assert ask(chan).reason_code == "open_call"
        with pytest.raises(CreditRefused):
            world.draw(chan, "1.00")
        with pytest.raises(CreditRefused):
            withdraw_collateral(client=chan.client, asset="00005", quantity=D("1"), key="w1", actor="wong")
        deposit_cash(client=chan.client, currency="HKD", amount=D("500.00"), key="d1", actor="wong")
        with pytest.raises(CreditRefused):
            withdraw_cash(client=chan.client, currency="HKD", amount=D("1.00"), key="w2", actor="wong")
        deposit_collateral(client=chan.client, asset="00005", quantity=D("1"), key="d2", actor="wong")
        repay(facility=chan, amount=D("500.00"), key="r1", actor="wong")
        assert stops(chan, assess(chan)) == ["open_call", "under_margined"]


def test_a_purchase_is_allowed_as_far_as_it_carries_itself(short):
    world, chan = short
    with at("2026-04-02 16:30"):
        deposit_cash(client=chan.client, currency="HKD", amount=D("100000.00"), key="d1", actor="wong")
        assert ask(chan).is_allowed
        far = ask(chan, quantity="40000", amount="3950000.00", key="k2")
        assert (far.is_allowed, far.reason_code) == (False, "beyond_effective_limit")
        world.price("BTC", "95000", "2026-04-02 16:29:59")
    with at("2026-04-02 16:40"):
        assert ask(chan, key="k3").reason_code == "stale_price"


def test_an_answer_is_told_again_under_its_key_and_stays_as_it_was_given(short):
    _world, chan = short
    with at("2026-04-02 16:30"):
        first = ask(chan)
        deposit_cash(client=chan.client, currency="HKD", amount=D("900000.00"), key="d1", actor="wong")
        assert ask(chan) == first
        assert ask(chan, key="k2").is_allowed
        with pytest.raises(KeyReused):
            ask(chan, quantity="800")
    assert PurchaseCheck.objects.count() == 2
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        sql("UPDATE margin_purchasecheck SET is_allowed = true, reason_code = ''")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"asset": "HKD"}, "asset"),
        ({"asset": "09999"}, "asset"),
        ({"quantity": "0.5"}, "quantity"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"amount": "0.00"}, "amount"),
        ({"amount": "1.005"}, "amount"),
        ({"amount": "Infinity"}, "amount"),
    ],
)
def test_a_question_that_is_not_exact_is_refused(short, changes, field):
    _world, chan = short
    with at("2026-04-02 16:30"), pytest.raises(Invalid) as refusal:
        ask(chan, **changes)
    assert refusal.value.field == field
    assert not PurchaseCheck.objects.exists()


def test_v01_the_three_ways_to_cure_in_amounts_and_board_lots(short):
    world, _chan = short
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
        told = cures(call)
    assert (told["cash"], told["currency"]) == ("77147.67", "HKD")
    assert {way["asset"]: list(way.values())[1:] for way in told["assets"]} == {
        "00005": ["110210.96", "1200", "257158.90", "2800"],
        "00700": ["110210.96", "300", "257158.90", "600"],
        "BTC": ["192869.18", "0.26028230", "128579.45", "0.17352153"],
    }


def test_depositing_the_board_lots_that_are_named_meets_the_call(short):
    world, chan = short
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
        deposit_collateral(client=chan.client, asset="00005", quantity=D("1200"), key="lots", actor="wong")
        assert assess(chan).value.deficiency == D("0.00")
    with at("2026-04-02 16:31"):
        world.price("BTC", "95000", "2026-04-02 16:31")
        review_calls(run=run_valuation(broker=world.broker))
    call.refresh_from_db()
    assert call.status == MarginCall.Status.MET


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
