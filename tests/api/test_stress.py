"""Scenarios proposed and decided, a stress test run, and break-even prices, over the API."""

from __future__ import annotations

from tests.builders import user
from tests.margin.stress.firm import approved

from .conftest import House, problem, signed_in

BODY = {
    "valid_from": "2026-04-02",
    "reason": "Risk committee",
    "scenarios": [
        {
            "code": "v20",
            "kind": "market_fall",
            "name": "Stocks fall 20%, coins 40%",
            "securities": "-0.20",
            "virtual_assets": "-0.40",
        },
        {"code": "worst", "kind": "single_name", "name": "Worst name", "named_change": "-1"},
    ],
}


def test_two_people_put_scenarios_in_force_and_a_system_runs_them(house: House):
    problem(house.system.post("scenario-sets", BODY), 403, "needs_a_person")
    problem(house.system.post("stress-tests", {}), 409, "no_scenario_set")
    maker, checker = (signed_in(user(name, is_superuser=True)) for name in ("mei", "yip"))
    firm = "?broker=HARBOUR"
    made = maker.post(f"scenario-sets{firm}", BODY)
    assert made.status_code == 201, made.json()
    waiting = made.json()["id"]
    problem(house.system.post("stress-tests", {"scenario_set": waiting}), 422, "unknown_set")
    problem(maker.post(f"scenario-sets/{waiting}:approve{firm}"), 403, "maker_is_checker")
    decided = checker.post(f"scenario-sets/{waiting}:approve{firm}").json()
    assert (decided["approval"], decided["version"]) == ("approved", 1)
    assert decided["scenarios"][0]["virtual_assets"] == "-0.40"

    ran = house.system.post("stress-tests", {}, key="april")
    assert ran.status_code == 201, ran.json()
    assert house.system.post("stress-tests", {}, key="april").json() == ran.json()
    totals = {total["scenario"]: total for total in ran.json()["totals"]}
    # No interest is booked yet: 1,500,000.00 against 1,051,992.00.
    assert totals["v20"]["deficiency"] == "448008.00"
    assert (totals[None]["calls"], totals["v20"]["immediates"], totals["worst"]["named"]) == (1, 1, "00005")
    assert [name["asset"] for name in ran.json()["names"]] == ["00005", "00700"]

    [row] = house.system.get("stress-results", latest="true", scenario="v20", client="C001").json()["results"]
    assert (row["market_value"], row["level"], row["loss"]) == ("1788660.00", "immediate", "0.00")
    [listed] = house.system.get("stress-tests").json()["results"]
    assert (listed["month"], listed["account_count"]) == (None, 1)


def test_a_proposal_is_turned_down_with_a_reason_and_a_wrong_one_names_its_field(house: House):
    maker, checker = (signed_in(user(name, is_superuser=True)) for name in ("mei", "yip"))
    firm = "?broker=HARBOUR"
    wrong = BODY | {"scenarios": [BODY["scenarios"][0] | {"named": "SHIB", "named_change": "-1"}]}
    refused = maker.post(f"scenario-sets{firm}", wrong)
    problem(refused, 422, "unknown_asset")
    waiting = maker.post(f"scenario-sets{firm}", BODY).json()["id"]
    turned_down = checker.post(f"scenario-sets/{waiting}:reject{firm}", {"reason": "Too mild"})
    assert turned_down.json()["approval"] == "rejected"
    assert checker.get(f"scenario-sets/{waiting}{firm}").json()["approval"] == "rejected"


def test_break_even_prices_of_a_facility(house: House):
    approved(house.world.broker)

    found = house.system.get(f"facilities/{house.chan.pk}/break-even").json()

    bitcoin = next(asset for asset in found["assets"] if asset["asset"] == "BTC")
    # 1,500,000.00 less 981,540.00 of shares, over 0.4 x 1.5 x 7.80.
    assert bitcoin["call"] == {"price": "110782.05", "is_always": False}
    assert bitcoin["currency"] == "USD"
    assert found["falls"]["call"] == "0"
    hsbc = next(asset for asset in found["assets"] if asset["asset"] == "00005")
    assert hsbc["loss"] == {"price": None, "is_always": False}
