"""Readers of the outbox: what was committed reaches each of them, once and in order, whoever dies in between."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event as Signal
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from ledger import consumers, tasks
from ledger.consumers import consume, lag, position_of
from ledger.core import clock
from ledger.core.events import record_event
from ledger.core.models import Event
from ledger.models import Book, Consumer, Journal
from ledger.posting import post

from .books import cash_in, sql

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2022, 5, 12, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _seen(db: None) -> None:
    """What the reader of these stories has seen, in the database it reads from."""
    sql("CREATE TABLE seen (number bigserial PRIMARY KEY, topic text, subject text)")


def keep(events: Sequence[Event]) -> None:
    for event in events:
        sql(
            "INSERT INTO seen (topic, subject) VALUES (%s, %s)", event.topic, event.reason or event.subject_id
        )


def seen() -> list[str]:
    return [
        subject
        for topic, subject in sql("SELECT topic, subject FROM seen ORDER BY number")
        if topic == "story"
    ]


def happen(name: str) -> None:
    with transaction.atomic():
        tell(name)


def tell(name: str) -> None:
    record_event("story", None, actor="lam", reason=name)


def in_thread(work: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        try:
            return work(*arguments)
        finally:
            connection.close()

    return run


def drain(name: str = "reader", handler: consumers.Handler = keep) -> None:
    while consume(name, handler, limit=7).count:
        pass


def test_a_reader_gets_everything_once_and_in_order(book: Book) -> None:
    for name in ("a", "b", "c"):
        happen(name)
    posted = post(book, cash_in("d1", "H0001", "10.00"), actor="ops")

    drain()
    drain()

    told = sql("SELECT topic, subject FROM seen ORDER BY number")
    assert [subject for topic, subject in told if topic == "story"] == ["a", "b", "c"]
    assert told[-1] == ("ledger.journal.posted", str(posted.journal_id))
    assert Consumer.objects.get().consumed_count == len(told)
    happen("d")
    drain()
    assert seen() == ["a", "b", "c", "d"]


def test_readers_do_not_disturb_one_another() -> None:
    happen("a")
    drain("first")
    happen("b")
    drain("second")
    assert seen() == ["a", "a", "b"]


def test_what_cannot_pass_is_named_and_holds_back_what_comes_after_it(monkeypatch: Any) -> None:
    def stumble(events: Sequence[Event]) -> None:
        for event in events:
            keep([event])
            if event.reason == "bad":
                raise ValueError("no such client")

    for name in ("a", "b", "bad", "c"):
        happen(name)
    with clock.override(NOON):
        first = consume("reader", stumble)
    assert seen() == ["a", "b"]
    assert first.error == "story : ValueError: no such client"
    reader = Consumer.objects.get()
    assert (reader.attempts, reader.last_error) == (1, first.error)
    assert reader.retry_at == NOON + timedelta(seconds=2)

    with clock.override(NOON + timedelta(seconds=1)):
        assert consume("reader", keep).count == 0
    with clock.override(NOON + timedelta(seconds=3)):
        consume("reader", stumble)
    assert Consumer.objects.get().retry_at == NOON + timedelta(seconds=7)
    with clock.override(NOON + timedelta(hours=1)):
        drain()
    assert seen() == ["a", "b", "bad", "c"]
    reader = Consumer.objects.get()
    assert (reader.attempts, reader.last_error, reader.retry_at) == (0, "", None)


def test_a_reader_inside_a_transaction_is_a_fault() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        consume("reader", keep)


def test_writers_that_stay_open_and_commit_in_any_order_lose_nothing(book: Book) -> None:
    """Eight writers hold their transactions for a while; two relays read all along."""
    is_over = Signal()

    def write(seed: int) -> list[str]:
        dice = random.Random(seed)
        names = []
        for n in range(15):
            with transaction.atomic():
                for m in range(dice.randint(1, 3)):
                    tell(f"{seed}.{n}.{m}")
                    names.append(f"{seed}.{n}.{m}")
                    time.sleep(dice.random() * 0.02)
                if dice.random() < 0.2:
                    transaction.set_rollback(True)
                    names = [name for name in names if not name.startswith(f"{seed}.{n}.")]
        return names

    def relay() -> int:
        passed = 0
        while not is_over.is_set():
            passed += consume("reader", keep, limit=5).count
        return passed

    with ThreadPoolExecutor(10) as pool:
        relays = [pool.submit(in_thread(relay)) for _ in range(2)]
        writers = [pool.submit(in_thread(write), seed) for seed in range(8)]
        written = [name for writer in writers for name in writer.result()]
        is_over.set()
        passed = sum(each.result() for each in relays)

    drain()
    ordered = sql("SELECT reason FROM core_event WHERE topic = 'story' ORDER BY transaction, id")
    assert sorted(written) == sorted(name for (name,) in ordered)
    assert seen() == [name for (name,) in ordered]
    assert passed > 0


@pytest.mark.crash
def test_a_relay_killed_between_its_work_and_the_commit_loses_nothing_and_repeats_nothing() -> None:
    names = [str(n) for n in range(60)]
    for name in names:
        happen(name)
    for life in range(6):
        child = in_a_process(lambda life=life: die_at(life))
        assert child == -signal.SIGKILL
        before = seen()
        assert before == names[: len(before)]
    drain()
    assert seen() == names


def die_at(life: int) -> None:
    """Pass some events in commits of their own, then die with the work of the next one done and not committed."""
    left = life

    def work(events: Sequence[Event]) -> None:
        nonlocal left
        keep(events)
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    while consume("reader", work, limit=3).count:
        pass


def in_a_process(work: Callable[[], None]) -> int:
    """Run `work` in a child of its own and tell how it ended; negative for a signal."""
    connection.close()
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_an_open_transaction_shows_as_waiting_and_loses_nothing() -> None:
    happen("a")
    drain()
    settings = connection.get_connection_params()
    with psycopg.connect(
        **{k: v for k, v in settings.items() if k not in ("cursor_factory", "context", "prepare_threshold")}
    ) as other:
        other.execute("SELECT pg_current_xact_id()")
        happen("b")

        drain()
        assert seen() == ["a"]
        behind = lag(Consumer.objects.get())
        assert (behind.events, behind.held_count) == (1, 1)
        assert behind.held_since is not None
        other.commit()

    drain()
    assert seen() == ["a", "b"]
    assert lag(Consumer.objects.get()).events == 0


def test_the_lag_is_what_was_committed_and_not_read(book: Book) -> None:
    drain()
    post(book, cash_in("d1", "H0001", "10.00"), actor="ops")
    happen("a")
    with clock.override(Journal.objects.get().booked_at + timedelta(seconds=90)):
        behind = lag(Consumer.objects.get())
    assert (behind.events, behind.seconds, behind.held_count) == (2, 90, 0)


def test_the_relay_serves_all_who_registered_and_one_that_fails_stops_no_other(monkeypatch: Any) -> None:
    def fail(events: Sequence[Event]) -> None:
        raise ValueError("out of order")

    monkeypatch.setattr(consumers, "_handlers", {})
    consumers.register_consumer("failing", fail)
    consumers.register_consumer("reader", keep)
    with pytest.raises(ValueError, match="already a consumer reader"):
        consumers.register_consumer("reader", keep)
    happen("a")

    assert tasks.relay_events() == 1
    assert seen() == ["a"]
    assert "out of order" in Consumer.objects.get(name="failing").last_error


def test_l32_a_position_moved_back_or_past_what_is_open() -> None:
    happen("a")
    drain()
    there = position_of("reader")
    for statement in (
        f"UPDATE ledger_consumer SET transaction = '{there[0] - 1}'",
        "UPDATE ledger_consumer SET place = ''",
        "UPDATE ledger_consumer SET name = 'other'",
        "UPDATE ledger_consumer SET transaction = pg_current_xact_id()",
        "INSERT INTO ledger_consumer (name, transaction, place, consumed_count, updated_at, attempts, last_error)"
        " VALUES ('new', pg_current_xact_id(), '', 0, now(), 0, '')",
        "DELETE FROM ledger_consumer",
        "TRUNCATE ledger_consumer",
    ):
        with pytest.raises(Exception, match=r"forward|pass over|refused|append|never|changed") as refused:
            sql(statement)
        assert getattr(refused.value.__cause__, "sqlstate", None) is not None
    assert position_of("reader") == there
