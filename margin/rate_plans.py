"""What borrowing costs: plans by name, each row in force from its date on."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core.errors import Conflict
from ledger.core.events import record_event

from .models import Broker, RatePlan


@transaction.atomic
def add_rate_plan(
    *,
    broker: Broker,
    name: str,
    valid_from: date,
    rate_per_annum: Decimal,
    excess_rate_per_annum: Decimal,
    actor: str,
) -> RatePlan:
    """Add a plan, or new rates of a plan from a day on; rates are fractions (0.08 is eight per cent).

    Raises :class:`Conflict` (`rate_plan_exists`) when the plan has rates from that day already.
    """
    if RatePlan.objects.filter(broker=broker, name=name, valid_from=valid_from).exists():
        raise Conflict(
            _("%(name)s has rates from %(day)s already.") % {"name": name, "day": valid_from},
            code="rate_plan_exists",
        )
    plan = RatePlan.objects.create(
        broker=broker,
        name=name,
        valid_from=valid_from,
        rate_per_annum=rate_per_annum,
        excess_rate_per_annum=excess_rate_per_annum,
    )
    record_event("margin.rate_plan.added", plan, actor=actor, broker_code=broker.code, name=name)
    return plan
