"""The life of a margin call: issued, met, overdue, or answered by a forced sale.

Every step is found by a query and taken under the facility's row lock, so two runs at once give one call
and a job that runs twice finds nothing left to do. States are those of `margin.states`; the database refuses
others, keeps one call open per facility, and lets what a call demands change by its next version only.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max, Q
from moneyed import Money

from ledger.core import clock
from ledger.core.decimals import CONTEXT, ZERO, round_up
from ledger.core.events import SYSTEM, record_event
from ledger.core.models import Event

from . import states
from .due_times import due_time, first_version
from .models import Broker, Facility, ForcedSale, MarginCall, Valuation, ValuationRun
from .models.valuation import Level
from .valuations import assess, latest, store

BREACHED = (Level.CALL, Level.IMMEDIATE)


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
        facility__client__broker=broker, status=MarginCall.Status.ISSUED, due_at__lte=clock.now()
    ).values_list("pk", "facility_id")
    return sum(
        _advance(call_id, facility_id, actor) for call_id, facility_id in list(due.order_by("facility"))
    )


def transition(call: MarginCall, event: str, *, actor: str, reason: str = "", **changes: Any) -> None:
    """Move a locked call along its state machine and record it."""
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
    )


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


def cures(call: MarginCall) -> dict[str, Any]:
    """The three ways to meet a call, in amounts: cash, marginable securities, or a sale (regulation 2.7).

    Cash is what is still missing. Securities and virtual assets are the market value that a deposit of each
    pledged asset would need at its margin ratio; a sale is the market value to sell of it at its haircut,
    before costs. Rounded up to the cent; an asset whose haircut is nothing cannot cure by sale.
    """
    now = assess(call.facility)
    missing = now.value.deficiency
    by_asset = []
    for line in now.value.lines:
        ratio, haircut = line.margin_ratio, 1 - line.margin_ratio
        by_asset.append(
            {
                "asset": line.holding.code,
                "deposit_market_value": str(round_up(CONTEXT.divide(missing, ratio))) if ratio else None,
                "sale_market_value": str(round_up(CONTEXT.divide(missing, haircut))) if haircut else None,
            }
        )
    return {"cash": str(missing), "assets": by_asset}


def _review(valuation_id: int, actor: str) -> MarginCall | None:
    with transaction.atomic():
        valuation = Valuation.objects.select_related("facility", "policy").get(pk=valuation_id)
        facility = _lock(valuation.facility_id)
        newest = latest(facility)
        if newest is None or newest.pk != valuation.pk:
            return None
        call = _open_call(facility)
        if call is None:
            is_answered = MarginCall.objects.filter(valuation=valuation).exists()
            return _issue(facility, valuation, actor) if _is_called(valuation) and not is_answered else None
        if valuation.valued_at < call.issued_at:
            return None
        _follow(call, valuation, actor)
        return None


def _is_called(valuation: Valuation) -> bool:
    minimum = valuation.policy.minimum_call.amount
    return valuation.level in BREACHED and valuation.deficiency > ZERO and valuation.deficiency >= minimum


def _follow(call: MarginCall, valuation: Valuation, actor: str) -> None:
    if valuation.level not in BREACHED:
        if not valuation.has_hard_stale_price:
            _close_if_met(call, valuation, actor)
    elif valuation.level == Level.IMMEDIATE and call.status == MarginCall.Status.ISSUED:
        transition(
            call,
            "reached_immediate",
            actor=actor,
            reason="immediate level",
            is_immediate=True,
            overdue_at=clock.now(),
        )
    elif call.status == MarginCall.Status.SALE_PENDING and not _has_live_plan(call):
        transition(call, "replanned", actor=actor, reason="short again after the sale")


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


def _issue(facility: Facility, valuation: Valuation, actor: str) -> MarginCall:
    issued_at = clock.now()
    is_immediate = valuation.level == Level.IMMEDIATE
    last = MarginCall.objects.filter(facility=facility).aggregate(number=Max("number"))["number"] or 0
    call = MarginCall.objects.create(
        facility=facility,
        number=last + 1,
        valuation=valuation,
        amount=Money(valuation.deficiency, facility.currency),
        is_immediate=is_immediate,
        issued_at=issued_at,
        due_at=due_time(valuation, issued_at),
    )
    first_version(call)
    record_event(
        "margin.call.issued",
        call,
        actor=actor,
        broker_code=facility.client.broker.code,
        valuation=valuation.pk,
        due_at=call.due_at.isoformat(),
    )
    if is_immediate:
        transition(call, "reached_immediate", actor=actor, reason="immediate level", overdue_at=issued_at)
    return call


@transaction.atomic
def _advance(call_id: int, facility_id: int, actor: str) -> int:
    facility = _lock(facility_id)
    call = _open_call(facility)
    if call is None or call.pk != call_id or call.status != MarginCall.Status.ISSUED:
        return 0
    assessment = assess(facility)
    if assessment.level not in BREACHED and not assessment.hard_stale:
        valuation = store([assessment])[0]
        transition(call, "cured", actor=actor, closed_at=clock.now(), closing_valuation=valuation)
    else:
        transition(call, "passed_due", actor=actor, overdue_at=clock.now())
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
    _lock(valuation.facility_id)
    topic = "margin.warning.given"
    given = Event.objects.filter(
        topic=topic, subject_type=valuation._meta.label_lower, subject_id=str(valuation.pk)
    )
    if not given.exists():
        record_event(
            topic, valuation, actor=actor, broker_code=run.broker.code, facility=valuation.facility_id
        )


def _lock(facility_id: int) -> Facility:
    return (
        Facility.objects.select_for_update(of=("self",), no_key=True)
        .select_related("client__broker__book")
        .get(pk=facility_id)
    )


def _open_call(facility: Facility) -> MarginCall | None:
    call = (
        MarginCall.objects.select_for_update(no_key=True)
        .filter(facility=facility, status__in=MarginCall.OPEN)
        .first()
    )
    if call is not None:
        call.facility = facility
    return call


def _has_live_plan(call: MarginCall) -> bool:
    return call.sales.filter(status__in=ForcedSale.LIVE).exists()
