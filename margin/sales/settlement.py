"""Securities sold are delivered and paid for on their settlement date, in whole or in parts; interest stops there.

A report says how much settled, or that an attempt failed. On paper, which is how a firm begins, each trade settles in
full when it is due; a firm whose clearing house reports waits for it, and what was not reported by the end of the day has
failed. What failed stays open and is tried again on the next settlement day. What was sold before a split and is
delivered after it is delivered in new shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core import clock
from ledger.core.calendars import SETTLEMENT, get_calendar
from ledger.core.decimals import ZERO, InexactValue, from_atoms, to_atoms
from ledger.core.errors import Conflict, Invalid, KeyReused
from ledger.core.events import SYSTEM, record_event
from ledger.corporate_actions.splits import due_splits
from ledger.models import Role
from ledger.posting import JournalRequest, Leg, credit, debit, post
from ledger.requests import Posted
from margin import states
from margin.models import Broker, SettlementInstruction, SettlementReport

from .fills import proceeds_legs
from .instructions import (
    Outstanding,
    client_of,
    instructions_of,
    lock_instruction,
    next_attempt,
    outstanding,
    owed_key,
)
from .late_interest import accrued_until, give_back

Source = SettlementReport.Source
Outcome = SettlementReport.Outcome
UNREPORTED = "not reported by the end of the settlement day"


@dataclass(frozen=True, slots=True)
class Reported:
    """The report as it was kept; `is_replay` says that it was known already."""

    report: SettlementReport
    is_replay: bool


def settle_due(*, broker: Broker, on: date | None = None, actor: str = SYSTEM) -> int:
    """Settle on paper every trade of a broker that is due by `on` (today); returns how many settled in full.

    What a split is about to change is settled after it, in new shares. Where settlements are reported none settles by
    itself: what was due before today and was not reported has failed.
    """
    last = on or clock.today()
    due = (
        instructions_of(broker)
        .filter(status__in=SettlementInstruction.OPEN, next_attempt_on__lte=last)
        .exclude(fill__order__leg__asset__in=due_splits())
        .order_by("pk")
    )
    if broker.are_settlements_reported:
        late = due.filter(next_attempt_on__lt=clock.today())
        for pk in list(late.values_list("pk", flat=True)):
            _fail_unreported(pk, actor)
        return 0
    return sum(_settle_on_paper(pk, last, actor) for pk in list(due.values_list("pk", flat=True)))


@transaction.atomic
def report_settlement(
    *,
    instruction: SettlementInstruction,
    quantity: Decimal,
    money: Decimal,
    settled_on: date,
    reference: str,
    actor: str,
    source: str = Source.STAFF,
) -> Reported:
    """Book that `quantity` units were delivered and `money` was paid for a trade on a settlement day.

    Either may be nothing, and parts add up to the whole. The client's net comes with the money: each part brings its
    share, rounded half up on what has come in altogether, so that the last part brings what is left to the cent. A report
    that comes after interest was accrued gives back what was accrued too much. `reference` names the report to the
    clearing house: told again it changes nothing, told otherwise it raises :class:`KeyReused`.

    Raises :class:`Invalid` (`nothing_settled`, `inexact`, `below_minimum`, `more_than_outstanding`, `split_between`,
    `not_yet_due`, `from_the_future`, `not_a_settlement_day`, `reference_required`) and :class:`Conflict` (`wrong_state`).
    """
    locked = lock_instruction(instruction.pk)
    known = _known(locked, reference)
    if known is not None:
        return _replayed(known, Outcome.SETTLED, quantity, money, settled_on)
    _check_day(locked, settled_on)
    rest = _checked(locked, quantity, money)
    settled_money = locked.settled_money + money
    settled_net = net_of(locked, settled_money)
    net = settled_net - locked.settled_net
    delivered = rest.delivered if quantity == rest.quantity else quantity
    number = locked.reports.count() + 1
    repaid = min(net, _principal(locked))
    late_until = accrued_until(locked, since=settled_on)
    posted = _book(locked, number, delivered, money, net, settled_on, actor)
    refund = give_back(locked, repaid, settled_on=settled_on, number=number, actor=actor)
    report = locked.reports.create(
        number=number,
        reference=reference,
        outcome=Outcome.SETTLED,
        quantity=quantity,
        delivered=delivered,
        money=money,
        net=net,
        settled_on=settled_on,
        source=source,
        actor=actor,
        reported_at=clock.now(),
        journal_id=posted.journal_id,
        refund_journal_id=refund,
        interest_until=late_until,
    )
    locked.settled_quantity += quantity
    locked.settled_money, locked.settled_net = settled_money, settled_net
    is_whole = (locked.settled_quantity, settled_money) == (locked.quantity, locked.gross)
    if not is_whole:
        locked.next_attempt_on = max(locked.next_attempt_on, next_attempt(settled_on))
    _step(locked, report, "settled" if is_whole else "part_settled", actor=actor)
    if is_whole:
        _settle_fill(locked, report, actor=actor)
    return Reported(report, is_replay=False)


@transaction.atomic
def report_failure(
    *,
    instruction: SettlementInstruction,
    failed_on: date,
    reason: str,
    reference: str,
    actor: str,
    source: str = Source.STAFF,
) -> Reported:
    """Keep that nothing settled on a settlement day; it is tried again on the next one.

    Raises :class:`Invalid` (`reason_required` and the refusals of a day), :class:`Conflict` (`wrong_state`) and
    :class:`KeyReused`.
    """
    if not reason.strip():
        raise Invalid(_("A fail needs a reason."), field="reason", code="reason_required")
    locked = lock_instruction(instruction.pk)
    known = _known(locked, reference)
    if known is not None:
        return _replayed(known, Outcome.FAILED, ZERO, ZERO, failed_on)
    _check_day(locked, failed_on)
    report = locked.reports.create(
        number=locked.reports.count() + 1,
        reference=reference,
        outcome=Outcome.FAILED,
        settled_on=failed_on,
        reason=reason,
        source=source,
        actor=actor,
        reported_at=clock.now(),
    )
    locked.fail_count += 1
    locked.next_attempt_on = max(locked.next_attempt_on, next_attempt(failed_on))
    _step(locked, report, "failed", actor=actor, reason=reason)
    return Reported(report, is_replay=False)


def net_of(instruction: SettlementInstruction, money: Decimal) -> Decimal:
    """Return the client's part of `money` that came in for a trade: its share of the net, half up to the cent."""
    gross, net = to_atoms(instruction.gross, 2), to_atoms(instruction.net, 2)
    return from_atoms((2 * net * to_atoms(money, 2) + gross) // (2 * gross), 2)


@transaction.atomic
def _settle_on_paper(instruction_id: int, on: date, actor: str) -> int:
    locked = lock_instruction(instruction_id)
    if not locked.is_open or locked.next_attempt_on > on:
        return 0
    rest = outstanding(locked)
    report_settlement(
        instruction=locked,
        quantity=rest.quantity,
        money=rest.money,
        settled_on=locked.next_attempt_on,
        reference=f"paper:{locked.next_attempt_on}",
        actor=actor,
        source=Source.PAPER,
    )
    return 1


@transaction.atomic
def _fail_unreported(instruction_id: int, actor: str) -> None:
    locked = lock_instruction(instruction_id)
    if locked.is_open and locked.next_attempt_on < clock.today():
        report_failure(
            instruction=locked,
            failed_on=locked.next_attempt_on,
            reason=UNREPORTED,
            reference=f"unreported:{locked.next_attempt_on}",
            actor=actor,
            source=Source.CLOCK,
        )


def _known(instruction: SettlementInstruction, reference: str) -> SettlementReport | None:
    if not reference.strip():
        raise Invalid(_("A report needs a reference."), field="reference", code="reference_required")
    return instruction.reports.filter(reference=reference).first()


def _replayed(
    known: SettlementReport, outcome: Outcome, quantity: Decimal, money: Decimal, on: date
) -> Reported:
    if (known.outcome, known.quantity, known.money, known.settled_on) != (outcome, quantity, money, on):
        raise KeyReused(
            _("The report %(reference)s said something else.") % {"reference": known.reference},
            field="reference",
        )
    return Reported(known, is_replay=True)


def _check_day(instruction: SettlementInstruction, on: date) -> None:
    if not instruction.is_open:
        raise Conflict(_("This trade has settled."), code="wrong_state")
    if on < instruction.due_on:
        raise Invalid(_("This trade is not due on that day."), field="settled_on", code="not_yet_due")
    if on > clock.today():
        raise Invalid(_("That day is still to come."), field="settled_on", code="from_the_future")
    if not get_calendar(SETTLEMENT).is_open(on):
        raise Invalid(
            _("%(day)s is no settlement day.") % {"day": on}, field="settled_on", code="not_a_settlement_day"
        )


def _checked(instruction: SettlementInstruction, quantity: Decimal, money: Decimal) -> Outstanding:
    for field, value, scale in (
        ("quantity", quantity, instruction.fill.order.leg.asset.scale),
        ("money", money, 2),
    ):
        try:
            atoms = to_atoms(value, scale)
        except InexactValue as error:
            raise Invalid(str(error), field=field, code="inexact") from error
        if atoms < 0:
            raise Invalid(_("This must not be below zero."), field=field, code="below_minimum")
    if quantity == ZERO and money == ZERO:
        raise Invalid(_("Say what settled."), field="quantity", code="nothing_settled")
    rest = outstanding(instruction)
    for field, value, most in (("quantity", quantity, rest.quantity), ("money", money, rest.money)):
        if value > most:
            raise Invalid(
                _("No more than %(most)s is outstanding.") % {"most": most},
                field=field,
                code="more_than_outstanding",
            )
    if rest.delivered != rest.quantity and quantity not in (ZERO, rest.quantity):
        raise Invalid(
            _("A split came between: what is left is delivered in one piece."),
            field="quantity",
            code="split_between",
        )
    return rest


def _principal(instruction: SettlementInstruction) -> Decimal:
    client = client_of(instruction)
    return holding(client.broker.book, AccountKey(Role.LOAN_PRINCIPAL, instruction.currency, client.number))


def _book(
    instruction: SettlementInstruction,
    number: int,
    delivered: Decimal,
    money: Decimal,
    net: Decimal,
    settled_on: date,
    actor: str,
) -> Posted:
    """Deliver against payment: shares and money leave what was unsettled, and the client's net leaves what was awaited."""
    client, fill, currency = client_of(instruction), instruction.fill, instruction.currency
    owed = owed_key(instruction)
    legs: list[Leg] = [
        debit(owed, delivered),
        credit(AccountKey(Role.CUSTODY, owed.asset, location=owed.location), delivered),
        debit(AccountKey(Role.NOSTRO, currency), money),
        credit(AccountKey(Role.UNSETTLED_RECEIVABLE, currency), money),
        debit(AccountKey(Role.CLIENT_PROCEEDS, currency, client.number), net),
    ]
    part = "" if number == 1 else f"/{number}"
    request = JournalRequest(
        key=f"settlement:{fill.venue}:{fill.execution_id}{part}",
        kind="forced_sale_settlement",
        legs=(*(leg for leg in legs if leg.quantity), *proceeds_legs(client, currency, net)),
        value_on=settled_on,
        cause=f"order:{fill.order.client_order_id}",
    )
    return post(client.broker.book, request, actor=actor)


def _step(
    instruction: SettlementInstruction, report: SettlementReport, event: str, *, actor: str, reason: str = ""
) -> None:
    before = instruction.status
    instruction.status = states.step(states.SETTLEMENT, before, event)
    instruction.settled_at = clock.now() if event == "settled" else None
    instruction.save(
        update_fields=[
            "status",
            "settled_quantity",
            "settled_money",
            "settled_net",
            "fail_count",
            "next_attempt_on",
            "settled_at",
        ]
    )
    record_event(
        f"margin.settlement.{event}",
        instruction,
        actor=actor,
        reason=reason,
        broker_code=client_of(instruction).broker.code,
        before=before,
        after=instruction.status,
        report=report.pk,
        journal=str(report.journal_id or ""),
    )


def _settle_fill(instruction: SettlementInstruction, report: SettlementReport, *, actor: str) -> None:
    fill = instruction.fill
    fill.settlement_journal_id = report.journal_id
    fill.settled_at = clock.now()
    fill.save(update_fields=["settlement_journal", "settled_at"])
    record_event(
        "margin.sale.settled_fill",
        fill,
        actor=actor,
        broker_code=client_of(instruction).broker.code,
        journal=str(report.journal_id),
    )
