"""The outbox: everything that was committed, in an order that no reader can lose a row of.

A journal is a row of the outbox by being booked: it carries the transaction that wrote it. So is every event. Both are
read as one stream of events ordered by (transaction, id); a journal appears as `ledger.journal.posted`.

Only rows below the horizon of open transactions are given. A sequence number alone would let a transaction that commits
late slip behind a reader that had already passed it.
"""

from __future__ import annotations

from typing import Final

from ledger.core.models import Event

JOURNAL_POSTED: Final = "ledger.journal.posted"
# Within a transaction events come first: their numbers sort before a journal's.
Cursor = tuple[int, str]
START: Final[Cursor] = (0, "")


def read_events(*, after: Cursor = START, limit: int = 100, broker_code: str | None = None) -> list[Event]:
    """Return up to `limit` events after the cursor, in commit-safe order; journals among them.

    `broker_code` keeps the events of one firm; None gives those of all. :func:`cursor_of` tells where an event stands.
    """
    return list(
        Event.objects.raw(
            """
            WITH horizon AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid)
            SELECT * FROM (
                (SELECT id, topic, broker_code, subject_type, subject_id, actor, reason, payload, occurred_at,
                        transaction, lpad(id::text, 20, '0') AS place
                   FROM core_event
                  WHERE transaction >= %(transaction)s::text::xid8 AND transaction < (SELECT xid FROM horizon)
                    AND (transaction > %(transaction)s::text::xid8 OR lpad(id::text, 20, '0') > %(place)s)
                    AND broker_code = coalesce(%(broker)s, broker_code) AND topic <> %(topic)s
                  ORDER BY transaction, id LIMIT %(limit)s)
                UNION ALL
                (SELECT 0, %(topic)s, b.code, 'ledger.journal', j.id::text, j.actor, '',
                        jsonb_build_object('kind', j.kind, 'cause', j.cause), j.booked_at, j.transaction,
                        'j' || j.id AS place
                   FROM ledger_journal j JOIN ledger_book b ON b.id = j.book_id
                  WHERE j.transaction >= %(transaction)s::text::xid8 AND j.transaction < (SELECT xid FROM horizon)
                    AND (j.transaction > %(transaction)s::text::xid8 OR 'j' || j.id > %(place)s)
                    AND b.code = coalesce(%(broker)s, b.code)
                  ORDER BY j.transaction, j.id LIMIT %(limit)s)
            ) stream
             ORDER BY transaction, place COLLATE "C" LIMIT %(limit)s
            """,
            {
                "transaction": str(after[0]),
                "place": after[1],
                "broker": broker_code,
                "topic": JOURNAL_POSTED,
                "limit": limit,
            },
        )
    )


def cursor_of(event: Event) -> Cursor:
    """Return the place of an event that :func:`read_events` gave."""
    return event.transaction, event.place  # type: ignore[attr-defined]
