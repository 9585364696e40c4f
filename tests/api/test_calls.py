"""Valuations and margin calls, and each figure followed to the rows that made it."""

from __future__ import annotations

from margin.valuations import run_valuation
from tests.builders import D, at

from .conftest import House, broken_rules
from .stories import with_a_call


def test_a_call_is_listed_and_read(house: House):
    call = with_a_call(house)
    told = house.system.get(f"margin-calls/{call.pk}").json()

    assert told["reference"] == "MC-C001-1"
    assert (told["amount"], told["currency"]) == ("77147.67", "HKD")
    assert told["due_at"] == "2026-04-08T15:00:00+08:00"
    assert told["is_open"] is True
    assert house.system.get("margin-calls", status="issued", client="C001").json()["results"] == [told]
    assert house.system.get("margin-calls", is_open="true").json()["results"] == [told]
    assert house.system.get("margin-calls", status="met").json()["results"] == []
    assert house.system.get("margin-calls", client="C002").json()["results"] == []
    for facility in ("1.5", "NaN", "one", "\0"):
        assert broken_rules(house.system.get("valuations", facility=facility))[0][0] == "facility"
    assert house.system.get("valuations", facility="9" * 30).json()["results"] == []
    assert broken_rules(house.system.get("margin-calls", status="lost")) == [("status", "invalid_choice")]


def test_a_call_names_each_price_rate_haircut_and_rounding_that_made_it(house: House):
    call = with_a_call(house)
    told = house.system.get(f"margin-calls/{call.pk}/explain").json()

    assert told["call"]["reference"] == "MC-C001-1"
    assert told["stored"]["deficiency"] == "77147.67"
    bitcoin = told["inputs"][2]
    assert bitcoin["asset"] == "BTC"
    assert bitcoin["price"]["source"] == "feed"
    assert D(bitcoin["price"]["price"]) == 95000
    assert D(bitcoin["fx_rate"]["bid"]) == D("7.8")
    assert D(bitcoin["haircut"]["haircut"]) == D("0.6")
    line = told["calculation"]["holdings"][2]
    assert line["margin_value_rounding"] == "down to 0.01"
    assert line["market_value_rounding"] == "half up to 0.01"


def test_a_month_of_prices_later_the_call_is_explained_by_the_same_cents(house: House):
    call = with_a_call(house)
    told = house.system.get(f"margin-calls/{call.pk}/explain").json()
    with at("2026-05-06 16:30"):
        house.world.price("00005", "60.00", "2026-05-06 16:08")
        house.world.price("BTC", "40000", "2026-05-06 16:29:30")
        again = house.system.get(f"valuations/{call.valuation_id}/replay").json()
        assert house.system.get(f"margin-calls/{call.pk}/explain").json() == told
    assert again["is_equal"] is True
    assert again["differences"] == []
    assert again["replayed"]["deficiency"] == "77147.67"


def test_a_valuation_shows_what_each_asset_was_worth(house: House):
    call = with_a_call(house)
    told = house.system.get(f"valuations/{call.valuation_id}").json()

    assert told["loan"] == "1503287.67"
    assert told["margin_value"] == "1426140.00"
    assert told["utilisation"] == "1.054095"
    assert told["level"] == "call"
    assert [(line["asset"], line["margin_value"]) for line in told["lines"]] == [
        ("00005", "551040.00"),
        ("00700", "430500.00"),
        ("BTC", "444600.00"),
    ]
    explained = house.system.get(f"valuations/{call.valuation_id}/explain").json()
    assert explained["valuation"] == call.valuation_id


def test_the_latest_valuation_of_each_client_is_asked_for(house: House):
    first = with_a_call(house).valuation
    with at("2026-04-02 16:31"):
        house.world.price("BTC", "95000", "2026-04-02 16:31")
        run_valuation(broker=house.world.broker)
    everything = house.system.get("valuations", client="C001").json()["results"]
    latest = house.system.get("valuations", client="C001", latest="true").json()["results"]
    assert [row["id"] for row in everything][1] == first.pk
    assert latest == everything[:1]


def test_a_facility_shows_its_loan_limit_and_headroom_as_of_now(house: House):
    told = house.system.get(f"facilities/{house.chan.pk}").json()
    assert told["credit_limit"] == "5000000.00"
    assert told["standing"]["loan"] == "1500000.00"
    assert told["standing"]["effective_limit"] == "1426140.00"
    assert told["standing"]["headroom"] == "0.00"
    assert told["standing"]["deficiency"] == "73860.00"
    assert told["standing"]["level"] == "call"
    assert told["standing_refused"] == ""
    assert told["latest_valuation"] is None

    call = with_a_call(house)
    assert house.system.get(f"facilities/{house.chan.pk}").json()["latest_valuation"] == call.valuation_id
