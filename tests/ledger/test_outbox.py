from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event as Signal

import pytest
from django.db import connection, transaction

from ledger.core import clock
from ledger.core.events import record_event
from ledger.core.models import Event
from ledger.models import Book
from ledger.outbox import START, Cursor, cursor_of, read_events

NOON = datetime(2022, 5, 12, 4, tzinfo=UTC)


@pytest.fixture
def harbour(db: None) -> Book:
    return Book.objects.create(code="HARBOUR", name="Harbour Securities")


def topics(after: Cursor = START, limit: int = 100) -> list[str]:
    return [
        event.topic for event in read_events(after=after, limit=limit) if event.topic.startswith("story.")
    ]


def test_an_event_says_what_happened_to_whom_by_whose_hand_and_why(harbour: Book) -> None:
    with clock.override(NOON):
        record_event(
            "story.book.opened",
            harbour,
            actor="lam",
            reason="New firm",
            broker_code="HARBOUR",
            code="HARBOUR",
        )

    event = Event.objects.get(topic="story.book.opened")
    assert (event.subject_type, event.subject_id) == ("ledger.book", str(harbour.pk))
    assert (event.actor, event.reason, event.broker_code) == ("lam", "New firm", "HARBOUR")
    assert (event.payload, event.occurred_at) == ({"code": "HARBOUR"}, NOON)


def test_an_event_may_concern_the_whole_house(db: None) -> None:
    event = record_event("story.house.audited", None, actor="system")

    assert (event.subject_type, event.subject_id) == ("", "")


@pytest.mark.django_db(transaction=True)
def test_an_event_without_a_transaction_is_refused() -> None:
    book = Book.objects.create(code="HARBOUR", name="")

    with pytest.raises(RuntimeError, match="outside a transaction"):
        record_event("story.a", book, actor="lam")


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_change_that_was_undone_is_undone_too() -> None:
    @transaction.atomic
    def change_of_mind() -> None:
        record_event("story.a", Book.objects.create(code="HARBOUR", name=""), actor="lam")
        raise KeyError

    with pytest.raises(KeyError):
        change_of_mind()

    assert topics() == []


@pytest.mark.django_db(transaction=True)
def test_events_are_read_in_order_from_where_the_reader_stood() -> None:
    for topic in ("story.a", "story.b", "story.c"):
        with transaction.atomic():
            record_event(topic, None, actor="lam")

    first = next(event for event in read_events() if event.topic == "story.a")
    assert topics() == ["story.a", "story.b", "story.c"]
    assert topics(after=cursor_of(first)) == ["story.b", "story.c"]
    assert topics(after=cursor_of(first), limit=1) == ["story.b"]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_late_is_not_passed_over() -> None:
    """The early event has the lower number and becomes visible last; a reader waits below it."""
    is_written, may_commit = Signal(), Signal()

    def early() -> None:
        try:
            with transaction.atomic():
                record_event("story.early", None, actor="lam")
                is_written.set()
                assert may_commit.wait(10)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(early)
        assert is_written.wait(10)
        with transaction.atomic():
            record_event("story.late", None, actor="lam")

        assert Event.objects.filter(topic="story.late").exists()
        assert topics() == []

        may_commit.set()
        writing.result()

    assert topics() == ["story.early", "story.late"]
