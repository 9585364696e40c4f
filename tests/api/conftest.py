"""Two firms with a key each, and callers that speak to the API as their systems do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from rest_framework.test import APIClient

from ledger.coalescing import Coalescer
from ledger.models import Location
from ledger.posting import post_each
from margin.brokers import issue_api_key, open_broker
from margin.models import Broker, Client, Facility, RatePlan
from tests.builders import D, World, at, harbour, launch, margin_policy, v01

NOW = "2026-04-02 16:30"


class Caller:
    """A system or a person that calls `/api/v1/`; a POST gets a fresh idempotency key unless one is given."""

    def __init__(self, client: APIClient) -> None:
        self.client = client

    def get(self, path: str, **parameters: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", parameters)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self.client.post(
            f"/api/v1/{path}",
            {} if body is None else body,
            format="json",
            headers={"Idempotency-Key": key or uuid4().hex},
        )

    def send(self, path: str, raw: str, **headers: str) -> Any:
        """POST a body as it stands."""
        return self.client.post(f"/api/v1/{path}", raw, content_type="application/json", headers=headers)


def system_of(broker: Broker, *, may_post_journals: bool = False) -> Caller:
    _key, secret = issue_api_key(
        broker=broker, label="core system", actor="wong", may_post_journals=may_post_journals
    )
    return Caller(APIClient(headers={"Authorization": f"Bearer {secret}"}))


def signed_in(person: Any, *, enforce_csrf_checks: bool = False) -> Caller:
    client = APIClient(enforce_csrf_checks=enforce_csrf_checks)
    client.force_login(person)
    return Caller(client)


def peak_brokerage() -> Broker:
    broker = open_broker(
        code="PEAK",
        name="Peak Brokerage",
        clearing_location=Location.objects.get(code="CCASS"),
        commission_rate=D("0.0025"),
        commission_minimum=D("100.00"),
        virtual_asset_fee_rate=D("0"),
        actor="wong",
    )
    RatePlan.objects.create(
        broker=broker,
        name="Standard",
        valid_from="2021-01-01",
        rate_per_annum=D("0.08"),
        excess_rate_per_annum=D("0.08"),
    )
    margin_policy(broker)
    launch(broker)
    return broker


@pytest.fixture(autouse=True)
def posts_inside_a_test_that_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shared commit is another connection's, which sees nothing of a test that never commits."""
    share = Coalescer.answer

    def answer(desk: Coalescer, book: Any, request: Any, *, actor: str) -> Any:
        if connection.in_atomic_block:
            return post_each(book, [request], actor=actor)[0]
        return share(desk, book, request, actor=actor)

    monkeypatch.setattr(Coalescer, "answer", answer)


@dataclass
class House:
    """Harbour Securities with Ms Chan of example V01, on 2 April 2026 at 16:30 Hong Kong time."""

    world: World
    chan: Facility
    system: Caller

    @property
    def client(self) -> Client:
        return self.chan.client


@pytest.fixture
def house(db: None) -> Iterator[House]:
    world, chan = v01()
    with at(NOW):
        yield House(world, chan, system_of(world.broker))


@pytest.fixture
def firm(db: None) -> Iterator[Caller]:
    """Harbour Securities' system, before it has any client."""
    world = harbour()
    with at(NOW):
        yield system_of(world.broker)


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """Return the problem after checking what every problem has."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert told["code"] == code, told
    assert told["status"] == status
    assert told["type"] == f"urn:lombard:problem:{code}"
    assert told["detail"]
    assert told["instance"] == response.wsgi_request.path
    assert told["request_id"] == response["X-Request-ID"]
    return told


def broken_rules(response: Any) -> list[tuple[str, str]]:
    """Return (field, code) of each broken rule of a refused value."""
    return [(e["field"], e["code"]) for e in problem(response, 422, "invalid")["errors"]]
