"""Readers of the outbox, and how far each has come.

:func:`consume` gives a handler the events after the reader's position and moves the position in the same commit. So what
a handler writes to this database happens exactly once, and what it does elsewhere at least once and in order. A handler
that fails gets the same events again one at a time, so that what can pass passes and what cannot is named; the position
stays before that one, and it is tried again later and later.

A transaction that stays open holds everyone back, because it may still write an event that comes before those already
seen: :func:`lag` shows that as waiting. Nothing is lost by it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from ledger.core import clock
from ledger.core.models import Event

from .models import Consumer
from .outbox import Cursor, cursor_of, read_events

EVENTS_PER_COMMIT_MAX: Final = 200
BACKOFF_SECONDS_MAX: Final = 300
ERROR_LENGTH_MAX: Final = 2_000
LAG_COUNTED_MAX: Final = 10_000

log = logging.getLogger(__name__)

Handler = Callable[[Sequence[Event]], None]
_handlers: dict[str, Handler] = {}


@dataclass(frozen=True, slots=True)
class Consumed:
    """How one call went: events passed, whether another relay is at work, and what the handler stumbled over."""

    count: int = 0
    is_busy: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a reader is behind: events, counted up to :data:`LAG_COUNTED_MAX`, and the age of the oldest of them.

    `held_count` of them wait for a transaction that is still open, since `held_since`.
    """

    events: int
    seconds: int
    held_count: int
    held_since: datetime | None


def register_consumer(name: str, handler: Handler) -> None:
    """Have the relay give every event, from the first one on, to `handler`; called when a room starts."""
    if name in _handlers:
        raise ValueError(f"there is already a consumer {name}")
    _handlers[name] = handler


def registered() -> dict[str, Handler]:
    return dict(_handlers)


def consume(name: str, handler: Handler, *, limit: int = EVENTS_PER_COMMIT_MAX) -> Consumed:
    """Give `handler` up to `limit` events after the reader's position, and move it, in one commit.

    A handler that raises has no effect on this database; its error is kept and the next call comes after a pause. Must be
    called outside a transaction: a position that moved without its commit would pass events over.
    """
    _make_known(name)
    with transaction.atomic(durable=True):
        reader = Consumer.objects.select_for_update(skip_locked=True).filter(name=name).first()
        if reader is None:
            return Consumed(is_busy=True)
        now = clock.now()
        if reader.retry_at and reader.retry_at > now:
            return Consumed(error=reader.last_error)
        events = read_events(after=(reader.transaction, reader.place), limit=limit)
        if not events:
            return Consumed()
        passed, failure = _give(handler, events)
        if passed:
            reader.transaction, reader.place = cursor_of(events[passed - 1])
            reader.consumed_count += passed
            reader.attempts = 0
        reader.last_error, reader.retry_at, reader.updated_at = "", None, now
        if failure is not None:
            log.error(
                "ledger.consumer.failed",
                extra={"consumer": name, "attempts": reader.attempts + 1},
                exc_info=failure,
            )
            reader.attempts += 1
            reader.last_error = _in_words(events[passed], failure)
            pause = min(2 ** min(reader.attempts, 16), BACKOFF_SECONDS_MAX)
            reader.retry_at = now + timedelta(seconds=pause)
        reader.save()
        return Consumed(count=passed, error=reader.last_error)


def position_of(name: str) -> Cursor:
    """Return how far a reader has come."""
    reader = Consumer.objects.get(name=name)
    return reader.transaction, reader.place


def lag(reader: Consumer) -> Lag:
    """Tell how far a reader is behind what was committed, and what holds it back."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LAG,
            {"transaction": str(reader.transaction), "place": reader.place, "most": LAG_COUNTED_MAX},
        )
        events, oldest, held, since = cursor.fetchone()
    behind = max(int((clock.now() - oldest).total_seconds()), 0) if oldest else 0
    return Lag(events=events, seconds=behind, held_count=held, held_since=since if held else None)


def _make_known(name: str) -> None:
    if not Consumer.objects.filter(name=name).exists():
        Consumer.objects.bulk_create([Consumer(name=name, updated_at=clock.now())], ignore_conflicts=True)


def _give(handler: Handler, events: Sequence[Event]) -> tuple[int, Exception | None]:
    """Hand over the events, together if they can, else one by one up to the one that cannot; returns how many passed."""
    try:
        with transaction.atomic():
            handler(events)
    except Exception as error:
        failure = error
        if not connection.is_usable():
            raise
    else:
        return len(events), None
    if len(events) == 1:
        return 0, failure
    for number, event in enumerate(events):
        passed, single = _give(handler, [event])
        if not passed:
            return number, single
    # Together they fail and singly they pass, which is the handler's own affair.
    return len(events), None


def _in_words(event: Event, error: Exception) -> str:
    return f"{event.topic} {event.subject_id}: {type(error).__name__}: {error}"[:ERROR_LENGTH_MAX]


_LAG: Final = """
WITH horizon AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid),
behind AS (
    (SELECT occurred_at, transaction FROM core_event
      WHERE transaction >= %(transaction)s::text::xid8 AND topic <> 'ledger.journal.posted'
        AND (transaction > %(transaction)s::text::xid8 OR lpad(id::text, 20, '0') > %(place)s)
      ORDER BY transaction, id LIMIT %(most)s)
    UNION ALL
    (SELECT booked_at, transaction FROM ledger_journal j
      WHERE transaction >= %(transaction)s::text::xid8
        AND (transaction > %(transaction)s::text::xid8 OR 'j' || j.id > %(place)s)
      ORDER BY transaction, id LIMIT %(most)s)
)
SELECT least(count(*), %(most)s), min(occurred_at), count(*) FILTER (WHERE transaction >= (SELECT xid FROM horizon)),
       (SELECT min(xact_start) FROM pg_stat_activity
         WHERE (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL) AND pid <> pg_backend_pid())
  FROM behind
"""
