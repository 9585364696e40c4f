"""Four eyes on a plan: one person submits it, another releases its hash.

A plan that was changed has another hash, so what was read is what is approved. The database refuses a checker
who is the maker and a release of any other hash.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core import clock
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.events import record_event
from margin import states
from margin.models import Facility, ForcedSale, MarginCall


@transaction.atomic
def submit_for_release(*, sale: ForcedSale, maker: User) -> ForcedSale:
    """Put a plan before a checker; raises Conflict (`wrong_state`) unless it is newly planned."""
    locked = _lock(sale)
    locked.status = states.step(states.SALE, locked.status, "submitted")
    locked.maker = maker
    locked.save(update_fields=["status", "maker"])
    _record("margin.sale.submitted", locked, maker)
    return locked


@transaction.atomic
def approve_sale(*, sale: ForcedSale, checker: User, plan_hash: str) -> ForcedSale:
    """Release a submitted plan for execution.

    `plan_hash` is the hash the checker read. Raises Forbidden (`maker_is_checker`), Conflict (`plan_changed`)
    for another hash and Conflict (`wrong_state`) unless the plan awaits release.
    """
    locked = _lock(sale)
    to = states.step(states.SALE, locked.status, "approved")
    if locked.maker_id == checker.pk:
        raise Forbidden(_("The maker may not be the checker."), code="maker_is_checker")
    if plan_hash != locked.plan_hash:
        raise Conflict(_("This is not the plan that awaits release."), field="plan_hash", code="plan_changed")
    locked.status = to
    locked.checker = checker
    locked.approved_hash = plan_hash
    locked.approved_at = clock.now()
    locked.save(update_fields=["status", "checker", "approved_hash", "approved_at"])
    _record("margin.sale.approved", locked, checker)
    return locked


@transaction.atomic
def reject_sale(*, sale: ForcedSale, checker: User, reason: str) -> ForcedSale:
    """Send a submitted plan back with a reason; the next sweep plans afresh."""
    if not reason.strip():
        raise Invalid(_("A rejection needs a reason."), field="reason", code="reason_required")
    locked = _lock(sale)
    to = states.step(states.SALE, locked.status, "rejected")
    if locked.maker_id == checker.pk:
        raise Forbidden(_("The maker may not be the checker."), code="maker_is_checker")
    locked.status = to
    locked.checker = checker
    locked.closed_at = clock.now()
    locked.save(update_fields=["status", "checker", "closed_at"])
    _record("margin.sale.rejected", locked, checker, reason=reason)
    return locked


def _lock(sale: ForcedSale) -> ForcedSale:
    call = MarginCall.objects.get(pk=sale.call_id)
    Facility.objects.select_for_update(of=("self",), no_key=True).get(pk=call.facility_id)
    return (
        ForcedSale.objects.select_for_update(of=("self",), no_key=True)
        .select_related("call__facility__client__broker")
        .get(pk=sale.pk)
    )


def _record(topic: str, sale: ForcedSale, person: User, reason: str = "") -> None:
    record_event(
        topic,
        sale,
        actor=person.get_username(),
        reason=reason,
        broker_code=sale.call.facility.client.broker.code,
        plan_hash=sale.plan_hash,
    )
