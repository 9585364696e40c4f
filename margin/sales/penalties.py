"""What a fail costs the firm: the clearing house's fee, or the difference that a buy-in left."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.core.errors import Conflict, Invalid, KeyReused
from ledger.core.events import record_event
from ledger.models import Role
from ledger.posting import JournalRequest, credit, debit, post
from margin.clients import check_amount
from margin.models import SettlementInstruction, SettlementPenalty

from .instructions import client_of, lock_instruction


@transaction.atomic
def charge_penalty(
    *,
    instruction: SettlementInstruction,
    kind: str,
    amount: Decimal,
    charged_on: date,
    reference: str,
    actor: str,
) -> SettlementPenalty:
    """Book what the clearing house charges for a fail, once for each `reference`; the firm bears it, not the client.

    Raises :class:`Invalid` (`reference_required`, `from_the_future` and those of an amount), :class:`Conflict`
    (`never_failed`) for a trade that did not fail, and :class:`KeyReused` when the reference stood for something else.
    """
    check_amount(amount)
    if not reference.strip():
        raise Invalid(_("A charge needs a reference."), field="reference", code="reference_required")
    if charged_on > clock.today():
        raise Invalid(_("That day is still to come."), field="charged_on", code="from_the_future")
    locked = lock_instruction(instruction.pk)
    known = locked.penalties.filter(reference=reference).first()
    if known is not None:
        if (known.kind, known.amount, known.charged_on) != (kind, amount, charged_on):
            raise KeyReused(
                _("The charge %(reference)s said something else.") % {"reference": reference},
                field="reference",
            )
        return known
    if not locked.fail_count:
        raise Conflict(_("This trade has not failed."), code="never_failed")
    broker = client_of(locked).broker
    request = JournalRequest(
        key=f"settlement-penalty:{locked.reference}:{reference}",
        kind="settlement_penalty",
        legs=(
            debit(AccountKey(Role.SETTLEMENT_COST, locked.currency), amount),
            credit(AccountKey(Role.CHARGES_PAYABLE, locked.currency), amount),
        ),
        value_on=charged_on,
        cause=f"settlement:{locked.reference}",
    )
    penalty = locked.penalties.create(
        reference=reference,
        kind=kind,
        amount=amount,
        charged_on=charged_on,
        actor=actor,
        charged_at=clock.now(),
        journal_id=post(broker.book, request, actor=actor).journal_id,
    )
    record_event(
        "margin.settlement.penalty",
        locked,
        actor=actor,
        broker_code=broker.code,
        penalty=penalty.pk,
        journal=str(penalty.journal_id),
    )
    return penalty
