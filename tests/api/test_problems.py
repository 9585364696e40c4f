"""Every error reads alike, wherever it comes from."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from ledger.core.api.parsers import BODY_BYTES_MAX
from margin import clients
from margin.models import Client

from .conftest import Caller, House, problem


def test_an_address_that_is_none_of_ours(house: House):
    for path in ("nothing", "clients/", "forced-sales/1:explode"):
        problem(house.system.get(path), 404, "not_found")
    problem(house.system.post("nothing"), 404, "not_found")


def test_a_method_that_is_not_offered(house: House):
    for method in ("put", "patch", "delete", "options"):
        response = getattr(house.system.client, method)("/api/v1/clients/C001")
        problem(response, 405, "method_not_allowed")


def test_a_body_that_is_not_json(house: House):
    response = house.system.client.post(
        "/api/v1/clients",
        "number=C002",
        content_type="application/x-www-form-urlencoded",
        headers={"Idempotency-Key": "k"},
    )
    problem(response, 415, "unsupported_media_type")


def test_a_reply_that_is_not_json_cannot_be_had(house: House):
    response = house.system.client.get("/api/v1/clients", headers={"Accept": "text/csv"})
    problem(response, 406, "not_acceptable")


def test_a_body_has_a_largest_size(house: House):
    raw = '{"name": "' + "x" * BODY_BYTES_MAX + '"}'
    response = house.system.send("clients", raw, **{"Idempotency-Key": "k"})
    problem(response, 413, "body_too_large")


def test_a_body_is_an_object(house: House):
    for raw in ("[]", '"text"', "1", "null"):
        response = house.system.send("clients", raw, **{"Idempotency-Key": "k"})
        assert problem(response, 422, "invalid")["errors"]


@pytest.mark.parametrize("name", [r"\u0000", r"\ud800"])
def test_text_the_database_cannot_keep(firm: Caller, name: str):
    response = firm.send("clients", f'{{"number": "C001", "name": "{name}"}}', **{"Idempotency-Key": "k"})
    assert problem(response, 422, "invalid")["errors"][0]["field"] == "name"


def test_the_callers_request_id_is_given_back(house: House):
    response = house.system.client.get("/api/v1/clients/C404", headers={"X-Request-ID": "core-20260402-17"})
    assert problem(response, 404, "not_found")["request_id"] == "core-20260402-17"
    response = house.system.client.get("/api/v1/clients/C404", headers={"X-Request-ID": "bad id\n"})
    assert problem(response, 404, "not_found")["request_id"].startswith("req_")


def test_what_the_law_of_the_database_refuses_is_named_by_its_rule(
    firm: Caller, monkeypatch: pytest.MonkeyPatch
):
    open_client = clients.open_client

    def twice(**values: Any) -> Client:
        open_client(**values)
        return Client.objects.create(broker=values["broker"], number=values["number"], opened_on="2026-04-02")

    def unnumbered(**values: Any) -> Client:
        return Client.objects.create(broker=values["broker"], number="", opened_on="2026-04-02")

    def waiting(**_values: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '40P01'; END $$")

    for service, status, code, constraint in (
        (twice, 409, "already_exists", "margin_client_number_once"),
        (unnumbered, 422, "constraint_violated", "margin_client_number_given"),
    ):
        monkeypatch.setattr(clients, "open_client", service)
        told = problem(firm.post("clients", {"number": "C001", "name": "Chan"}), status, code)
        monkeypatch.undo()
        assert told["details"] == {"constraint": constraint}
    monkeypatch.setattr(clients, "open_client", waiting)
    response = firm.post("clients", {"number": "C001", "name": "Chan"})
    problem(response, 503, "try_again")
    assert response["Retry-After"] == "1"
    assert not Client.objects.exists()


def test_codes_are_the_same_in_every_language(house: House):
    response = house.system.client.get("/api/v1/clients/C404", headers={"Accept-Language": "zh-hant"})
    problem(response, 404, "not_found")


def test_replies_are_not_kept_by_caches(house: House):
    assert house.system.get("clients")["Cache-Control"] == "no-store"
