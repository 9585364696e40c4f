"""What happened to some rows, told from the audit trail."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Model, Q

from ledger.core.models import Event

from .panel import ROWS_SHOWN_MAX, Moment
from .show import link
from .words import REASONS, TOPICS, word


def timeline(about: Model, *others: Model) -> list[Moment]:
    """Return what the audit trail says of `about` and `others`, the newest first; the others are named."""
    rows = {_key(row): row for row in (about, *others)}
    condition = Q()
    for subject_type in {subject_type for subject_type, _id in rows}:
        ids = [subject_id for kind, subject_id in rows if kind == subject_type]
        condition |= Q(subject_type=subject_type, subject_id__in=ids)
    events = Event.objects.filter(condition).order_by("-pk")[:ROWS_SHOWN_MAX]
    return list(_moments(events, rows, about))


def _moments(events: Iterable[Event], rows: dict[tuple[str, str], Model], about: Model) -> Iterable[Moment]:
    for event in events:
        subject = rows[event.subject_type, event.subject_id]
        yield Moment(
            event.occurred_at,
            word(TOPICS, event.topic),
            event.actor,
            "" if subject is about else link(subject),
            str(word(REASONS, event.reason)),
        )


def _key(row: Model) -> tuple[str, str]:
    return row._meta.label_lower, str(row.pk)
