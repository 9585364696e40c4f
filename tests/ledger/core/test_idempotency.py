from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection

from ledger.core import idempotency
from ledger.core.errors import InFlight, Invalid, KeyReused, Refusal
from ledger.core.idempotency import Reply, execute_once
from ledger.core.models import Command
from ledger.models import Book

DEPOSIT = {"client": "H0001", "amount": {"value": "100.00", "currency": "HKD"}}


def send(
    command: Callable[[], Reply], *, key: str = "k1", body: Any = None, route: str = "POST /deposits"
) -> Reply:
    return execute_once(
        scope="api:harbour",
        key=key,
        route=route,
        body=DEPOSIT if body is None else body,
        command=command,
        refuse=lambda refusal: Reply(refusal.status, {"code": refusal.reason}),
    )


def opens_a_book(code: str = "HARBOUR") -> Callable[[], Reply]:
    """A command whose effect can be counted."""
    return lambda: Reply(201, {"id": Book.objects.create(code=code, name=code).pk})


@pytest.mark.django_db
def test_the_first_call_has_the_effect_and_the_second_gets_its_reply() -> None:
    first = send(opens_a_book())
    again = send(opens_a_book())

    assert (first.status, first.is_replay) == (201, False)
    assert again == Reply(201, first.body, is_replay=True)
    assert Book.objects.count() == 1


@pytest.mark.django_db
def test_another_scope_is_another_key() -> None:
    send(opens_a_book())
    other = execute_once(
        scope="api:peak",
        key="k1",
        route="",
        body={},
        command=opens_a_book("PEAK"),
        refuse=lambda _r: Reply(0, {}),
    )

    assert not other.is_replay


@pytest.mark.django_db
def test_another_body_is_refused_and_every_difference_named() -> None:
    send(opens_a_book())

    with pytest.raises(KeyReused, match=r"these differ: route, amount.value, note") as refused:
        send(
            opens_a_book("PEAK"),
            body={"client": "H0001", "amount": {"value": "100.01", "currency": "HKD"}, "note": "x"},
            route="POST /withdrawals",
        )

    assert refused.value.status == 422
    assert refused.value.details == {"differing": ["route", "amount.value", "note"]}
    assert Book.objects.count() == 1


@pytest.mark.django_db
def test_a_field_given_as_null_differs_from_one_not_given() -> None:
    send(opens_a_book())

    with pytest.raises(KeyReused, match="these differ: note"):
        send(opens_a_book(), body=DEPOSIT | {"note": None})


@pytest.mark.django_db
def test_the_order_of_fields_does_not_make_another_body() -> None:
    send(opens_a_book())

    assert send(opens_a_book(), body=dict(reversed(DEPOSIT.items()))).is_replay


@pytest.mark.django_db
def test_a_refusal_is_a_reply_and_is_remembered_without_any_effect() -> None:
    def refused() -> Reply:
        Book.objects.create(code="HALF", name="")
        raise Invalid("no", code="too_poor")

    first = send(refused)
    again = send(opens_a_book())

    assert first == Reply(422, {"code": "too_poor"})
    assert again == Reply(422, {"code": "too_poor"}, is_replay=True)
    assert not Book.objects.exists()


@pytest.mark.django_db
def test_a_call_that_broke_off_had_no_effect_and_the_next_one_takes_over() -> None:
    def crash() -> Reply:
        Book.objects.create(code="HALF", name="")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        send(crash)
    assert Command.objects.get().response_status is None
    assert not Book.objects.exists()

    assert send(opens_a_book()).status == 201


@pytest.mark.django_db
def test_an_inner_command_in_flight_is_no_reply_to_remember() -> None:
    def busy() -> Reply:
        raise InFlight("busy")

    with pytest.raises(InFlight):
        send(busy)

    assert send(opens_a_book()).status == 201


@pytest.mark.django_db(transaction=True)
def test_while_the_first_call_runs_the_second_is_told_to_come_back() -> None:
    is_running, may_end = Event(), Event()

    def slow() -> Reply:
        is_running.set()
        assert may_end.wait(10)
        return opens_a_book()()

    def first() -> Reply:
        try:
            return send(slow)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first)
        assert is_running.wait(10)
        with pytest.raises(InFlight) as refused:
            send(opens_a_book())
        may_end.set()
        reply = running.result()

    assert (refused.value.status, refused.value.retry_after_seconds) == (409, 1)
    assert send(opens_a_book()) == Reply(201, reply.body, is_replay=True)
    assert Book.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_claim_whose_process_died_is_taken_over() -> None:
    Command.objects.create(
        scope="api:harbour",
        key="k1",
        route="POST /deposits",
        body=DEPOSIT,
        body_hash=idempotency.body_hash({"route": "POST /deposits", "body": DEPOSIT}),
        received_at="2022-05-12T09:30:00Z",
    )

    assert send(opens_a_book()) == Reply(201, {"id": Book.objects.get().pk})


@pytest.mark.django_db(transaction=True)
def test_twenty_calls_at_once_have_one_effect() -> None:
    at_once = Barrier(20)

    def call(_n: int) -> str:
        try:
            at_once.wait()
            return str(send(opens_a_book()).status)
        except Refusal as refusal:
            return refusal.reason
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        outcomes = set(pool.map(call, range(20)))

    assert outcomes <= {"201", "in_flight"}
    assert Book.objects.count() == 1
