"""Single journals over HTTP: callers who come together share a commit, and nobody is booked twice, whatever dies."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import count
from threading import Barrier
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, models
from pytest_django.live_server_helper import LiveServer

from ledger import audit, calls, coalescing
from ledger.balances import holding
from ledger.core.api import idempotent
from ledger.core.models import Command
from ledger.models import Journal, PostingKey
from ledger.requests import AccountKey
from margin.brokers import issue_api_key
from margin.clients import open_client
from margin.models import Broker
from tests.builders import at, v01

from .conftest import NOW, Caller, House, peak_brokerage, problem, system_of
from .test_posting import fee_back, fee_charged, leg

CASH = AccountKey("client_cash", "HKD", "C001")
WITHOUT_MEANS = fee_charged("999999999.00")


@pytest.fixture
def poster(house: House) -> Caller:
    return system_of(house.world.broker, may_post_journals=True)


# What a key is


def test_another_narrative_under_the_same_key_is_told_so(house: House, poster: Caller):
    poster.post("journals", fee_back(narrative="Charged twice"), key="k1")
    told = problem(poster.post("journals", fee_back(), key="k1"), 422, "idempotency_key_reused")
    assert [(e["field"], e["code"]) for e in told["errors"]] == [("narrative", "differs")]


def test_another_body_under_the_key_of_a_refused_journal_is_told_what_differs(house: House, poster: Caller):
    poster.post("journals", WITHOUT_MEANS, key="k1")
    other = poster.post("journals", fee_back("1.00", kind="fee"), key="k1")
    told = problem(other, 422, "idempotency_key_reused")
    assert [e["field"] for e in told["errors"]] == ["kind", "legs"]
    assert not Journal.objects.filter(kind="fee").exists()


def test_the_same_journal_written_otherwise_is_the_same(house: House, poster: Caller):
    first = poster.post("journals", fee_back("120.50"), key="k1")
    body = fee_back("120.5", kind="manual", cause="")
    again = poster.post("journals", {**body, "legs": body["legs"][::-1]}, key="k1")
    assert (again.status_code, again["Idempotency-Replayed"], again.json()) == (201, "true", first.json())


def test_a_key_that_another_command_used_is_refused(house: House, poster: Caller):
    poster.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": "5.00"}, key="k1")
    told = problem(poster.post("journals", fee_back(), key="k1"), 422, "idempotency_key_reused")
    assert "route" in [e["field"] for e in told["errors"]]


def test_what_names_nobody_leaves_the_key_free(house: House, poster: Caller):
    stranger = fee_back(
        legs=[leg("debit", "1.00", "house_capital", ""), leg("credit", "1.00", client="C404")]
    )
    problem(poster.post("journals", stranger, key="k1"), 422, "unknown_client")
    lost = fee_back(legs=[leg("debit", "1.00", "house_capital", "", asset="DOGE"), leg("credit", "1.00")])
    problem(poster.post("journals", lost, key="k1"), 422, "unknown_asset")
    assert not Command.objects.filter(key="k1").exists()
    assert poster.post("journals", fee_back(), key="k1").status_code == 201


def test_a_posted_journal_needs_no_reply_beside_it(house: House, poster: Caller):
    poster.post("journals", fee_back(), key="k1")
    assert not Command.objects.filter(key="k1").exists()


def test_two_firms_have_keys_of_their_own(house: House, poster: Caller):
    peak = system_of(peak_brokerage(), may_post_journals=True)
    moved = [leg("debit", "1.00", "house_capital", ""), leg("credit", "1.00", "suspense", "")]
    answers = [system.post("journals", fee_back(legs=moved), key="k1") for system in (poster, peak)]
    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]
    assert all("Idempotency-Replayed" not in a for a in answers)


# Many at once


@pytest.fixture
def broker(transactional_db: None) -> Broker:
    world, _chan = v01()
    return world.broker


@pytest.fixture
def send(broker: Broker, live_server: LiveServer) -> Callable[..., Any]:
    """Post a journal over a connection of its own; gives status, headers and body."""
    _key, secret = issue_api_key(broker=broker, label="core system", actor="wong", may_post_journals=True)

    def send(body: Any, key: str) -> tuple[int, Any, Any]:
        wire = HTTPConnection(live_server.thread.host, live_server.thread.port, timeout=60)
        headers = {
            "Authorization": f"Bearer {secret}",
            "Idempotency-Key": key,
            "Content-Type": "application/json",
        }
        wire.request("POST", "/api/v1/journals", json.dumps(body), headers)
        answer = wire.getresponse()
        told = answer.status, answer.headers, json.loads(answer.read())
        wire.close()
        return told

    return send


def together(callers: int, call: Callable[[int], Any]) -> list[Any]:
    start = Barrier(callers)

    def run(number: int) -> Any:
        start.wait()
        return call(number)

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(run, range(callers)))


def test_twenty_who_post_one_key_get_one_journal_or_are_told_to_wait(
    broker: Broker, send: Callable[..., Any]
):
    before = holding(broker.book, CASH)

    answers = together(20, lambda _n: send(fee_back("1.00"), "fee-1"))

    assert {status for status, _headers, _body in answers} <= {201, 409}
    booked = [body["id"] for status, _headers, body in answers if status == 201]
    assert booked
    assert {str(j.pk) for j in Journal.objects.filter(kind="manual")} == set(booked)
    for status, headers, body in answers:
        if status == 409:
            assert (body["code"], headers["Retry-After"]) == ("in_flight", "1")
    first = [h for status, h, _body in answers if status == 201 and "Idempotency-Replayed" not in h]
    assert len(first) == 1
    assert send(fee_back("1.00"), "fee-1")[2]["id"] == booked[0]
    assert holding(broker.book, CASH) - before == 1
    assert audit.run().findings == ()


def test_twenty_who_post_one_key_of_a_refused_journal_are_told_one_refusal(send: Callable[..., Any]):
    answers = together(20, lambda _n: send(WITHOUT_MEANS, "fee-1"))

    codes = {body["code"] for _status, _headers, body in answers}
    assert "insufficient_balance" in codes <= {"insufficient_balance", "in_flight"}
    assert len({body["detail"] for _s, _h, body in answers if body["code"] == "insufficient_balance"}) == 1
    assert PostingKey.objects.filter(journal=None).count() == 1
    assert not Journal.objects.filter(kind="manual").exists()


def test_those_who_come_while_a_commit_is_under_way_share_the_next(
    broker: Broker, send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    post, sizes = coalescing.post_each_for, []

    def slowly(book: Any, requests: Any, actors: Any) -> Any:
        sizes.append(len(requests))
        until = monotonic() + 30
        while len(sizes) == 1 and sizes[0] + coalescing.DESK._gathered.qsize() < 8 and monotonic() < until:
            sleep(0.01)
        return post(book, requests, actors)

    monkeypatch.setattr(coalescing, "post_each_for", slowly)
    answers = together(
        8, lambda n: send(WITHOUT_MEANS if n == 5 else fee_back(f"{n + 1}.00", narrative=f"{n}"), f"fee-{n}")
    )

    assert (len(sizes), sum(sizes)) == (2, 8)
    assert [status for status, _headers, _body in answers] == [201] * 5 + [422] + [201] * 2
    assert [body["narrative"] for status, _h, body in answers if status == 201] == [*"0123467"]
    booked = Journal.objects.filter(kind="manual")
    assert len(set(booked.values_list("transaction", flat=True))) <= 2


# Kills


def die_at(step: int) -> None:
    """Let this process be killed, kill -9, at the so-manieth step of what it does next."""
    steps = count(1)

    def reach() -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    for place, name in (
        (coalescing, "_carry_out"),
        (calls, "post_each"),
        (calls, "keep_refusal"),
        (coalescing, "post_each_for"),
        (idempotent, "_as_json"),
        (models.QuerySet, "bulk_create"),
        (idempotent.problems, "response"),
    ):
        setattr(place, name, _marked(getattr(place, name), reach))


def _marked(call: Callable[..., Any], reach: Callable[[], None]) -> Callable[..., Any]:
    def marked(*arguments: Any, **options: Any) -> Any:
        reach()
        result = call(*arguments, **options)
        reach()
        return result

    return marked


def life(system: Caller, body: Any, key: str, step: int) -> bool:
    """Let a process of its own take the call and die at the step; whether it died."""
    connection.close()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    status = 1
    try:
        die_at(step)
        with at(NOW):
            status = 0 if system.post("journals", body, key=key).status_code in (201, 422) else 1
    finally:
        os._exit(status)


@pytest.fixture
def sent(broker: Broker) -> Iterator[Caller]:
    with at(NOW):
        yield system_of(broker, may_post_journals=True)


@pytest.mark.crash
@pytest.mark.parametrize("opens_an_account", [False, True])
@pytest.mark.parametrize(("write", "code"), [(fee_back, 201), (fee_charged, 422)])
def test_wherever_the_server_is_killed_a_retry_gets_the_first_answer(
    broker: Broker, sent: Caller, write: Callable[..., Any], code: int, opens_an_account: bool
):
    """A journal that opens an account is posted in a transaction, every other one in a single statement."""
    lost, done, before = 0, 0, PostingKey.objects.count()
    for step in count(1):
        body = write("999999.00")
        if opens_an_account:
            client = open_client(broker=broker, number=f"C1{step:02}", name="Ms Ho", actor="wong")
            body["legs"] = [{**told, "client": told["client"] and client.number} for told in body["legs"]]
        has_died = life(sent, body, f"k{step}", step)
        was_kept = PostingKey.objects.count() - before == step
        lost, done = lost + (not was_kept), done + (has_died and was_kept)

        answers = [sent.post("journals", body, key=f"k{step}") for _time in range(2)]

        assert [a.status_code for a in answers] == [code] * 2
        told = [{n: v for n, v in a.json().items() if n != "request_id"} for a in answers]
        assert told[0] == told[1]
        assert [a.get("Idempotency-Replayed") for a in answers] == ["true" if was_kept else None, "true"]
        assert PostingKey.objects.count() - before == step
        if not has_died:
            break
    assert lost >= 3
    assert done >= 3
    assert Journal.objects.filter(kind="manual").count() == (step if code == 201 else 0)
    assert audit.run().findings == ()
