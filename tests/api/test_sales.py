"""A forced sale is released by two people, never by a system, and shown down to its fills."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission, User

from margin.models import ForcedSale, Staff
from margin.sales.execution import advance_sales
from tests.builders import at, user

from .conftest import Caller, House, broken_rules, problem, signed_in
from .stories import DUE, with_a_planned_sale


@pytest.fixture
def sale(house: House) -> Iterator[ForcedSale]:
    planned = with_a_planned_sale(house)
    with at(DUE):
        yield planned


def officer(house: House, name: str) -> Caller:
    person: User = user(name)
    Staff.objects.get_or_create(user=person, broker=house.world.broker)
    person.user_permissions.set(
        Permission.objects.filter(codename__in=["view_forcedsale", "change_forcedsale"])
    )
    return signed_in(person)


def test_two_people_release_a_plan_and_it_is_sold(house: House, sale: ForcedSale):
    ng, ho = officer(house, "ng"), officer(house, "ho")
    path = f"forced-sales/{sale.pk}"

    assert ng.post(f"{path}:submit").json()["status"] == "submitted"
    problem(ng.post(f"{path}:approve", {"plan_hash": sale.plan_hash}), 403, "maker_is_checker")
    problem(ho.post(f"{path}:approve", {"plan_hash": "0" * 64}), 409, "plan_changed")
    released = ho.post(f"{path}:approve", {"plan_hash": sale.plan_hash})

    assert released.status_code == 200
    assert (released.json()["status"], released.json()["maker"], released.json()["checker"]) == (
        "approved",
        "ng",
        "ho",
    )
    problem(ho.post(f"{path}:approve", {"plan_hash": sale.plan_hash}), 409, "wrong_state")

    advance_sales(broker=house.world.broker)
    told = house.system.get(path).json()
    [leg] = told["legs"]
    [fill] = leg["orders"][0]["fills"]
    assert leg["asset"] == "BTC"
    assert fill["quantity"].rstrip("0") == "0.39487306"
    assert (fill["gross"], fill["fees_total"], fill["net"]) == ("246400.79", "492.80", "245907.99")
    journal = house.system.get(f"journals/{fill['trade_journal']}").json()
    assert {e["client"] for e in journal["entries"] if e["role"] == "client_in_sale"} == {"C001"}


def test_a_system_reads_sales_and_decides_nothing(house: House, sale: ForcedSale):
    path = f"forced-sales/{sale.pk}"
    listed = house.system.get("forced-sales", status="planned", client="C001").json()["results"]
    assert [row["reference"] for row in listed] == ["FS-C001-1-1"]
    for verb, body in (
        ("submit", {}),
        ("approve", {"plan_hash": sale.plan_hash}),
        ("reject", {"reason": "no"}),
    ):
        problem(house.system.post(f"{path}:{verb}", body), 403, "needs_a_person")
    sale.refresh_from_db()
    assert sale.status == ForcedSale.Status.PLANNED


def test_a_rejection_needs_a_reason(house: House, sale: ForcedSale):
    ng, ho = officer(house, "ng"), officer(house, "ho")
    path = f"forced-sales/{sale.pk}"
    ng.post(f"{path}:submit")
    assert broken_rules(ho.post(f"{path}:reject", {"reason": ""})) == [("reason", "blank")]
    problem(ho.post(f"{path}:reject", {"reason": " "}), 422, "reason_required")
    assert ho.post(f"{path}:reject", {"reason": "The client is wiring cash."}).json()["status"] == "rejected"


def test_an_approval_that_is_sent_twice_approves_once(house: House, sale: ForcedSale):
    ng, ho = officer(house, "ng"), officer(house, "ho")
    ng.post(f"forced-sales/{sale.pk}:submit")
    body = {"plan_hash": sale.plan_hash}
    first = ho.post(f"forced-sales/{sale.pk}:approve", body, key="release-1")
    second = ho.post(f"forced-sales/{sale.pk}:approve", body, key="release-1")
    assert second.status_code == 200
    assert second.json() == first.json()
    assert second["Idempotency-Replayed"] == "true"


def test_a_person_without_the_permission_decides_nothing(house: House, sale: ForcedSale):
    clerk = user("clerk")
    Staff.objects.create(user=clerk, broker=house.world.broker)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_forcedsale"))
    assert signed_in(clerk).get(f"forced-sales/{sale.pk}").status_code == 200
    problem(signed_in(clerk).post(f"forced-sales/{sale.pk}:submit"), 403, "permission_denied")


def test_one_sale_costs_a_fixed_number_of_queries(
    house: House, sale: ForcedSale, django_assert_max_num_queries
):
    with django_assert_max_num_queries(6):
        house.system.get(f"forced-sales/{sale.pk}")
