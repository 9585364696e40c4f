"""Interest day by day and month by month.

A day is accrued on the settled principal as the book knows it by value date, exact and unrounded, once per
facility and day. A month is rounded once, booked on its last day, and joins the principal on the next.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Min, Sum

from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.decimals import ZERO, from_atoms, to_atoms
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


def accrue_due(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Accrue every day up to yesterday that has not been; a missed or repeated job makes no difference."""
    last = InterestAccrual.objects.filter(facility__client__broker=broker).aggregate(day=Max("accrued_on"))
    first = LoanMovement.objects.filter(facility__client__broker=broker).aggregate(day=Min("value_on"))
    if first["day"] is None:
        return 0
    day = last["day"] + timedelta(days=1) if last["day"] else first["day"]
    made = 0
    while day < clock.today():
        made += accrue_day(broker=broker, on=day, actor=actor)
        day += timedelta(days=1)
    return made


def post_due(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Book every past month that has accruals which were not booked; returns the number of postings."""
    months = (
        InterestAccrual.objects.filter(
            facility__client__broker=broker, posting__isnull=True, accrued_on__lt=clock.today().replace(day=1)
        )
        .dates("accrued_on", "month")
    )
    return sum(post_month(broker=broker, month=month, actor=actor) for month in list(months))


def post_month(*, broker: Broker, month: date, actor: str = SYSTEM) -> int:
    """Round and book one month's interest of every facility, then add it to the principal on the next day.

    `month` is any day of it. Returns the number of facilities booked; a second run books nothing.
    """
    first = month.replace(day=1)
    last = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    facilities = Facility.objects.filter(
        client__broker=broker,
        interestaccrual__posting__isnull=True,
        interestaccrual__accrued_on__range=(first, last),
    ).distinct()
    return sum(_post(facility, first, last, actor) for facility in facilities.select_related("client__broker__book"))


@transaction.atomic
def _post(facility: Facility, first: date, last: date, actor: str) -> int:
    Facility.objects.select_for_update(of=("self",), no_key=True).get(pk=facility.pk)
    accruals = InterestAccrual.objects.filter(
        facility=facility, accrued_on__range=(first, last), posting__isnull=True
    )
    total = accruals.aggregate(total=Sum("numerator"))["total"]
    if total is None:
        return 0
    amount = from_atoms(rounded_cents(int(total)), 2)
    journal_id = _book(facility, first, last, amount, actor) if amount > ZERO else None
    posting = InterestPosting.objects.create(
        facility=facility, month=first, amount_atoms=to_atoms(amount, 2), journal_id=journal_id
    )
    accruals.update(posting=posting)
    record_event(
        "margin.interest.posted",
        posting,
        actor=actor,
        broker_code=facility.client.broker.code,
        month=f"{first:%Y-%m}",
    )
    return 1


def _book(facility: Facility, first: date, last: date, amount: Decimal, actor: str) -> UUID:
    number, currency, cause = facility.client.number, facility.currency, f"interest:{first:%Y-%m}"
    receivable = AccountKey(Role.INTEREST_RECEIVABLE, currency, number)
    charge = JournalRequest(
        key=f"interest:{number}:{first:%Y-%m}",
        kind="interest",
        legs=(debit(receivable, amount), credit(AccountKey(Role.INTEREST_INCOME, currency), amount)),
        value_on=last,
        cause=cause,
    )
    # Regulation 8.1: unpaid interest joins the principal next month.
    capitalise = JournalRequest(
        key=f"interest-to-principal:{number}:{first:%Y-%m}",
        kind="interest_to_principal",
        legs=(
            debit(AccountKey(Role.LOAN_PRINCIPAL, currency, number), amount),
            credit(receivable, amount),
        ),
        value_on=last + timedelta(days=1),
        cause=cause,
    )
    return post_batch(facility.client.broker.book, [charge, capitalise], actor=actor)[0].journal_id


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
        Valuation.objects.filter(
            facility__client__broker=broker, run__isnull=False, valued_at__date__lte=on
        )
        .order_by("facility", "-valued_at", "-pk")
        .distinct("facility")
    )
    return {row.facility_id: to_atoms(row.margin_value, 2) for row in rows}

