"""Clients are opened and read by the number the firm gave them."""

from __future__ import annotations

from datetime import date

from ledger.core.models import Event
from margin.models import Client
from tests.builders import at

from .conftest import Caller, House, broken_rules, problem

CHAN = {
    "number": "C001",
    "name": "Chan Siu Ming",
    "language": "zh-hant",
    "email": "chan@example.com",
    "credit_review_due_on": "2027-04-02",
}


def test_a_client_is_opened_and_read_back(firm: Caller):
    response = firm.post("clients", CHAN)

    assert response.status_code == 201
    assert response.json() == {
        "broker": "HARBOUR",
        "number": "C001",
        "name": "Chan Siu Ming",
        "kind": "individual",
        "language": "zh-hant",
        "email": "chan@example.com",
        "mobile": "",
        "group": None,
        "opened_on": "2026-04-02",
        "credit_review_due_on": "2027-04-02",
        "va_financing_from": None,
        "facility": None,
    }
    assert firm.get("clients/C001").json() == response.json()
    assert Client.objects.get().credit_review_due_on == date(2027, 4, 2)
    assert Event.objects.get(topic="margin.client.opened").actor.startswith("api:")


def test_a_number_is_taken_once(firm: Caller):
    firm.post("clients", CHAN)
    problem(firm.post("clients", CHAN | {"name": "Chan Wai Yee"}), 409, "number_taken")


def test_what_a_client_cannot_be_is_named_field_by_field(firm: Caller):
    response = firm.post(
        "clients",
        {"number": "C/1", "name": 7, "kind": "ghost", "credit_review_due_on": "20270402", "emial": "x"},
    )
    assert broken_rules(response) == [("emial", "unknown_field")]

    response = firm.post(
        "clients", {"number": "C/1", "name": 7, "kind": "ghost", "credit_review_due_on": "20270402"}
    )
    assert broken_rules(response) == [
        ("number", "invalid"),
        ("name", "invalid"),
        ("kind", "invalid_choice"),
        ("credit_review_due_on", "not_a_date"),
    ]
    assert not Client.objects.exists()


def test_there_is_no_such_client(firm: Caller):
    for number in ("C404", "%00", "c001", "x" * 300):
        problem(firm.get(f"clients/{number}"), 404, "not_found")


def test_clients_are_listed_newest_first_page_by_page(house: House):
    for number in ("C002", "C003", "C004"):
        house.world.client(number, "Client", may_borrow_on_coins=False)

    first = house.system.get("clients", limit=3).json()
    second = house.system.get("clients", limit=3, cursor=first["next_cursor"]).json()

    assert [client["number"] for client in first["results"]] == ["C004", "C003", "C002"]
    assert [client["number"] for client in second["results"]] == ["C001"]
    assert second["next_cursor"] is None


def test_pages_that_cannot_be_are_refused(house: House):
    for limit in ("0", "501", "-1", "ten", "١"):
        assert broken_rules(house.system.get("clients", limit=limit)) == [("limit", "out_of_range")]
    for cursor in ("not base64!", "YWJj", "w6k"):
        for path in ("clients", "journals"):
            assert broken_rules(house.system.get(path, cursor=cursor)) == [("cursor", "unknown_cursor")]


def test_a_misspelt_filter_is_refused_instead_of_showing_everything(house: House):
    assert broken_rules(house.system.get("margin-calls", clent="C001")) == [("clent", "unknown_parameter")]


def test_listing_many_clients_asks_the_database_no_more_than_listing_one(
    house: House, django_assert_max_num_queries
):
    for number in range(2, 30):
        house.world.client(f"C{number:03}", "Client", may_borrow_on_coins=False)
    with django_assert_max_num_queries(3):
        assert len(house.system.get("clients").json()["results"]) == 29


def test_a_client_is_opened_on_the_date_in_hong_kong(firm: Caller):
    with at("2026-04-03 00:30"):
        assert firm.post("clients", CHAN).json()["opened_on"] == "2026-04-03"
