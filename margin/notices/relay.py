"""Sending what was written, reminding, and telling the staff of what did not arrive.

Each sweep finds its work by a query and may run twice or beside itself. A notice is taken by a lease before
it is sent outside the transaction; a worker that dies leaves it to whoever comes when the lease has run out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.errors import Conflict, NotFound
from ledger.core.events import SYSTEM, record_event
from margin.acknowledgements import acknowledge
from margin.due_times import lock_call
from margin.models import Broker, MarginCall, Notice, NoticeKind
from margin.valuations import assess

from .channels import hand_over
from .outbox import tell

LEASE: Final = timedelta(minutes=10)
WAITS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60))
ESCALATE_AFTER: Final = timedelta(minutes=30)
REMIND_BEFORE: Final = (timedelta(hours=24), timedelta(hours=4))


def send_due(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Hand over every notice of a firm whose turn has come; returns how many a channel took."""
    due = Notice.objects.filter(
        call__facility__client__broker=broker,
        status=Notice.Status.PENDING,
        next_attempt_at__lte=clock.now(),
    )
    return sum(_send(pk, actor) for pk in list(due.order_by("pk").values_list("pk", flat=True)))


def remind(*, broker: Broker) -> int:
    """Remind clients of calls that fall due soon, once for each distance; returns how many notices were written."""
    now = clock.now()
    running = MarginCall.objects.filter(
        facility__client__broker=broker,
        status__in=MarginCall.RUNNING,
        due_at__gt=now,
        due_at__lte=now + max(REMIND_BEFORE),
    ).order_by("facility_id")
    return sum(_remind(pk) for pk in list(running.values_list("pk", flat=True)))


