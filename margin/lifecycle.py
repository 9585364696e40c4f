"""The one way a call changes state, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.core import clock
from ledger.core.decimals import exact
from ledger.core.events import record_event

from . import states
from .models import ForcedSale, MarginCall
from .notices.outbox import tell


def transition(
    call: MarginCall,
    event: str,
    *,
    actor: str,
    reason: str = "",
    inputs: Mapping[str, object] | None = None,
    **changes: Any,
) -> None:
    """Move a locked call along its state machine and record who did it, why and on what inputs."""
    before = call.status
    call.status = states.step(states.CALL, call.status, event)
    for name, value in changes.items():
        setattr(call, name, value)
    call.save(update_fields=["status", *changes])
    record_event(
        f"margin.call.{event}",
        call,
        actor=actor,
        reason=reason,
        broker_code=call.facility.client.broker.code,
        before=before,
        after=call.status,
        version=call.version,
        valuation=call.closing_valuation_id or call.valuation_id,
        **(inputs or {}),
    )
    remaining = (inputs or {}).get("remaining")
    tell(call, event, missing=None if remaining is None else exact(remaining))


def supersede_plans(call: MarginCall, *, actor: str, reason: str) -> None:
    """Withdraw plans of a locked call that have not begun to sell; what was sent goes on to its end."""
    waiting = (ForcedSale.Status.PLANNED, ForcedSale.Status.SUBMITTED, ForcedSale.Status.APPROVED)
    for sale in ForcedSale.objects.select_for_update(no_key=True).filter(call=call, status__in=waiting):
        sale.status = states.step(states.SALE, sale.status, "superseded")
        sale.closed_at = clock.now()
        sale.save(update_fields=["status", "closed_at"])
        record_event(
            "margin.sale.superseded",
            sale,
            actor=actor,
            reason=reason,
            broker_code=call.facility.client.broker.code,
        )
