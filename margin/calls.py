"""The life of a margin call: issued, met, overdue, or answered by a forced sale.

Every step is found by a query and taken under the facility's row lock, so two runs at once give one call
and a job that runs twice finds nothing left to do. States are those of `margin.states`; the database refuses
others, keeps one call open per facility, and lets what a call demands change by its next version only.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import Max, Q
from moneyed import Money

from ledger.core import clock
from ledger.core.decimals import CENT, ZERO, exact, plain
from ledger.core.events import SYSTEM, record_event
from ledger.core.models import Event

from . import states
from .cures import brought_in
from .decisions import disputed_amount, is_waived
from .due_times import amend, due_time, first_version, move_due_time, next_due_time, reissue
from .lifecycle import supersede_plans, transition
from .models import (
    Broker,
    Facility,
    ForcedSale,
    MarginCall,
    MarginCallVersion,
    Valuation,
    ValuationRun,
)
from .models.valuation import Level
from .notices.outbox import tell
from .valuations import assess, latest, store

BREACHED: Final = (Level.CALL, Level.IMMEDIATE)
DISPUTED: Final = MarginCall.Status.DISPUTED
AMENDED: Final = MarginCallVersion.Cause.AMENDED
# Without a minimum in the policy any cent amends a call.
AMENDED_FROM: Final = CENT


def review_calls(*, run: ValuationRun, actor: str = SYSTEM) -> list[MarginCall]:
    """Issue, escalate and close calls by the valuations of a completed run; returns the calls issued.

    A facility at the call level gets one call, unless the deficiency is below the policy's minimum. A stale
    price stops neither; it only keeps a call from being closed as met. A valuation that a newer one has
    overtaken decides nothing, so a run may be reviewed late, twice or beside another.
    """
    concerned = (
        Valuation.objects.filter(run=run)
        .filter(Q(level__in=BREACHED) | Q(facility__calls__status__in=MarginCall.OPEN))
        .values_list("pk", flat=True)
        .order_by("facility_id")
        .distinct()
    )
    issued = [call for pk in list(concerned) if (call := _review(pk, actor)) is not None]
    _warn(run, actor)
    return issued


def advance_due(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Take every call past its due time: met if the account stands cured now, overdue if not."""
    due = MarginCall.objects.filter(
        facility__client__broker=broker,
        status__in=(*MarginCall.RUNNING, MarginCall.Status.DISPUTED),
        due_at__lte=clock.now(),
    ).values_list("pk", "facility_id")
    return sum(
        _advance(call_id, facility_id, actor) for call_id, facility_id in list(due.order_by("facility"))
    )


def _review(valuation_id: int, actor: str) -> MarginCall | None:
    with transaction.atomic():
        valuation = Valuation.objects.select_related("facility", "policy").get(pk=valuation_id)
        facility = lock_facility(valuation.facility_id)
        newest = latest(facility)
        if newest is None or newest.pk != valuation.pk:
            return None
        call = open_call(facility)
        if call is None or call.status == MarginCall.Status.EXPECTED:
            return _issue(facility, valuation, call, actor) if _is_to_be_called(valuation) else None
        if valuation.valued_at < call.issued_at:
            return None
        _follow(call, valuation, actor)
        return None


def _is_to_be_called(valuation: Valuation) -> bool:
    """Whether it is short enough, was not answered by a call before, and no waiver reaches that far."""
    minimum = valuation.policy.minimum_call.amount
    is_short = valuation.level in BREACHED and valuation.deficiency > ZERO and valuation.deficiency >= minimum
    if not is_short or MarginCall.objects.filter(valuation=valuation).exists():
        return False
    return valuation.level == Level.IMMEDIATE or not is_waived(valuation)


def _follow(call: MarginCall, valuation: Valuation, actor: str) -> None:
    if valuation.level not in BREACHED:
        if not valuation.has_hard_stale_price:
            _close_if_met(call, valuation, actor)
    elif valuation.level == Level.IMMEDIATE and call.status in (*MarginCall.RUNNING, DISPUTED):
        transition(
            call,
            "reached_immediate",
            actor=actor,
            reason="immediate level",
            inputs={"reached_on": valuation.pk},
            is_immediate=True,
            overdue_at=clock.now(),
        )
    elif call.status in MarginCall.RUNNING:
        _amend(call, actor)
    elif call.status == MarginCall.Status.SALE_PENDING and not _has_live_plan(call):
        transition(call, "replanned", actor=actor, reason="short again after the sale")


def _amend(call: MarginCall, actor: str) -> None:
    """Count what was brought in, and demand another amount when prices changed it by the minimum or more.

    Deficiency and deposits are read together, now: a run that is reviewed late knows nothing of a deposit
    made since. What was brought in does not shrink a call: the client is told what was asked and what is left.
    """
    now = assess(call.facility)
    if now.level not in BREACHED:
        return
    brought = brought_in(call, now)
    if brought.total and brought.total != _told_of(call):
        inputs = {
            "cash": plain(brought.cash),
            "collateral": plain(brought.collateral),
            "remaining": plain(now.value.deficiency),
        }
        transition(call, "part_cured", actor=actor, inputs=inputs)
    demanded = now.value.deficiency + brought.total
    change = demanded - call.amount.amount
    if abs(change) >= max(now.policy.minimum_call.amount, AMENDED_FROM):
        amend(
            call,
            store([now])[0],
            Money(demanded, call.amount.currency),
            missing=now.value.deficiency,
            actor=actor,
        )


