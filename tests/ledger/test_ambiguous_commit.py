"""The connection is cut between a commit and its reply; a retry has one effect and the same answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction

from ledger import audit, posting
from ledger.accounts import resolve
from ledger.balances import holding
from ledger.coalescing import Coalescer
from ledger.core.idempotency import Reply, execute_once
from ledger.models import Book, Journal
from ledger.posting import Posted, Refused

from .books import BANK, cash, cash_in, cash_out, sql
from .proxy import TO_CLIENT, TO_SERVER, Wire, wired

pytestmark = pytest.mark.django_db(transaction=True)
CHAN, LEE = "H0001", "H0002"
LOST = (OperationalError, InterfaceError)


@pytest.fixture
def wire(book: Book) -> Iterator[Wire]:
    """Ms Chan and Mr Lee have a hundred dollars each at Harbour Securities, at the other end of the wire."""
    posting.post_batch(book, [cash_in("d1", CHAN, "100.00"), cash_in("d2", LEE, "100.00")], actor="ops")
    with wired() as wire:
        yield wire


def single(book: Book) -> list[Any]:
    return [posting.post(book, cash_out("w1", CHAN, "10.00"), actor="ops").journal_id]


def batch(book: Book) -> list[Any]:
    requests = [cash_out("w1", CHAN, "10.00"), cash_out("w2", LEE, "5.00")]
    return [posted.journal_id for posted in posting.post_batch(book, requests, actor="ops")]


def each(book: Book) -> list[Any]:
    requests = [cash_out("w1", CHAN, "10.00"), cash_out("w2", LEE, "500.00"), cash_out("w3", LEE, "5.00")]
    results = posting.post_each(book, requests, actor="ops")
    return [r.refusal.reason if isinstance(r, Refused) else r.journal_id for r in results]


def in_a_transaction(book: Book) -> list[Any]:
    with transaction.atomic():
        return single(book)


def command(book: Book) -> list[Any]:
    """As a request with an Idempotency-Key comes over HTTP."""

    def carry_out() -> Reply:
        posted: Posted = posting.post(book, cash_out("w1", CHAN, "10.00"), actor="ops")
        return Reply(201, str(posted.journal_id))

    reply = execute_once(
        scope="api:harbour",
        key="k1",
        route="withdrawal",
        body={"amount": "10.00"},
        command=carry_out,
        refuse=lambda refusal: Reply(422, refusal.reason),
    )
    return [reply.status, reply.body]


WAYS = [single, batch, each, in_a_transaction, command]
HELD = {single: (90, 100), batch: (90, 95), each: (90, 95), in_a_transaction: (90, 100), command: (90, 100)}


def told(rows: list[Any]) -> list[str]:
    return [str(row) for row in rows]


def journals() -> dict[str, str]:
    keys = Journal.objects.filter(idempotency_key__startswith="w").values_list("idempotency_key", "id")
    return {key: str(journal_id) for key, journal_id in keys}


def reconnect(book: Book) -> None:
    """A fresh connection of a process that knows its accounts."""
    connection.close()
    connection.ensure_connection()
    resolve(book, [cash(CHAN), cash(LEE), BANK])


def done_and_undone(book: Book, way: Callable[[Book], list[Any]]) -> None:
    """Go the way once and take it back, so that its bytes can be counted."""
    with transaction.atomic():
        (single if way in (in_a_transaction, command) else way)(book)
        transaction.set_rollback(True)


def until_answered(book: Book, way: Callable[[Book], list[Any]]) -> list[Any]:
    for _attempt in range(50):
        try:
            return way(book)
        except LOST:
            connection.close()
    raise AssertionError("no answer after fifty attempts")


def cut_the_reply_of_commit(number: int, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut at this COMMIT from now on; that of a command follows the commit of its claim on the key."""
    commit, commits = connection._commit, count(1)

    def cut() -> None:
        if next(commits) == number:
            wire.cut_after(1, TO_CLIENT)
        commit()

    monkeypatch.setattr(connection, "_commit", cut)


@pytest.mark.parametrize("way", WAYS)
def test_the_reply_to_a_commit_is_lost_and_the_retry_has_one_effect(
    book: Book, wire: Wire, way: Callable[[Book], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reconnect(book)
    known = [cash_in("d1", CHAN, "100.00"), cash_in("d2", LEE, "100.00")]
    # Replays, so that each statement is prepared and the next one is a single message and a single reply.
    posting.post(book, known[0], actor="ops")
    posting.post_batch(book, known, actor="ops")
    posting.post_each(book, known, actor="ops")
    if way in (single, batch, each):
        # One statement, which is its own commit.
        wire.cut_after(1, TO_CLIENT)
    else:
        cut_the_reply_of_commit(2 if way is command else 1, wire, monkeypatch)
    with pytest.raises(LOST):
        way(book)
    monkeypatch.undo()
    connection.close()
    booked = journals()
    assert "w1" in booked

    answer = until_answered(book, way)

    assert journals() == booked
    assert set(booked.values()) == {row for row in told(answer) if "-" in row}
    assert (holding(book, cash(CHAN)), holding(book, cash(LEE))) == HELD[way]
    assert audit.run().findings == ()


def test_the_reply_to_a_shared_commit_is_lost_and_its_caller_gets_the_journal(book: Book, wire: Wire) -> None:
    desk = Coalescer()
    # A replay, so that the lane's statement is prepared and the next one is a single message and a single reply.
    desk.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    wire.cut_after(1, TO_CLIENT)

    answer = desk.answer(book, cash_out("w1", CHAN, "10.00"), actor="ops")

    assert wire.cuts == 1
    assert isinstance(answer, Posted)
    assert (answer.is_replay, journals()) == (True, {"w1": str(answer.journal_id)})
    assert (holding(book, cash(CHAN)), holding(book, cash(LEE))) == HELD[single]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
def test_wherever_the_wire_is_cut_a_retry_has_one_effect_and_the_same_answer(
    book: Book, wire: Wire, way: Callable[[Book], list[Any]], direction: str
) -> None:
    dice = random.Random(f"{way.__name__} {direction}")
    reconnect(book)
    before = dict(wire.passed)
    done_and_undone(book, way)
    length = wire.passed[direction] - before[direction]
    answers = []
    for _cut in range(6):
        reconnect(book)
        wire.cut_after(dice.randint(1, length * 3 // 4), direction)
        answers.append(told(until_answered(book, way)))
        wire.disarm()

    assert wire.cuts >= 2
    assert all(answer == answers[0] for answer in answers)
    assert len(journals()) == (2 if way in (batch, each) else 1)
    assert (holding(book, cash(CHAN)), holding(book, cash(LEE))) == HELD[way]
    assert sql("SELECT count(*) FROM ledger_journal") == [(2 + len(journals()),)]
    assert audit.run().findings == ()
