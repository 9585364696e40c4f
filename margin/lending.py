"""Drawdown and repayment."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _
from moneyed import Money

from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core import clock
from ledger.core.decimals import ZERO
from ledger.core.errors import Invalid
from ledger.core.events import record_event
from ledger.models import Journal, Role
from ledger.posting import JournalRequest, Leg, Posted, credit, debit, post

from .clients import check_amount
from .credit import check_drawdown, lock_facility
from .models import Facility, LoanMovement


@transaction.atomic
def drawdown(
    *,
    facility: Facility,
    amount: Decimal,
    purpose: str,
    key: str,
    actor: str,
    is_paid_out: bool = True,
) -> LoanMovement:
    """Lend `amount` (in cents, facility currency) for a stated purpose, once per key.

    The money is paid out, or stays as the client's cash where `is_paid_out` is false. Raises
    :class:`Invalid` for a bad amount or purpose and what :func:`margin.credit.check_drawdown` raises.
    """
    check_amount(amount)
    if purpose not in LoanMovement.Purpose.values:
        raise Invalid(_("An advance needs a purpose."), field="purpose", code="unknown_purpose")
    locked = _lock(facility)
    request_key = f"drawdown:{locked.client.number}:{key}"
    if not _is_known(locked, request_key):
        check_drawdown(locked, amount=amount, purpose=purpose)
    number, currency = locked.client.number, locked.currency
    destination = (
        AccountKey(Role.NOSTRO, currency) if is_paid_out else AccountKey(Role.CLIENT_CASH, currency, number)
    )
    legs = (debit(AccountKey(Role.LOAN_PRINCIPAL, currency, number), amount), credit(destination, amount))
    posted = _post(locked, request_key, "drawdown", legs, cause=f"purpose:{purpose}", actor=actor)
    return _movement(locked, posted, LoanMovement.Kind.DRAWDOWN, amount, purpose=purpose, actor=actor)


@transaction.atomic
def repay(*, facility: Facility, amount: Decimal, key: str, actor: str) -> LoanMovement:
    """Apply `amount` of the client's cash to booked interest first, then to principal, once per key.

    Never stopped by a call, a stale price or a switch. Raises :class:`Invalid` (`more_than_owed`) beyond the
    debt and :class:`InsufficientBalance` beyond the client's cash.
    """
    check_amount(amount)
    locked = _lock(facility)
    request_key = f"repayment:{locked.client.number}:{key}"
    known = Journal.objects.made_by(request_key, book=locked.client.broker.book).first()
    legs = _repayment_legs(locked, amount) if known is None else _legs_told_again(known, locked, amount)
    posted = _post(locked, request_key, "repayment", legs, cause="", actor=actor)
    return _movement(locked, posted, LoanMovement.Kind.REPAYMENT, amount, purpose="", actor=actor)


def _repayment_legs(facility: Facility, amount: Decimal) -> tuple[Leg, ...]:
    book, number, currency = facility.client.broker.book, facility.client.number, facility.currency
    interest_account = AccountKey(Role.INTEREST_RECEIVABLE, currency, number)
    principal_account = AccountKey(Role.LOAN_PRINCIPAL, currency, number)
    interest = min(amount, holding(book, interest_account))
    principal = amount - interest
    if principal > holding(book, principal_account):
        raise Invalid(_("This is more than is owed."), field="amount", code="more_than_owed")
    legs = [debit(AccountKey(Role.CLIENT_CASH, currency, number), amount)]
    if interest > ZERO:
        legs.append(credit(interest_account, interest))
    if principal > ZERO:
        legs.append(credit(principal_account, principal))
    return tuple(legs)


def _legs_told_again(known: Journal, facility: Facility, amount: Decimal) -> tuple[Leg, ...]:
    """A repayment booked before is told as it was, whatever is owed now; another amount is another body."""
    entries = known.entries.select_related("account__asset", "account__location").order_by("id")
    legs = tuple(Leg(AccountKey.of(e.account), e.account.asset.units(e.amount_atoms)) for e in entries)
    if amount in (leg.quantity for leg in legs if leg.account.role == Role.CLIENT_CASH):
        return legs
    number, currency = facility.client.number, facility.currency
    return (
        debit(AccountKey(Role.CLIENT_CASH, currency, number), amount),
        credit(AccountKey(Role.LOAN_PRINCIPAL, currency, number), amount),
    )


def _lock(facility: Facility) -> Facility:
    locked = lock_facility(facility.client)
    if locked is None:
        raise Invalid(_("There is no such facility."), field="facility", code="unknown_facility")
    return locked


def _is_known(facility: Facility, key: str) -> bool:
    return Journal.objects.made_by(key, book=facility.client.broker.book).exists()


def _post(
    facility: Facility, key: str, kind: str, legs: tuple[Leg, ...], *, cause: str, actor: str
) -> Posted:
    known = Journal.objects.made_by(key, book=facility.client.broker.book).first()
    request = JournalRequest(
        key=key,
        kind=kind,
        legs=legs,
        value_on=known.value_on if known else clock.today(),
        cause=cause or f"client:{facility.client.number}",
    )
    return post(facility.client.broker.book, request, actor=actor)


def _movement(
    facility: Facility, posted: Posted, kind: str, amount: Decimal, *, purpose: str, actor: str
) -> LoanMovement:
    if posted.is_replay:
        return LoanMovement.objects.get(journal_id=posted.journal_id)
    movement = LoanMovement.objects.create(
        facility=facility,
        kind=kind,
        purpose=purpose,
        amount=Money(amount, facility.currency),
        value_on=clock.today(),
        journal_id=posted.journal_id,
    )
    record_event(
        f"margin.{kind}.booked",
        movement,
        actor=actor,
        broker_code=facility.client.broker.code,
        journal=str(posted.journal_id),
    )
    return movement
