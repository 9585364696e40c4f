"""Acknowledging, disputing, waiving and holding back over the API."""

from __future__ import annotations

from margin.models import Staff
from tests.builders import user

from .conftest import House, broken_rules, problem, signed_in
from .stories import with_a_call

DEVIATION = {
    "kind": "deviation",
    "reason_code": "payment_in_transit",
    "reason": "Cheque received",
    "risk_assessment": "Covered at a further fall of 8%",
    "expires_at": "2026-04-09T17:00:00+08:00",
}


def officer(house: House, name: str):
    person = user(name)
    person.is_superuser = True
    person.save()
    Staff.objects.get_or_create(user=person, broker=house.world.broker)
    return signed_in(person)


def test_a_system_acknowledges_for_the_client(house: House):
    call = with_a_call(house)
    told = house.system.post(
        f"margin-calls/{call.pk}:acknowledge", {"by": "Chan", "channel": "portal"}
    ).json()
    assert (told["status"], told["acknowledged_by"]) == ("acknowledged", "Chan")
    wrong = house.system.post(f"margin-calls/{call.pk}:acknowledge", {"by": "Chan", "channel": "pigeon"})
    assert broken_rules(wrong)[0][0] == "channel"


def test_two_people_deviate_and_a_system_only_reads(house: House):
    call = with_a_call(house)
    address = f"margin-calls/{call.pk}:decide"
    problem(house.system.post(address, DEVIATION), 403, "needs_a_person")
    maker, checker = officer(house, "mei"), officer(house, "kwok")
    problem(maker.post(address, DEVIATION | {"risk_assessment": ""}), 422, "risk_assessment_required")
    proposed = maker.post(address, DEVIATION).json()
    decide = f"call-decisions/{proposed['id']}"
    problem(maker.post(f"{decide}:approve"), 403, "maker_is_checker")
    assert checker.post(f"{decide}:approve").json()["approval"] == "approved"
    assert house.system.get("call-decisions", call=call.pk, kind="deviation").json()["results"][0][
        "checker"
    ] == ("kwok")


def test_a_dispute_that_is_rejected_leaves_the_call_as_it_was(house: House):
    call = with_a_call(house)
    maker, checker = officer(house, "mei"), officer(house, "kwok")
    dispute = maker.post(f"margin-calls/{call.pk}:decide", DEVIATION | {"kind": "dispute"}).json()
    assert house.system.get(f"margin-calls/{call.pk}").json()["status"] == "disputed"
    checker.post(f"call-decisions/{dispute['id']}:reject", {"reason": "Prices were right"})
    assert house.system.get(f"margin-calls/{call.pk}").json()["status"] == "issued"
