"""The one vocabulary of what happened: dotted names such as `margin.call.issued`.

Every write of the house calls :func:`record_event` inside its transaction. The row is the audit trail, and a row of the
outbox (`ledger/outbox.py`).
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
