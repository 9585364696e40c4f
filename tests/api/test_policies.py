"""Margin policies over the API: proposed by one person, approved by another, read by the firm's systems."""

from __future__ import annotations

from margin.models import Staff
from tests.builders import user

from .conftest import House, broken_rules, problem, signed_in

POLICY = {
    "valid_from": "2026-06-01",
    "warn_utilisation": "0.85",
    "call_utilisation": "1",
    "immediate_utilisation": "1.30",
    "target_utilisation": "0.95",
    "minimum_call": "1000.00",
    "deadline_business_days": 1,
    "deadline_cutoff": "15:00",
    "outage_grace_minutes": 120,
    "automatic_release_limit": "500000.00",
    "price_band": "0.05",
    "securities_share_minimum": "0.20",
    "reason": "Annual review",
    "deadlines": [
        {"secured_by": "virtual_assets", "above_utilisation": "0", "calendar": "ALWAYS", "hours": 24}
    ],
}


def officer(house: House, name: str):
    person = user(name, is_superuser=True)
    person.is_superuser = True
    person.save()
    Staff.objects.get_or_create(user=person, broker=house.world.broker)
    return signed_in(person)


def test_two_people_change_a_policy_and_a_system_only_reads(house: House):
    problem(house.system.post("margin-policies", POLICY), 403, "needs_a_person")
    maker, checker = officer(house, "mei"), officer(house, "kwok")

    told = maker.post("margin-policies?broker=HARBOUR", POLICY)
    assert told.status_code == 201, told.content
    proposed = told.json()
    assert proposed["deadlines"][0]["hours"] == 24
    assert proposed["approval"] == "proposed"
    address = f"margin-policies/{proposed['id']}"
    problem(maker.post(f"{address}:approve"), 403, "maker_is_checker")
    assert checker.post(f"{address}:approve").json()["approval"] == "approved"
    assert house.system.get(address).json()["checker"] == "kwok"
    assert house.system.get("margin-policies").json()["results"][0]["id"] == proposed["id"]


def test_a_policy_that_breaks_a_rule_names_the_field(house: House):
    maker = officer(house, "mei")
    wrong = POLICY | {"warn_utilisation": "NaN"}
    assert broken_rules(maker.post("margin-policies?broker=HARBOUR", wrong))[0][0] == "warn_utilisation"
    swapped = POLICY | {"warn_utilisation": "1", "call_utilisation": "0.85"}
    assert maker.post("margin-policies?broker=HARBOUR", swapped).status_code == 422
    past = POLICY | {"valid_from": "2026-04-01"}
    problem(maker.post("margin-policies?broker=HARBOUR", past), 422, "RETROACTIVE")


def test_a_firm_reads_what_going_live_needs(house: House):
    told = house.system.get("firms/HARBOUR/readiness").json()
    assert told["went_live_at"] is not None
    assert {requirement["code"]: requirement["is_met"] for requirement in told["requirements"]} == {
        "policy": True,
        "security_deadline": True,
        "virtual_asset_deadline": True,
        "price_policies": True,
        "calendar": True,
    }
