"""What the room tells the ledger's pages: whose books a person sees, what a cause names."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet

from ledger.admin.scope import Confinement, confine_by
from ledger.admin.show import register_cause
from ledger.journal_kinds import register_kinds
from margin.models import Client, MarginCall, SaleOrder

from .scope import broker_of
from .words import JOURNAL_KINDS


@confine_by
def confinement(user: Any) -> Confinement | None:
    """People of a broker see that broker's book and events."""
    broker = broker_of(user)
    return Confinement(broker.book_id, broker.code) if broker else None


def the_only(rows: QuerySet[Any]) -> Model | None:
    """Return the one row there is; client numbers repeat between brokers, and a guess would mislead."""
    found = list(rows[:2])
    return found[0] if len(found) == 1 else None


def _call(reference: str) -> Model | None:
    number, _dash, sequence = reference.removeprefix("MC-").rpartition("-")
    if not sequence.isdigit():
        return None
    return the_only(MarginCall.objects.filter(facility__client__number=number, number=int(sequence)))


register_cause("client", lambda number: the_only(Client.objects.filter(number=number)))
register_cause("order", lambda name: SaleOrder.objects.filter(client_order_id=name).first())
register_cause("call", _call)
register_kinds(JOURNAL_KINDS)
