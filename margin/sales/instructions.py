"""What is to be delivered and received for a trade, and when it is tried.

An instruction is of one trade. The clearing house nets a day's trades in a stock with the firm; the firm still owes each
client the day on which theirs settled, because interest stops there, so the net is reported back trade by trade.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.calendars import SETTLEMENT, get_calendar
from ledger.core.errors import Conflict, Invalid
from ledger.core.events import record_event
from ledger.corporate_actions.splits import since_split
from ledger.models import Role
from margin.custody import location_of
from margin.models import Broker, Client, Facility, Fill, SettlementInstruction

CLIENT_PATH = "fill__order__leg__sale__call__facility__client"


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What an instruction has yet to settle; `delivered` is the quantity in units of today, after splits."""

    quantity: Decimal
    delivered: Decimal
    money: Decimal


def open_instruction(fill: Fill) -> SettlementInstruction:
    """Make the instruction of a trade that settles later, in the commit of its fill."""
    return SettlementInstruction.objects.create(
        fill=fill,
        reference=f"SI-{fill.venue}-{fill.execution_id}",
        currency=str(fill.gross.currency),
        quantity=fill.quantity,
        gross=fill.gross.amount,
        net=fill.net.amount,
        due_on=fill.settles_on,
        next_attempt_on=fill.settles_on,
        created_at=clock.now(),
    )


def instructions_of(broker: Broker) -> QuerySet[SettlementInstruction]:
    """The instructions of a firm's clients."""
    return SettlementInstruction.objects.filter(**{f"{CLIENT_PATH}__broker": broker})


def lock_instruction(instruction_id: int) -> SettlementInstruction:
    """Lock the facility, then the instruction: the room's order. Its fill, asset, client and book come along."""
    Facility.objects.select_for_update(of=("self",), no_key=True).get(
        calls__sales__legs__orders__fills__instruction=instruction_id
    )
    return (
        SettlementInstruction.objects.select_for_update(of=("self",), no_key=True)
        .select_related("fill__order__leg__asset", f"{CLIENT_PATH}__broker__book")
        .get(pk=instruction_id)
    )


def client_of(instruction: SettlementInstruction) -> Client:
    client: Client = instruction.fill.order.leg.sale.call.facility.client
    return client


def owed_key(instruction: SettlementInstruction) -> AccountKey:
    """The account on which the shares of an instruction are owed to the clearing house."""
    asset = instruction.fill.order.leg.asset
    location = location_of(client_of(instruction).broker, asset).code
    return AccountKey(Role.UNSETTLED_PAYABLE, asset.code, location=location)


def outstanding(instruction: SettlementInstruction) -> Outstanding:
    """Return what has yet to be delivered and paid."""
    rest = instruction.quantity - instruction.settled_quantity
    book = client_of(instruction).broker.book
    delivered = since_split(book, owed_key(instruction), rest, since=instruction.fill.traded_on)
    return Outstanding(rest, delivered, instruction.gross - instruction.settled_money)


def next_attempt(after: date) -> date:
    """Return the settlement day on which what failed `after` is tried again: not in the past."""
    yesterday = clock.today() - timedelta(days=1)
    return get_calendar(SETTLEMENT).next_open(max(after, yesterday))


def age_days(instruction: SettlementInstruction) -> int:
    """How many settlement days an open instruction is late; 0 while it is not due or has settled."""
    if not instruction.is_open or instruction.due_on >= clock.today():
        return 0
    first = instruction.due_on + timedelta(days=1)
    return len(get_calendar(SETTLEMENT).open_days(first, clock.today()))


@transaction.atomic
def set_settlements_reported(*, broker: Broker, is_reported: bool, actor: str, reason: str) -> Broker:
    """Let the clearing house say what settled, or let trades settle on paper when due, with a reason that is kept.

    Raises Invalid (`reason_required`) and Conflict (`wrong_state`) when it is so already.
    """
    if not reason.strip():
        raise Invalid(_("The switch needs a reason."), field="reason", code="reason_required")
    locked = Broker.objects.select_for_update(no_key=True).get(pk=broker.pk)
    if locked.are_settlements_reported == is_reported:
        raise Conflict(_("The switch stands that way already."), code="wrong_state")
    locked.are_settlements_reported = is_reported
    locked.save(update_fields=["are_settlements_reported"])
    topic = "margin.broker.settlements_reported" if is_reported else "margin.broker.settlements_on_paper"
    record_event(topic, locked, actor=actor, reason=reason, broker_code=locked.code)
    return locked
