"""When a call falls due: by its policy's tier, by the right calendar, and never earlier than was said.

A due time is computed once and stored with the call's version. It moves only later, and only by a recorded
outage of the firm or a severe weather day that was declared after the call went out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction
from moneyed import Money

from ledger.core import clock
from ledger.core.calendars import STATUTORY, business_deadline, get_calendar, hours_deadline
from ledger.core.decimals import ZERO
from ledger.core.events import SYSTEM, record_event

from .models import (
    Broker,
    CallDeadline,
    Facility,
    MarginCall,
    MarginCallVersion,
    MarginPolicy,
    Outage,
    Valuation,
)
from .notices.outbox import tell

# While these last a due time still means something; afterwards the sale is under way.
RUNNING: Final = (*MarginCall.RUNNING, MarginCall.Status.DISPUTED)


def secured_by(valuation: Valuation) -> str:
    """Say what carries most of an account's margin value; a tie counts as securities."""
    coins = valuation.margin_value - valuation.securities_margin_value
    kind = CallDeadline.SecuredBy
    return kind.VIRTUAL_ASSETS if coins > valuation.securities_margin_value else kind.SECURITIES


def tier_of(policy: MarginPolicy, valuation: Valuation) -> CallDeadline | None:
    """Return the policy's tier for a call on this valuation: the highest one its utilisation is above.

    An account that owes against nothing is above every tier. None: the policy's own deadline applies.
    """
    tiers = policy.deadlines.filter(secured_by=secured_by(valuation)).order_by("-above_utilisation")
    if valuation.utilisation is None:
        return tiers.first()
    return tiers.filter(above_utilisation__lt=valuation.utilisation).first()


def due_time(valuation: Valuation, issued_at: datetime) -> datetime:
    """Return when a call on this valuation, issued then, falls due (V26), Hong Kong time.

    Days end at the tier's cut-off on its calendar; hours count while its calendar is in session, or all of
    them for virtual assets. Raises :class:`OutsideCalendar` beyond the days loaded.
    """
    policy = valuation.policy
    tier = tier_of(policy, valuation)
    if tier is None:
        return business_deadline(
            issued_at,
            days=policy.deadline_business_days,
            cutoff=policy.deadline_cutoff,
            calendar=get_calendar(STATUTORY),
        )
    calendar = get_calendar(tier.calendar)
    if tier.business_days is not None and tier.cutoff is not None:
        return business_deadline(issued_at, days=tier.business_days, cutoff=tier.cutoff, calendar=calendar)
    return hours_deadline(
        issued_at,
        hours=tier.hours or 0,
        calendar=calendar,
        opens_at=tier.opens_at,
        closes_at=tier.closes_at,
    )


def first_version(call: MarginCall, cause: str = MarginCallVersion.Cause.ISSUED) -> MarginCallVersion:
    """Keep what a call demanded when it was made."""
    return _keep_version(call, cause)


