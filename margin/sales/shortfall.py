"""When everything is sold and something is still owed."""

from __future__ import annotations

from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core import clock
from ledger.core.decimals import ZERO
from ledger.core.events import record_event
from ledger.models import Role
from ledger.posting import JournalRequest, credit, debit, post
from margin.accrual import book_accrued
from margin.lifecycle import transition
from margin.models import MarginCall
from margin.valuations import Assessment, store


def book_shortfall(call: MarginCall, assessment: Assessment, *, actor: str) -> None:
    """Move what the client still owes to the shortfall receivable and close the call, which is locked.

    What was sold has settled. Interest that has accrued is booked first, or it would go on being owed on a
    loan that is no more; the client's cash is set off.
    """
    facility = call.facility
    book_accrued(facility=facility, actor=actor)
    book, number, currency = facility.client.broker.book, facility.client.number, facility.currency
    cash_account = AccountKey(Role.CLIENT_CASH, currency, number)
    interest_account = AccountKey(Role.INTEREST_RECEIVABLE, currency, number)
    principal_account = AccountKey(Role.LOAN_PRINCIPAL, currency, number)
    cash = holding(book, cash_account)
    interest = holding(book, interest_account)
    principal = holding(book, principal_account)
    used = min(cash, interest + principal)
    owed = interest + principal - used
    legs = [
        leg
        for leg in (
            debit(AccountKey(Role.SHORTFALL_RECEIVABLE, currency, number), owed),
            debit(cash_account, used),
            credit(interest_account, interest),
            credit(principal_account, principal),
        )
        if leg.quantity
    ]
    if owed > ZERO:
        request = JournalRequest(
            key=f"shortfall:{call.reference}",
            kind="shortfall",
            legs=tuple(legs),
            value_on=clock.today(),
            cause=f"call:{call.reference}",
        )
        post(book, request, actor=actor)
    valuation = store([assessment])[0]
    transition(call, "exhausted", actor=actor, closed_at=clock.now(), closing_valuation=valuation)
    record_event("margin.shortfall.booked", call, actor=actor, broker_code=facility.client.broker.code)
