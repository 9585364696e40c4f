"""Calls that can be seen coming: a haircut that rises or an asset excluded on the next business day, at today's prices.

An expected call demands nothing and stops nothing; it is issued when the account falls short, and lapses
when it no longer would.
"""

from __future__ import annotations

from datetime import date

from django.db import transaction
from moneyed import Money

from collateral.models import Eligibility, LendingHaircut, Product
from ledger.core import clock
from ledger.core.calendars import STATUTORY, get_calendar
from ledger.core.decimals import ZERO, plain
from ledger.core.events import SYSTEM, record_event
from ledger.core.models import FourEyes

from .calls import BREACHED, lock_facility, next_number, open_call
from .due_times import due_time, first_version
from .lifecycle import transition
from .models import Broker, Facility, MarginCall, MarginCallVersion
from .notices.outbox import tell
from .valuations import Assessment, forecast, latest


def expect_calls(*, broker: Broker, actor: str = SYSTEM) -> list[MarginCall]:
    """Expect calls that the haircuts of the next business day would make, and let those lapse that will not come.

    Returns the calls newly expected; a second run expects none. Costs two queries when nothing is coming.
    """
    today = clock.today()
    on = get_calendar(STATUTORY).next_open(today)
    expected = MarginCall.objects.filter(facility__client__broker=broker, status=MarginCall.Status.EXPECTED)
    waiting = set(expected.values_list("facility_id", flat=True))
    facilities = Facility.objects.filter(client__broker=broker, closed_on__isnull=True)
    if not _terms_change(broker, today, on):
        facilities = facilities.filter(pk__in=waiting)
    seen = forecast(
        broker, list(facilities.select_related("client__broker__book").order_by("pk")), haircuts_on=on
    )
    for assessment in seen:
        if assessment.facility.pk in waiting and not _is_short(assessment):
            _lapse(assessment.facility.pk, actor)
    found = (
        _expect(assessment, on, actor)
        for assessment in seen
        if assessment.facility.pk not in waiting and _is_short(assessment)
    )
    return [call for call in found if call is not None]


def _terms_change(broker: Broker, today: date, on: date) -> bool:
    """Say whether a haircut or a decision of eligibility comes into force by a day."""
    return any(
        model.objects.filter(
            approval=FourEyes.Approval.APPROVED,
            entity_type=broker.entity_type,
            product=Product.MARGIN_LOAN,
            valid_from__gt=today,
            valid_from__lte=on,
        ).exists()
        for model in (LendingHaircut, Eligibility)
    )


def _is_short(assessment: Assessment) -> bool:
    deficiency = assessment.value.deficiency
    return (
        assessment.level in BREACHED
        and deficiency > ZERO
        and deficiency >= assessment.policy.minimum_call.amount
    )


@transaction.atomic
def _expect(assessment: Assessment, on: date, actor: str) -> MarginCall | None:
    facility = lock_facility(assessment.facility.pk)
    valuation = latest(facility)
    if valuation is None or valuation.level in BREACHED or open_call(facility) is not None:
        return None
    now = clock.now()
    call = MarginCall.objects.create(
        facility=facility,
        number=next_number(facility),
        status=MarginCall.Status.EXPECTED,
        valuation=valuation,
        amount=Money(assessment.value.deficiency, facility.currency),
        issued_at=now,
        due_at=due_time(valuation, now),
    )
    first_version(call, MarginCallVersion.Cause.EXPECTED)
    record_event(
        "margin.call.expected",
        call,
        actor=actor,
        reason="haircuts of the next business day",
        broker_code=facility.client.broker.code,
        before="",
        after=call.status,
        on=on.isoformat(),
        deficiency=plain(assessment.value.deficiency),
        margin_value=plain(assessment.value.margin_value),
        valuation=valuation.pk,
    )
    tell(call, "expected")
    return call


@transaction.atomic
def _lapse(facility_id: int, actor: str) -> None:
    call = open_call(lock_facility(facility_id))
    if call is not None and call.status == MarginCall.Status.EXPECTED:
        transition(call, "lapsed", actor=actor, reason="no longer expected", closed_at=clock.now())