def _told_of(call: MarginCall) -> Decimal:
    """What the client had brought in when the call was last said to be met in part."""
    last = Event.objects.filter(
        subject_type=call._meta.label_lower, subject_id=str(call.pk), topic="margin.call.part_cured"
    ).first()
    return exact(last.payload["cash"]) + exact(last.payload["collateral"]) if last else ZERO


def _close_if_met(call: MarginCall, valuation: Valuation, actor: str) -> None:
    """A call is met by fresh figures, unless a sale is already at work: that ends at its own target."""
    if call.sales.filter(status__in=[ForcedSale.Status.EXECUTING, ForcedSale.Status.FILLED]).exists():
        return
    if (
        call.status == MarginCall.Status.SALE_PENDING
        and call.sales.filter(status=ForcedSale.Status.CLOSED).exists()
    ):
        return
    supersede_plans(call, actor=actor, reason="call met")
    transition(call, "cured", actor=actor, closed_at=clock.now(), closing_valuation=valuation)


def _issue(facility: Facility, valuation: Valuation, expected: MarginCall | None, actor: str) -> MarginCall:
    issued_at = clock.now()
    amount = Money(valuation.deficiency, facility.currency)
    is_immediate = valuation.level == Level.IMMEDIATE
    due_at = due_time(valuation, issued_at)
    if expected is not None:
        call = expected
        reissue(call, valuation, amount, due_at=due_at)
        call.status = states.step(states.CALL, call.status, "issued")
        call.is_immediate = is_immediate
        call.save(update_fields=["status", "is_immediate"])
    else:
        call = MarginCall.objects.create(
            facility=facility,
            number=next_number(facility),
            valuation=valuation,
            amount=amount,
            is_immediate=is_immediate,
            issued_at=issued_at,
            due_at=due_at,
        )
        first_version(call)
    record_event(
        "margin.call.issued",
        call,
        actor=actor,
        broker_code=facility.client.broker.code,
        before=MarginCall.Status.EXPECTED if expected else "",
        after=call.status,
        version=call.version,
        valuation=valuation.pk,
        due_at=call.due_at.isoformat(),
    )
    tell(call, "issued")
    if is_immediate:
        transition(call, "reached_immediate", actor=actor, reason="immediate level", overdue_at=issued_at)
    return call


@transaction.atomic
def _advance(call_id: int, facility_id: int, actor: str) -> int:
    facility = lock_facility(facility_id)
    call = open_call(facility)
    if call is None or call.pk != call_id or call.status not in (*MarginCall.RUNNING, DISPUTED):
        return 0
    assessment = assess(facility)
    if assessment.level not in BREACHED and not assessment.hard_stale:
        valuation = store([assessment])[0]
        transition(call, "cured", actor=actor, closed_at=clock.now(), closing_valuation=valuation)
        return 1
    brought = brought_in(call, assessment).total
    if call.status == DISPUTED:
        # The agreed part stays due; a call that is disputed as a whole waits for its decision.
        agreed = call.amount.amount - disputed_amount(call)
        if brought >= agreed:
            return 0
    elif (later := next_due_time(call, brought)) is not None:
        move_due_time(call, later, cause=AMENDED, actor=actor, reason="the first amount was met in time")
        return 1
    transition(call, "passed_due", actor=actor, inputs={"brought_in": plain(brought)}, overdue_at=clock.now())
    return 1


def _warn(run: ValuationRun, actor: str) -> None:
    """Record one warning per crossing: the valuation before this one was still normal."""
    warned = Valuation.objects.filter(run=run, level=Level.WARNING).select_related("facility__client")
    previous = ValuationRun.objects.filter(broker=run.broker, valued_at__lt=run.valued_at).order_by(
        "-valued_at"
    )
    before = previous.first()
    were_normal = set(
        Valuation.objects.filter(run=before, level=Level.NORMAL).values_list("facility_id", flat=True)
        if before
        else []
    )
    for valuation in warned:
        if before is None or valuation.facility_id in were_normal:
            _record_warning(valuation, run, actor)


@transaction.atomic
def _record_warning(valuation: Valuation, run: ValuationRun, actor: str) -> None:
    lock_facility(valuation.facility_id)
    topic = "margin.warning.given"
    given = Event.objects.filter(
        topic=topic, subject_type=valuation._meta.label_lower, subject_id=str(valuation.pk)
    )
    if not given.exists():
        record_event(
            topic, valuation, actor=actor, broker_code=run.broker.code, facility=valuation.facility_id
        )


def lock_facility(facility_id: int) -> Facility:
    """Lock a facility with its client and firm until the end of the transaction."""
    return (
        Facility.objects.select_for_update(of=("self",), no_key=True)
        .select_related("client__broker__book")
        .get(pk=facility_id)
    )


def open_call(facility: Facility) -> MarginCall | None:
    """Lock the call that is open or expected on a locked facility; None when there is none."""
    call = (
        MarginCall.objects.select_for_update(no_key=True)
        .filter(facility=facility, status__in=MarginCall.LIVE)
        .first()
    )
    if call is not None:
        call.facility = facility
    return call


def next_number(facility: Facility) -> int:
    """Count the calls of a locked facility from 1."""
    last = MarginCall.objects.filter(facility=facility).aggregate(number=Max("number"))["number"] or 0
    return last + 1


def _has_live_plan(call: MarginCall) -> bool:
    return call.sales.filter(status__in=ForcedSale.LIVE).exists()
