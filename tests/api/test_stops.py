"""A system stops forced sales at once; only two people let them go on."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User

from margin.models import SaleStop, Staff
from tests.builders import user

from .conftest import Caller, House, problem, signed_in


def officer(house: House, name: str) -> Caller:
    person: User = user(name)
    Staff.objects.get_or_create(user=person, broker=house.world.broker)
    codes = ["view_salestop", "change_salestop"]
    person.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return signed_in(person)


def test_a_system_puts_a_stop_on_and_two_people_lift_it(house: House):
    made = house.system.post("sale-stops", {"asset": "BTC", "reason": "Price feeds disagree"})
    assert made.status_code == 201
    told = made.json()
    assert (told["asset"], told["venue"], told["client"], told["lifted_at"]) == ("BTC", "", None, None)
    path = f"sale-stops/{told['id']}"
    problem(house.system.post(f"{path}:lift"), 403, "needs_a_person")

    ng, ho = officer(house, "ng"), officer(house, "ho")
    assert ng.post(f"{path}:ask-to-lift", {"reason": "They agree"}).json()["lift_asked_by"] == "ng"
    problem(ng.post(f"{path}:lift"), 403, "maker_is_checker")
    assert ho.post(f"{path}:lift").json()["lifted_by"] == "ho"
    assert SaleStop.objects.get().lifted_at is not None


def test_a_stop_names_what_is_there(house: House):
    for named, code in (
        ({"asset": "DOGE"}, "unknown_asset"),
        ({"client": "C999"}, "unknown_account"),
        ({}, "one_scope"),
    ):
        problem(house.system.post("sale-stops", {**named, "reason": "doubt"}), 422, code)
