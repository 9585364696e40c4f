"""A command has its effect once per key, whatever the network does."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from ledger.core import events
from ledger.core.models import Command
from ledger.models import Journal
from margin import custody
from tests.builders import at, user, v01

from .conftest import NOW, House, problem, signed_in, system_of

DEPOSIT = {"currency": "HKD", "amount": "50000.00"}
PATH = "clients/C001/cash-deposits"


def cash_deposits() -> int:
    return Journal.objects.filter(kind="cash_deposit").count()


def test_a_deposit_posted_twice_with_one_key_has_one_effect(house: House):
    first = house.system.post(PATH, DEPOSIT, key="wire-20260402-1")
    second = house.system.post(PATH, DEPOSIT, key="wire-20260402-1")

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert cash_deposits() == 1


def test_another_body_under_the_same_key_is_told_what_differs(house: House):
    house.system.post(PATH, DEPOSIT, key="wire-1")
    response = house.system.post(PATH, {"currency": "USD", "amount": "5000.00"}, key="wire-1")

    told = problem(response, 422, "idempotency_key_reused")
    assert "amount, currency" in told["detail"]
    assert [(e["field"], e["code"]) for e in told["errors"]] == [
        ("amount", "differs"),
        ("currency", "differs"),
    ]
    assert cash_deposits() == 1


def test_another_address_under_the_same_key_is_told_so(house: House):
    house.system.post(PATH, DEPOSIT, key="wire-1")
    response = house.system.post("clients/C001/cash-withdrawals", DEPOSIT, key="wire-1")
    assert [e["field"] for e in problem(response, 422, "idempotency_key_reused")["errors"]] == ["route"]


def test_a_refusal_is_a_reply_and_is_remembered(house: House):
    path = "clients/C001/collateral-withdrawals"
    everything = {"asset": "BTC", "quantity": "1.5"}
    first = problem(house.system.post(path, everything, key="out-1"), 422, "withdrawal_leaves_shortfall")
    house.system.post(PATH, {"currency": "HKD", "amount": "2000000"})

    again = house.system.post(path, everything, key="out-1")

    second = problem(again, 422, "withdrawal_leaves_shortfall")
    assert again["Idempotency-Replayed"] == "true"
    assert second["detail"] == first["detail"]
    assert second["request_id"] != first["request_id"]
    assert house.system.post(path, everything, key="out-2").status_code == 201


def test_what_could_not_be_read_leaves_the_key_free(house: House):
    assert house.system.post(PATH, {"currency": "HKD", "amount": 5}, key="wire-1").status_code == 422
    assert house.system.post(PATH, DEPOSIT, key="wire-1").status_code == 201
    assert house.system.post("clients/C404/cash-deposits", DEPOSIT, key="wire-2").status_code == 404
    assert house.system.post(PATH, DEPOSIT, key="wire-2").status_code == 201


def test_what_failed_on_our_side_is_not_remembered(house: House, monkeypatch: pytest.MonkeyPatch):
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("the power went out")

    with monkeypatch.context() as broken:
        broken.setattr(custody, "record_event", fail)
        told = problem(house.system.post(PATH, DEPOSIT, key="wire-1"), 500, "internal_error")
        assert "power" not in str(told)
    assert cash_deposits() == 0

    assert house.system.post(PATH, DEPOSIT, key="wire-1").status_code == 201
    assert cash_deposits() == 1


def test_a_command_needs_a_key_of_visible_ascii(house: House):
    problem(house.system.send(PATH, "{}"), 400, "idempotency_key_required")
    for key in ("wire 1", "wire-é", "x" * 256, "wire\t1"):
        response = house.system.send(PATH, "{}", **{"Idempotency-Key": key})
        problem(response, 400, "idempotency_key_malformed")
    assert not Command.objects.exists()
    assert house.system.post(PATH, DEPOSIT, key="~" * 255).status_code == 201


def test_keys_of_a_system_and_of_a_person_are_their_own(house: House):
    person = signed_in(user("boss", is_superuser=True))
    assert house.system.post(PATH, DEPOSIT, key="wire-1").status_code == 201
    response = person.post(f"{PATH}?broker=HARBOUR", DEPOSIT, key="wire-1")
    assert response.status_code == 201
    assert "Idempotency-Replayed" not in response
    assert cash_deposits() == 2


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_in_flight_the_second_is_told_to_wait(monkeypatch: pytest.MonkeyPatch):
    world, _chan = v01()
    system = system_of(world.broker)
    inside, go_on, replies = threading.Event(), threading.Event(), []
    record = events.record_event

    def pause(*arguments: Any, **options: Any) -> Any:
        inside.set()
        assert go_on.wait(timeout=20)
        return record(*arguments, **options)

    def first_call() -> None:
        try:
            with at(NOW):
                replies.append(system_of(world.broker).post(PATH, DEPOSIT, key="wire-1"))
        finally:
            connection.close()

    with monkeypatch.context() as slow:
        slow.setattr(custody, "record_event", pause)
        worker = threading.Thread(target=first_call)
        worker.start()
        assert inside.wait(timeout=20)
    with at(NOW):
        waiting = system.post(PATH, DEPOSIT, key="wire-1")
        go_on.set()
        worker.join(timeout=20)
        afterwards = system.post(PATH, DEPOSIT, key="wire-1")

    problem(waiting, 409, "in_flight")
    assert waiting["Retry-After"] == "1"
    assert replies[0].status_code == 201
    assert afterwards.json() == replies[0].json()
    assert afterwards["Idempotency-Replayed"] == "true"
    assert cash_deposits() == 1
