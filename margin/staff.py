"""Which broker a back-office user works for."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from ledger.core.events import record_event

from .models import Broker, Staff


@transaction.atomic
def assign_staff(*, user: AbstractBaseUser, broker: Broker, actor: str) -> Staff:
    """Confine a user to the rows of one broker, from the next page on."""
    staff, _created = Staff.objects.update_or_create(user_id=user.pk, defaults={"broker": broker})
    record_event(
        "margin.staff.assigned", staff, actor=actor, broker_code=broker.code, user=user.get_username()
    )
    return staff
