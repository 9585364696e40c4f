"""Holds over HTTP: people place, post and release, systems read their own firm's."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.holds import HOLDS_PER_GROUP_MAX
from ledger.models import Account, Hold
from margin.staff import assign_staff
from tests.builders import at, user

from .conftest import Caller, House, broken_rules, peak_brokerage, problem, signed_in, system_of

COINS = {
    "asset": "BTC",
    "quantity": "0.5",
    "debit": {"client": "C001", "role": "client_collateral", "location": "VATP"},
    "credit": {"role": "custody", "location": "VATP"},
    "reason": "To her own wallet",
}
SHARES = {
    "asset": "00700",
    "quantity": "200",
    "debit": {"client": "C001", "role": "client_collateral", "location": "CCASS"},
    "credit": {"role": "custody", "location": "CCASS"},
}


@pytest.fixture
def wong(house: House) -> Caller:
    """Works for Harbour Securities and may do everything there."""
    person = user("wong-of-operations", is_superuser=True)
    assign_staff(user=person, broker=house.world.broker, actor="wong")
    return signed_in(person)


def place(caller: Caller, *wishes: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    response = caller.post("holds", {"holds": list(wishes)} | fields)
    assert response.status_code == 201, response.content
    told: list[dict[str, Any]] = response.json()["holds"]
    return told


def balance(
    caller: Caller, role: str, asset: str = "BTC", **filters: str
) -> tuple[str, str | None, str | None]:
    [row] = caller.get("balances", role=role, asset=asset, **filters).json()["results"]
    return row["quantity"], row["held"], row["available"]


def test_what_is_held_is_shown_beside_what_is_there(house: House, wong: Caller):
    [hold] = place(wong, COINS, expires_at="2026-04-02T17:30:00+08:00")

    assert balance(house.system, "client_collateral") == ("1.50000000", "0.50000000", "1.00000000")
    assert balance(house.system, "custody") == ("1.50000000", "0.50000000", "1.00000000")
    # What is held is held now, so a balance of another day is shown without.
    assert balance(house.system, "custody", as_of="2026-04-01") == ("1.50000000", None, None)
    told = house.system.get(f"holds/{hold['id']}").json()
    accounts = {a.role: a.pk for a in Account.objects.filter(asset__code="BTC")}
    assert {name: told[name] for name in told if name not in ("id", "placed_at")} == {
        "group": hold["id"],
        "position": 1,
        "state": "active",
        "asset": "BTC",
        "debit": {"id": accounts["client_collateral"], **COINS["debit"]},  # type: ignore[dict-item]
        "credit": {"id": accounts["custody"], "client": "", **COINS["credit"]},  # type: ignore[dict-item]
        "quantity": "0.50000000",
        "posted": "0.00000000",
        "left": "0.50000000",
        "expires_at": "2026-04-02T17:30:00+08:00",
        "ended_at": None,
        "actor": "wong-of-operations",
        "reason": "To her own wallet",
        "journals": [],
    }
    refused = house.system.post(
        "clients/C001/collateral-withdrawals", {"asset": "BTC", "quantity": "1.00000001"}
    )
    assert refused.status_code == 422


def test_a_hold_is_posted_in_parts_and_the_rest_released(house: House, wong: Caller):
    [hold] = place(wong, COINS)
    address = f"holds/{hold['id']}"

    first = wong.post(f"{address}:post", {"quantity": "0.2", "value_on": "2026-04-02", "narrative": "First"})

    assert first.status_code == 200
    [journal] = first.json()["journals"]
    assert [(h["state"], h["posted"], h["left"]) for h in first.json()["holds"]] == [
        ("active", "0.20000000", "0.30000000")
    ]
    booked = wong.get(f"journals/{journal}").json()
    assert (booked["hold"], booked["kind"], booked["narrative"]) == (hold["id"], "hold_posting", "First")
    assert balance(wong, "client_collateral") == ("1.30000000", "0.30000000", "1.00000000")
    left = problem(wong.post(f"{address}:post", {"quantity": "0.31"}), 409, "hold_not_open")
    assert left["details"]["left"] == "0.30000000"
    assert (
        wong.post(f"{address}:post", {"quantity": "0.1", "then_release": True}).json()["holds"][0]["state"]
        == "released"
    )
    problem(wong.post(f"{address}:release", {"reason": "Late"}), 409, "hold_not_open")
    assert len(house.system.get(address).json()["journals"]) == 2


def test_a_retry_gets_the_first_answer(house: House, wong: Caller):
    body = {"holds": [COINS]}
    first = wong.post("holds", body, key="k1")
    again = wong.post("holds", body, key="k1")
    assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")
    hold = first.json()["holds"][0]["id"]
    posted = wong.post(f"holds/{hold}:post", {}, key="k2")
    assert wong.post(f"holds/{hold}:post", {}, key="k2").json() == posted.json()
    problem(wong.post(f"holds/{hold}:post", {"quantity": "0.1"}, key="k2"), 422, "idempotency_key_reused")
    assert Hold.objects.count() == 1


def test_a_group_is_placed_posted_and_released_whole(house: House, wong: Caller):
    group = place(wong, COINS, SHARES)
    address = f"hold-groups/{group[0]['group']}"
    assert [h["position"] for h in group] == [1, 2]
    problem(wong.post(f"holds/{group[0]['id']}:post"), 409, "in_group")
    problem(wong.post(f"holds/{group[1]['id']}:release", {"reason": "Mistake"}), 409, "in_group")
    problem(wong.post(f"hold-groups/{group[1]['id']}:post"), 404, "not_found")
    one = {"hold": group[0]["id"], "quantity": "0.1"}
    problem(wong.post(f"{address}:post", {"quantities": [one]}), 422, "group_whole")
    problem(wong.post(f"{address}:post", {"quantities": [one, one]}), 422, "named_twice")

    two = {"hold": group[1]["id"], "quantity": "200"}
    posted = wong.post(f"{address}:post", {"quantities": [one, two]}).json()

    assert [(h["state"], h["left"]) for h in posted["holds"]] == [("active", "0.40000000"), ("posted", "0")]
    assert len(posted["journals"]) == 2
    released = wong.post(f"{address}:release", {"reason": "The rest fell through"}).json()
    assert [h["state"] for h in released["holds"]] == ["released", "posted"]
    assert (
        wong.get("holds", group=group[0]["group"], state="released").json()["results"][0]["id"]
        == group[0]["id"]
    )

    refused = wong.post("holds", {"holds": [COINS, SHARES | {"quantity": "1001"}]})
    problem(refused, 422, "insufficient_balance")
    assert balance(wong, "client_collateral", "00700") == ("1000", "0", "1000")


def test_holds_are_found_by_client_account_asset_and_state(house: House, wong: Caller):
    [coins], [shares] = place(wong, COINS), place(wong, SHARES)
    wong.post(f"holds/{shares['id']}:post")

    def found(**filters: Any) -> list[str]:
        return [row["id"] for row in house.system.get("holds", **filters).json()["results"]]

    assert found() == found(client="C001") == [shares["id"], coins["id"]]
    assert found(client="C002") == []
    assert (
        found(asset="BTC") == found(state="active") == found(account=coins["credit"]["id"]) == [coins["id"]]
    )
    assert broken_rules(house.system.get("holds", state="open")) == [("state", "invalid_choice")]


def test_the_hour_of_a_hold_passes(house: House, wong: Caller):
    [hold] = place(wong, COINS, expires_at="2026-04-02T09:00:00Z")
    with at("2026-04-02 17:00"):
        problem(wong.post(f"holds/{hold['id']}:post"), 409, "hold_not_open")


def test_a_system_reads_holds_and_makes_none(house: House, wong: Caller):
    [hold] = place(wong, COINS)
    problem(house.system.post("holds", {"holds": [COINS]}), 403, "needs_a_person")
    for address in (f"holds/{hold['id']}", f"hold-groups/{hold['id']}"):
        problem(house.system.post(f"{address}:post"), 403, "needs_a_person")
        problem(house.system.post(f"{address}:release", {"reason": "Mistake"}), 403, "needs_a_person")
    peak = system_of(peak_brokerage())
    assert peak.get("holds").json()["results"] == []
    problem(peak.get(f"holds/{hold['id']}"), 404, "not_found")


def test_people_need_the_permission_of_the_back_office_and_their_own_firm(house: House, wong: Caller):
    [hold] = place(wong, COINS)
    ho, kwok = user("ho"), user("kwok", is_superuser=True)
    assign_staff(user=ho, broker=house.world.broker, actor="wong")
    assign_staff(user=kwok, broker=peak_brokerage(), actor="wong")
    problem(signed_in(ho).post("holds", {"holds": [COINS]}), 403, "permission_denied")
    problem(
        signed_in(ho).post(f"holds/{hold['id']}:release", {"reason": "Mistake"}), 403, "permission_denied"
    )
    # Of another firm the hold is not there, and neither are its accounts.
    problem(signed_in(kwok).post(f"holds/{hold['id']}:release", {"reason": "Mistake"}), 404, "not_found")
    problem(signed_in(kwok).post("holds", {"holds": [COINS]}), 422, "unknown_account")
    operator = signed_in(user("boss", is_superuser=True))
    problem(operator.post("holds", {"holds": [COINS]}), 422, "broker_required")
    assert operator.post("holds?broker=HARBOUR", {"holds": [COINS]}).status_code == 201


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": "0.000000001"}, "inexact"),
        ({"quantity": "1.50000001"}, "insufficient_balance"),
        ({"credit": COINS["debit"]}, "hold_shape"),
        ({"credit": {"role": "custody", "location": "CCASS"}}, "unknown_account"),
        ({"debit": {"client": "C00I", "role": "client_collateral", "location": "VATP"}}, "unknown_account"),
    ],
)
def test_what_cannot_be_held_is_refused(house: House, wong: Caller, changes: dict[str, Any], code: str):
    problem(wong.post("holds", {"holds": [COINS | changes]}), 422, code)
    assert not Hold.objects.exists()
    assert not Account.objects.filter(owner="C00I").exists()


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"holds": []}, "holds", "min_length"),
        ({"holds": [COINS] * (HOLDS_PER_GROUP_MAX + 1)}, "holds", "max_length"),
        ({"holds": [COINS], "expires": "2026-04-03T00:00:00Z"}, "expires", "unknown_field"),
        ({"holds": [COINS], "expires_at": "2026-04-03T00:00:00"}, "expires_at", "not_a_moment"),
        ({"holds": [COINS], "expires_at": "2026-04-31T00:00:00Z"}, "expires_at", "not_a_moment"),
        ({"holds": [COINS | {"quantity": 0.5}]}, "holds.0.quantity", "not_a_string"),
        ({"holds": [COINS | {"quantity": "0"}]}, "holds.0.quantity", "not_positive"),
        ({"holds": [COINS | {"credit": {"role": "vault"}}]}, "holds.0.credit.role", "invalid_choice"),
        (
            {"holds": [COINS | {"credit": {"role": "custody", "slot": 3}}]},
            "holds.0.credit.slot",
            "unknown_field",
        ),
    ],
)
def test_what_is_misspelt_is_refused_at_its_field(
    house: House, wong: Caller, body: dict[str, Any], field: str, code: str
):
    assert broken_rules(wong.post("holds", body)) == [(field, code)]
    assert not Hold.objects.exists()


def test_a_long_list_costs_a_fixed_number_of_queries(
    house: House, wong: Caller, django_assert_max_num_queries: Any
):
    place(wong, *[COINS | {"quantity": "0.01"}] * 30)
    with django_assert_max_num_queries(4):
        assert len(house.system.get("holds").json()["results"]) == 30