def heed_severe_weather(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Move the due time of running calls that count a day which has since been declared no business day.

    Returns how many were moved; a second run moves none.
    """
    running = MarginCall.objects.filter(facility__client__broker=broker, status__in=RUNNING)
    return sum(_heed(pk, actor) for pk in list(running.order_by("facility_id").values_list("pk", flat=True)))


def give_grace(outage: Outage, *, grace: timedelta, actor: str) -> int:
    """Let no running call of the firm fall due from the outage's beginning until `grace` after its end.

    Returns how many due times were moved. In the caller's transaction.
    """
    until = outage.ended_at + grace
    hit = MarginCall.objects.filter(
        facility__client__broker=outage.broker,
        status__in=RUNNING,
        due_at__gte=outage.began_at,
        due_at__lt=until,
    )
    moved = 0
    for pk in list(hit.order_by("facility_id").values_list("pk", flat=True)):
        call = lock_call(pk)
        if call.status in RUNNING and outage.began_at <= call.due_at < until:
            move_due_time(
                call,
                until,
                cause=MarginCallVersion.Cause.OUTAGE,
                actor=actor,
                reason=outage.what,
                outage=outage.pk,
            )
            moved += 1
    return moved


def move_due_time(
    call: MarginCall, due_at: datetime, *, cause: str, actor: str, reason: str, **inputs: object
) -> None:
    """Give a locked call more time as its next version, and tell why."""
    before = call.due_at
    call.due_at = due_at
    call.version += 1
    _keep_version(call, cause)
    call.save(update_fields=["due_at", "version"])
    record_event(
        "margin.call.due_time_moved",
        call,
        actor=actor,
        reason=reason,
        broker_code=call.facility.client.broker.code,
        cause=cause,
        version=call.version,
        due_before=before.isoformat(),
        due_at=due_at.isoformat(),
        **inputs,
    )
    tell(call, "due_time_moved")


def amend(call: MarginCall, valuation: Valuation, amount: Money, *, missing: Decimal, actor: str) -> None:
    """Demand another amount of a locked call from now on; its due time stays, an increase gets its own."""
    before = call.amount
    call.valuation, call.amount = valuation, amount
    call.version += 1
    increase_due_at = due_time(valuation, clock.now()) if amount > before else None
    _keep_version(call, MarginCallVersion.Cause.AMENDED, increase_due_at=increase_due_at)
    call.save(update_fields=["valuation", "amount", "version"])
    record_event(
        "margin.call.amended",
        call,
        actor=actor,
        broker_code=call.facility.client.broker.code,
        version=call.version,
        valuation=valuation.pk,
        amount_before=str(before.amount),
        amount=str(amount.amount),
        increase_due_at=increase_due_at and increase_due_at.isoformat(),
    )
    tell(call, "amended", missing=missing)


def reissue(call: MarginCall, valuation: Valuation, amount: Money, *, due_at: datetime) -> None:
    """Let a locked call that was expected demand what it turned out to be; the caller issues it."""
    call.valuation, call.amount, call.due_at, call.issued_at = valuation, amount, due_at, clock.now()
    call.version += 1
    _keep_version(call, MarginCallVersion.Cause.ISSUED)
    call.save(update_fields=["valuation", "amount", "due_at", "issued_at", "version"])


def next_due_time(call: MarginCall, brought: Decimal) -> datetime | None:
    """Return until when the rest of a call has, when what fell due so far was brought in; else None.

    `brought` is what the client has brought in, in the facility's currency.
    """
    now = clock.now()
    versions = list(call.versions.order_by("number"))
    later = [v.increase_due_at for v in versions if v.increase_due_at and v.increase_due_at > now]
    fallen = [
        v.amount.amount
        for v in versions
        if v.cause == MarginCallVersion.Cause.ISSUED or (v.increase_due_at and v.increase_due_at <= now)
    ]
    is_enough = brought >= min(max(fallen), call.amount.amount)
    return min(later) if later and is_enough else None


@transaction.atomic
def _heed(call_id: int, actor: str) -> int:
    call = lock_call(call_id)
    if call.status not in RUNNING or call.due_at <= clock.now():
        return 0
    issued = MarginCallVersion.Cause.ISSUED
    due_at = due_time(call.versions.filter(cause=issued).latest("number").valuation, call.issued_at)
    if due_at <= call.due_at:
        return 0
    move_due_time(
        call,
        due_at,
        cause=MarginCallVersion.Cause.SEVERE_WEATHER,
        actor=actor,
        reason="severe weather day declared",
    )
    return 1


def _keep_version(
    call: MarginCall, cause: str, *, increase_due_at: datetime | None = None
) -> MarginCallVersion:
    return MarginCallVersion.objects.create(
        call=call,
        number=call.version,
        valuation_id=call.valuation_id,
        amount=call.amount,
        due_at=call.due_at,
        increase_due_at=increase_due_at,
        cause=cause,
        made_at=clock.now(),
    )


def lock_call(call_id: int) -> MarginCall:
    """Lock a call, its facility first as everybody does, until the end of the transaction."""
    facility = Facility.objects.select_for_update(of=("self",), no_key=True).get(calls=call_id)
    call = (
        MarginCall.objects.select_for_update(of=("self",), no_key=True)
        .select_related("facility__client__broker__book")
        .get(pk=call_id)
    )
    call.facility_id = facility.pk
    return call


def unset(policy: MarginPolicy, *, lends_on_coins: bool) -> Iterable[str]:
    """Name the kinds of collateral that a policy gives no deadline of their own and needs to."""
    if (
        lends_on_coins
        and not policy.deadlines.filter(
            secured_by=CallDeadline.SecuredBy.VIRTUAL_ASSETS, above_utilisation=ZERO
        ).exists()
    ):
        yield "virtual_asset_deadline"
