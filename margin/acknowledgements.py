"""The client has read the call: who said so, when and through what. The due time does not move."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.errors import Conflict, Invalid
from ledger.core.events import record_event

from .due_times import lock_call
from .lifecycle import transition
from .models import MarginCall

CHANNELS: Final = ("phone", "in_person", "email", "webhook", "sms", "portal")
CHANNEL_CHOICES: Final = [(name, name) for name in CHANNELS]


@transaction.atomic
def acknowledge(*, call: MarginCall, by: str, channel: str, actor: str) -> MarginCall:
    """Keep that the client acknowledged a call, once; a second time changes nothing.

    Raises :class:`Invalid` (`unknown_channel`, `name_required`) and :class:`Conflict` (`wrong_state`) for a
    call that is open no more.
    """
    if channel not in CHANNELS:
        raise Invalid(_("There is no such channel."), field="channel", code="unknown_channel")
    if not by.strip():
        raise Invalid(_("Say who acknowledged it."), field="by", code="name_required")
    locked = lock_call(call.pk)
    if locked.acknowledged_at is not None:
        return locked
    if not locked.is_open:
        raise Conflict(_("This call is open no more."), code="wrong_state")
    told: dict[str, Any] = {
        "acknowledged_by": by,
        "acknowledged_channel": channel,
        "acknowledged_at": clock.now(),
    }
    if locked.status == MarginCall.Status.ISSUED:
        transition(locked, "acknowledged", actor=actor, inputs={"by": by, "channel": channel}, **told)
        return locked
    for name, value in told.items():
        setattr(locked, name, value)
    locked.save(update_fields=list(told))
    record_event(
        "margin.call.acknowledged",
        locked,
        actor=actor,
        broker_code=locked.facility.client.broker.code,
        before=locked.status,
        after=locked.status,
        by=by,
        channel=channel,
    )
    return locked
