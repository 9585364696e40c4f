"""The one vocabulary of what happened: dotted names such as `margin.call.issued`.

Every write of the house calls :func:`record_event` inside its transaction. The row is the audit trail;
readers of the outbox take the same rows, in order, by :func:`read_events`.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, models

from . import clock
from .models import Event

SYSTEM = "system"


def record_event(
    topic: str,
    subject: models.Model | None,
    *,
    actor: str,
    reason: str = "",
    broker_code: str = "",
    **payload: Any,
) -> Event:
    """Write one event about `subject` (None: the whole house) in the caller's transaction.

    `payload` must be JSON-safe: ids, codes and decimal strings. Raises RuntimeError outside a transaction,
    because an event without its change would be a lie.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"event {topic} was recorded outside a transaction")
    return Event.objects.create(
        topic=topic,
        broker_code=broker_code,
        subject_type=subject._meta.label_lower if subject else "",
        subject_id=str(subject.pk) if subject else "",
        actor=actor,
        reason=reason,
        payload=payload,
        occurred_at=clock.now(),
    )


def read_events(
    *, after: tuple[int, int] = (0, 0), limit: int = 100, broker_code: str | None = None
) -> list[Event]:
    """Return up to `limit` events after the cursor (transaction, id), in commit-safe order.

    `broker_code` keeps the events of one firm; None gives those of all.

    Only rows below the horizon of open transactions are given: a sequence number alone would let a
    transaction that commits late slip behind a reader that had already passed it.
    """
    return list(
        Event.objects.raw(
            """
            SELECT * FROM core_event
             WHERE (transaction, id) > (%s::text::xid8, %s)
               AND transaction < pg_snapshot_xmin(pg_current_snapshot())
               AND broker_code = coalesce(%s, broker_code)
             ORDER BY transaction, id
             LIMIT %s
            """,
            [str(after[0]), after[1], broker_code, limit],
        )
    )
