"""Interest that a late settlement report shows to have been accrued too much, given back.

Interest stops on the day on which a trade settled. Where that day is reported after it was accrued, the days since then
bore interest on principal that was repaid already; what they bore on it is summed unrounded, rounded once half up, and
booked back from income.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db.models import Max

from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.decimals import ZERO, from_atoms, to_atoms
from ledger.models import Entry, Role
from ledger.posting import JournalRequest, debit, post
from margin.accrual import book_accrued
from margin.interest import accrual_numerator, rounded_cents
from margin.models import Facility, InterestAccrual, SettlementInstruction, SettlementReport

from .fills import proceeds_legs

INTEREST_FIRST: Final = (Role.INTEREST_RECEIVABLE, Role.LOAN_PRINCIPAL)


def give_back(
    instruction: SettlementInstruction, repaid: Decimal, *, settled_on: date, number: int, actor: str
) -> UUID | None:
    """Book back what was accrued on `repaid` principal from `settled_on` on; None where nothing was.

    The facility is locked by the caller. What has accrued is booked first, so that there is income to give back.
    """
    facility = instruction.fill.order.leg.sale.call.facility
    amount = overcharged(facility, repaid, since=settled_on)
    if amount == ZERO:
        return None
    book_accrued(facility=facility, actor=actor)
    client, currency = facility.client, instruction.currency
    request = JournalRequest(
        key=f"interest-given-back:{instruction.reference}/{number}",
        kind="interest_given_back",
        legs=(
            debit(AccountKey(Role.INTEREST_INCOME, currency), amount),
            *proceeds_legs(client, currency, amount, first=INTEREST_FIRST),
        ),
        value_on=clock.today(),
        cause=f"settlement:{instruction.reference}",
    )
    return post(client.broker.book, request, actor=actor).journal_id


def accrued_until(instruction: SettlementInstruction, *, since: date) -> date | None:
    """Return the last day from `since` on that was accrued for the facility of a trade; None where none was."""
    facility = instruction.fill.order.leg.sale.call.facility
    accrued = InterestAccrual.objects.filter(facility=facility, accrued_on__gte=since)
    return accrued.aggregate(last=Max("accrued_on"))["last"]


def overcharged(facility: Facility, repaid: Decimal, *, since: date) -> Decimal:
    """Return the interest accrued from `since` on for `repaid` of principal, the dearer part first; to the cent.

    What earlier late reports gave back of the same days comes first, so that several parts give back together what one
    report of the whole would have.
    """
    cents, numerator = to_atoms(repaid, 2), 0
    earlier = _repaid_late(facility)
    for day in InterestAccrual.objects.filter(facility=facility, accrued_on__gte=since):
        before = sum(part for part, first, last in earlier if first <= day.accrued_on <= last)
        numerator += _charged(day, before + cents) - _charged(day, before)
    return from_atoms(rounded_cents(numerator), 2)


def _charged(day: InterestAccrual, cents: int) -> int:
    """The numerator of what a day charged on `cents` of principal, the dearer part first."""
    beyond = min(cents, day.principal_beyond_atoms)
    within = min(cents - beyond, day.principal_within_atoms)
    return accrual_numerator(beyond, day.excess_rate_per_annum) + accrual_numerator(
        within, day.rate_per_annum
    )


def _repaid_late(facility: Facility) -> list[tuple[int, date, date]]:
    """The principal in cents that late reports repaid, with the first and the last day it was given back for."""
    reports = SettlementReport.objects.filter(
        instruction__fill__order__leg__sale__call__facility=facility, interest_until__isnull=False
    )
    repaid = dict(
        Entry.objects.filter(
            journal__in=reports.values("journal"), account__role=Role.LOAN_PRINCIPAL
        ).values_list("journal", "amount_atoms")
    )
    return [
        (-repaid.get(journal, 0), settled_on, until)
        for journal, settled_on, until in reports.values_list("journal", "settled_on", "interest_until")
        if until is not None
    ]
