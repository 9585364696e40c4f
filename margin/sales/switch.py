"""The firm's kill switch over forced sales."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core.errors import Conflict, Invalid
from ledger.core.events import record_event
from margin.models import Broker


@transaction.atomic
def set_forced_sales_stopped(*, broker: Broker, is_stopped: bool, actor: str, reason: str) -> Broker:
    """Stop a firm's forced sales, or let them go on, with a reason that is kept.

    While stopped nothing is planned, ordered or sent; what a venue already did is still taken in. Raises
    Invalid (`reason_required`) and Conflict (`wrong_state`) when the switch stands that way already.
    """
    if not reason.strip():
        raise Invalid(_("The switch needs a reason."), field="reason", code="reason_required")
    locked = Broker.objects.select_for_update(no_key=True).get(pk=broker.pk)
    if locked.are_forced_sales_stopped == is_stopped:
        raise Conflict(_("The switch stands that way already."), code="wrong_state")
    locked.are_forced_sales_stopped = is_stopped
    locked.save(update_fields=["are_forced_sales_stopped"])
    topic = "margin.broker.sales_stopped" if is_stopped else "margin.broker.sales_resumed"
    record_event(topic, locked, actor=actor, reason=reason, broker_code=locked.code)
    return locked
