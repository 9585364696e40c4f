"""Interest day by day and month by month.

A day is accrued on the settled principal as the book knows it by value date, exact and unrounded, once per
facility and day. A month is rounded once, booked on its last day, and joins the principal on the next.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Max, Min, Sum
from django.utils.translation import gettext as _

from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.decimals import ZERO, from_atoms, to_atoms
from ledger.core.errors import Conflict
from ledger.core.events import SYSTEM, record_event
from ledger.models import Entry, Role
from ledger.posting import JournalRequest, credit, debit, post_batch

from .interest import accrual_numerator, rounded_cents
from .models import Broker, Facility, InterestAccrual, InterestPosting, LoanMovement, RatePlan, Valuation


@transaction.atomic
def accrue_day(*, broker: Broker, on: date, actor: str = SYSTEM) -> int:
    """Accrue one day for every facility that owed principal at its end; returns how many rows were new.

    The part of the principal within the margin value of the day's last valuation bears the plan's rate, the
    rest the higher one (V07); before a first valuation all of it counts as within.
    """
    if on >= clock.today():
        raise Conflict(_("%(day)s is not over yet.") % {"day": on.isoformat()}, code="day_not_over")
    Broker.objects.select_for_update(no_key=True).get(pk=broker.pk)
    facilities = {
        facility.client.number: facility
        for facility in Facility.objects.filter(client__broker=broker).select_related("client")
    }
    plans = _plans(broker, on)
    margin_values = _margin_values(broker, on)
    rows = []
    for number, principal_cents in _principals(broker, on).items():
        facility = facilities[number]
        plan = plans[facility.rate_plan]
        limit_cents = margin_values.get(facility.pk, principal_cents)
        within = min(principal_cents, limit_cents)
        beyond = principal_cents - within
        rows.append(
            InterestAccrual(
                facility=facility,
                accrued_on=on,
                principal_within_atoms=within,
                principal_beyond_atoms=beyond,
                rate_per_annum=plan.rate_per_annum,
                excess_rate_per_annum=plan.excess_rate_per_annum,
                numerator=accrual_numerator(within, plan.rate_per_annum)
                + accrual_numerator(beyond, plan.excess_rate_per_annum),
            )
        )
    before = InterestAccrual.objects.filter(facility__client__broker=broker, accrued_on=on).count()
    InterestAccrual.objects.bulk_create(rows, ignore_conflicts=True)
    made = max(len(rows) - before, 0)
    if made:
        record_event(
            "margin.interest.accrued",
            broker,
            actor=actor,
            broker_code=broker.code,
            on=on.isoformat(),
            facilities=made,
        )
    return made


def accrue_due(*, broker: Broker, actor: str = SYSTEM, until: date | None = None) -> int:
    """Accrue every day up to `until` (yesterday) that has not been; a repeated job makes no difference."""
    last = clock.today() - timedelta(days=1)
    day = _next_day(broker)
    made = 0
    while day is not None and day <= min(until or last, last):
        made += accrue_day(broker=broker, on=day, actor=actor)
        day += timedelta(days=1)
    return made


def post_due(*, broker: Broker, actor: str = SYSTEM, before: date | None = None) -> int:
    """Book every month that ended before `before` (today) and has accruals which were not booked.

    Returns the number of postings.
    """
    ended = InterestAccrual.objects.filter(
        facility__client__broker=broker,
        posting__isnull=True,
        accrued_on__lt=(before or clock.today()).replace(day=1),
    )
    months = list(ended.dates("accrued_on", "month"))
    return sum(post_month(broker=broker, month=month, actor=actor) for month in months)


def catch_up(*, broker: Broker, actor: str = SYSTEM) -> None:
    """Accrue and book all that is due, whatever was missed.

    A month is booked before the first day of the next is accrued, because that day is owed on the principal
    which the month's interest has joined: a job that was away over a month's end gives the same cents.
    """
    day = _next_day(broker)
    while day is not None and day < clock.today():
        post_due(broker=broker, actor=actor, before=day)
        month_end = _last_of_month(day)
        accrue_due(broker=broker, actor=actor, until=month_end)
        day = month_end + timedelta(days=1)
    post_due(broker=broker, actor=actor)


def post_month(*, broker: Broker, month: date, actor: str = SYSTEM) -> int:
    """Round and book one month's interest of every facility, then add it to the principal on the next day.

    `month` is any day of it. Returns the number of facilities booked; a second run books nothing.
    """
    first, last = month.replace(day=1), _last_of_month(month)
    facilities = Facility.objects.filter(
        client__broker=broker,
        interestaccrual__posting__isnull=True,
        interestaccrual__accrued_on__range=(first, last),
    ).distinct()
    return sum(
        _post(facility, first, last, is_capitalised=True, actor=actor)
        for facility in facilities.select_related("client__broker__book")
    )


def book_accrued(*, facility: Facility, actor: str) -> int:
    """Book today what a facility (locked by the caller) has accrued, without adding it to the principal.

    Where a loan ends within a month nothing may go on accruing outside the book. Returns the number of
    postings, one a month.
    """
    unposted = InterestAccrual.objects.filter(facility=facility, posting__isnull=True)
    months = list(unposted.dates("accrued_on", "month"))
    return sum(_post(facility, month, clock.today(), is_capitalised=False, actor=actor) for month in months)


@transaction.atomic
def _post(facility: Facility, first: date, value_on: date, *, is_capitalised: bool, actor: str) -> int:
    Facility.objects.select_for_update(of=("self",), no_key=True).get(pk=facility.pk)
    accruals = InterestAccrual.objects.filter(
        facility=facility, accrued_on__range=(first, _last_of_month(first)), posting__isnull=True
    )
    total = accruals.aggregate(total=Sum("numerator"))["total"]
    if total is None:
        return 0
    amount = from_atoms(rounded_cents(int(total)), 2)
    part = InterestPosting.objects.filter(facility=facility, month=first).count() + 1
    label = f"{first:%Y-%m}" if part == 1 else f"{first:%Y-%m}/{part}"
    requests = _journals(facility, label, value_on, amount, is_capitalised=is_capitalised)
    posting = InterestPosting.objects.create(
        facility=facility,
        month=first,
        part=part,
        amount_atoms=to_atoms(amount, 2),
        journal_id=post_batch(facility.client.broker.book, requests, actor=actor)[0].journal_id
        if amount > ZERO
        else None,
    )
    accruals.update(posting=posting)
    record_event(
        "margin.interest.posted",
        posting,
        actor=actor,
        broker_code=facility.client.broker.code,
        month=label,
    )
    return 1


def _journals(
    facility: Facility, label: str, value_on: date, amount: Decimal, *, is_capitalised: bool
) -> list[JournalRequest]:
    number, currency, cause = facility.client.number, facility.currency, f"interest:{label}"
    receivable = AccountKey(Role.INTEREST_RECEIVABLE, currency, number)
    charge = JournalRequest(
        key=f"interest:{number}:{label}",
        kind="interest",
        legs=(debit(receivable, amount), credit(AccountKey(Role.INTEREST_INCOME, currency), amount)),
        value_on=value_on,
        cause=cause,
    )
    # Regulation 8.1: unpaid interest joins the principal next month.
    capitalise = JournalRequest(
        key=f"interest-to-principal:{number}:{label}",
        kind="interest_to_principal",
        legs=(
            debit(AccountKey(Role.LOAN_PRINCIPAL, currency, number), amount),
            credit(receivable, amount),
        ),
        value_on=value_on + timedelta(days=1),
        cause=cause,
    )
    return [charge, capitalise] if is_capitalised else [charge]


def _next_day(broker: Broker) -> date | None:
    """The first day that was not accrued; None before anything was lent."""
    last = InterestAccrual.objects.filter(facility__client__broker=broker).aggregate(day=Max("accrued_on"))
    if last["day"] is not None:
        return last["day"] + timedelta(days=1)
    return LoanMovement.objects.filter(facility__client__broker=broker).aggregate(day=Min("value_on"))["day"]


def _last_of_month(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _principals(broker: Broker, on: date) -> dict[str, int]:
    """Principal of each client in cents at the end of a day, by value date."""
    rows = (
        Entry.objects.filter(
            account__book=broker.book, account__role=Role.LOAN_PRINCIPAL, journal__value_on__lte=on
        )
        .values("account__owner")
        .annotate(total=Sum("amount_atoms"))
    )
    return {row["account__owner"]: int(row["total"]) for row in rows if row["total"] > 0}


def _plans(broker: Broker, on: date) -> dict[str, RatePlan]:
    rows = RatePlan.objects.filter(broker=broker, valid_from__lte=on).order_by("name", "valid_from")
    return {plan.name: plan for plan in rows}


def _margin_values(broker: Broker, on: date) -> dict[int, int]:
    rows = (
        Valuation.objects.filter(facility__client__broker=broker, run__isnull=False, valued_at__date__lte=on)
        .order_by("facility", "-valued_at", "-pk")
        .distinct("facility")
    )
    return {row.facility_id: to_atoms(row.margin_value, 2) for row in rows}
