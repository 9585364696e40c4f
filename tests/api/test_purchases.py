"""The stop on purchases and the ways to cure, as an order system asks for them."""

from __future__ import annotations

from margin.custody import deposit_cash
from tests.builders import D

from .conftest import House, broken_rules
from .stories import with_a_call

LOT = {"asset": "00005", "quantity": "400", "amount": "39500.00"}


def test_an_order_system_asks_before_each_purchase(house: House):
    address = f"facilities/{house.chan.pk}/purchase-checks"
    refused = house.system.post(address, LOT).json()
    assert (refused["is_allowed"], refused["reason_code"]) == (False, "under_margined")
    facility = house.system.get(f"facilities/{house.chan.pk}").json()
    assert facility["stopped_by"] == ["under_margined"]

    deposit_cash(client=house.client, currency="HKD", amount=D("100000.00"), key="d", actor="wong")
    allowed = house.system.post(address, LOT).json()
    assert (allowed["is_allowed"], allowed["reason_code"]) == (True, "")
    assert house.system.get(f"facilities/{house.chan.pk}").json()["stopped_by"] == []
    assert [row["id"] for row in house.system.get(address).json()["results"]] == [
        allowed["id"],
        refused["id"],
    ]
    assert broken_rules(house.system.post(address, LOT | {"amount": "NaN"}))[0][0] == "amount"


def test_a_call_shows_the_three_ways_to_meet_it(house: House):
    call = with_a_call(house)
    told = house.system.get(f"margin-calls/{call.pk}/cures").json()
    assert told["cash"] == "77147.67"
    assert told["assets"][0] == {
        "asset": "00005",
        "deposit_market_value": "110210.96",
        "deposit_quantity": "1200",
        "sale_market_value": "257158.90",
        "sale_quantity": "2800",
    }