def escalate(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Tell the staff of demands that failed, or that no channel took within half an hour; once each."""
    late = Notice.objects.filter(
        call__facility__client__broker=broker,
        escalated_at__isnull=True,
        status__in=[Notice.Status.FAILED, Notice.Status.PENDING],
    )
    return sum(_escalate(pk, actor) for pk in list(late.order_by("pk").values_list("pk", flat=True)))


def was_handed_over(call: MarginCall) -> bool:
    """Whether a channel took the demand, or its failure was told to the staff (I12).

    True as well for a client without any channel, of whom the staff was told when the call went out.
    """
    demands = Notice.objects.filter(call=call, kind=NoticeKind.ISSUED)
    waiting = demands.filter(status=Notice.Status.PENDING, escalated_at__isnull=True)
    return not waiting.exists() or demands.filter(status__in=Notice.HANDED_OVER).exists()


@transaction.atomic
def report(*, notice: Notice, is_delivered: bool, detail: str, actor: str) -> Notice:
    """Keep what a provider says became of a notice that was sent; the same said again changes nothing.

    Raises :class:`Conflict` (`wrong_state`) for a notice that no channel took yet.
    """
    locked = _lock(notice.pk)
    wanted = Notice.Status.DELIVERED if is_delivered else Notice.Status.FAILED
    if locked.status in (wanted, Notice.Status.ACKNOWLEDGED):
        return locked
    if locked.status != Notice.Status.SENT:
        raise Conflict(_("This notice was not sent, or is settled already."), code="wrong_state")
    locked.status = wanted
    locked.error = "" if is_delivered else detail[:300]
    if is_delivered:
        locked.delivered_at = clock.now()
    else:
        locked.failed_at = clock.now()
    locked.save(update_fields=["status", "error", "delivered_at", "failed_at"])
    _tell(locked, "delivered" if is_delivered else "failed", actor=actor, reason=detail)
    return locked


@transaction.atomic
def acknowledge_by_token(token: str) -> Notice:
    """Keep that whoever holds the token has read its notice, and with it the call.

    A second time changes nothing. Raises :class:`NotFound` for a token of no notice.
    """
    found = Notice.objects.filter(token=token).first() if token.isascii() and "\0" not in token else None
    if found is None:
        raise NotFound(_("There is no such notice."))
    call = lock_call(found.call_id)
    notice = _lock(found.pk)
    if notice.status == Notice.Status.ACKNOWLEDGED:
        return notice
    client = call.facility.client
    who = f"client:{client.number}"
    notice.status = Notice.Status.ACKNOWLEDGED
    notice.acknowledged_at = clock.now()
    notice.save(update_fields=["status", "acknowledged_at"])
    _tell(notice, "acknowledged", actor=who)
    if call.is_open:
        acknowledge(call=call, by=client.name, channel=notice.channel, actor=who)
    return notice


def _send(notice_id: int, actor: str) -> int:
    notice = _take(notice_id)
    if notice is None:
        return 0
    try:
        handed = hand_over(notice)
    except Exception as error:
        _failed(notice_id, notice.attempts, error, actor)
        return 0
    with transaction.atomic():
        notice = _lock(notice_id)
        if notice.status != Notice.Status.PENDING:
            return 0
        now = clock.now()
        notice.status = Notice.Status.DELIVERED if handed.is_delivered else Notice.Status.SENT
        notice.sent_at, notice.next_attempt_at, notice.error = now, None, ""
        notice.delivered_at = now if handed.is_delivered else None
        notice.save(update_fields=["status", "sent_at", "delivered_at", "next_attempt_at", "error"])
        _tell(notice, str(notice.status), actor=actor)
    return 1


@transaction.atomic
def _take(notice_id: int) -> Notice | None:
    """Lease a notice that is still due; None when another worker has it."""
    notice = (
        Notice.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .select_related("call__facility__client__broker")
        .filter(pk=notice_id, status=Notice.Status.PENDING, next_attempt_at__lte=clock.now())
        .first()
    )
    if notice is not None:
        notice.attempts += 1
        notice.next_attempt_at = clock.now() + LEASE
        notice.save(update_fields=["attempts", "next_attempt_at"])
    return notice


@transaction.atomic
def _failed(notice_id: int, attempt: int, error: Exception, actor: str) -> None:
    notice = _lock(notice_id)
    if notice.status != Notice.Status.PENDING or notice.attempts != attempt:
        return
    notice.error = f"{type(error).__name__}: {error}"[:300]
    if attempt > len(WAITS):
        notice.status, notice.failed_at, notice.next_attempt_at = Notice.Status.FAILED, clock.now(), None
        _tell(notice, "failed", actor=actor, reason=notice.error)
    else:
        notice.next_attempt_at = clock.now() + WAITS[attempt - 1]
    notice.save(update_fields=["status", "error", "failed_at", "next_attempt_at"])


@transaction.atomic
def _remind(call_id: int) -> int:
    call = lock_call(call_id)
    now = clock.now()
    if call.status not in MarginCall.RUNNING or call.due_at <= now:
        return 0
    passed = [
        number
        for number, before in enumerate(REMIND_BEFORE, start=1)
        if call.issued_at < call.due_at - before <= now
    ]
    if not passed:
        return 0
    number = passed[-1]
    if Notice.objects.filter(
        call=call, kind=NoticeKind.REMINDER, number__gte=number, version=call.version
    ).exists():
        return 0
    missing = assess(call.facility).value.deficiency
    return len(tell(call, "reminder", missing=missing, number=number)) if missing else 0


@transaction.atomic
def _escalate(notice_id: int, actor: str) -> int:
    notice = _lock(notice_id)
    is_late = notice.status == Notice.Status.PENDING and notice.created_at + ESCALATE_AFTER <= clock.now()
    if notice.escalated_at is not None or not (is_late or notice.status == Notice.Status.FAILED):
        return 0
    notice.escalated_at = clock.now()
    notice.save(update_fields=["escalated_at"])
    _tell(notice, "escalated", actor=actor, reason=notice.error or "no channel took it in time")
    return 1


def _lock(notice_id: int) -> Notice:
    return (
        Notice.objects.select_for_update(of=("self",), no_key=True)
        .select_related("call__facility__client__broker")
        .get(pk=notice_id)
    )


def _tell(notice: Notice, what: str, *, actor: str, reason: str = "") -> None:
    record_event(
        f"margin.notice.{what}",
        notice,
        actor=actor,
        reason=reason,
        broker_code=notice.call.facility.client.broker.code,
        call=notice.call_id,
        kind=notice.kind,
        channel=notice.channel,
    )
