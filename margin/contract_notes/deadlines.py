"""What has to reach clients by the end of the second business day: trades without a note, notes that were not given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.db.models import Exists, OuterRef

from ledger.core import clock
from ledger.core.events import SYSTEM, record_event
from ledger.core.models import Event
from margin.models import Broker, Client, ContractNote, Fill, Notice

from .issuing import BROKER_PATH, CLIENT_PATH, due_on

LATE = "margin.contract_note.late"


@dataclass(frozen=True, slots=True)
class Alert:
    """Sales of one client, day and asset that the client has no note of; `note` is the one that was not given yet."""

    client: Client
    asset: str
    traded_on: date
    due_on: date
    note: ContractNote | None
    fill: Fill | None

    @property
    def what(self) -> str:
        return "not_issued" if self.note is None else "not_given"

    @property
    def is_late(self) -> bool:
        return self.due_on < clock.today()


def alerts(broker: Broker | None = None) -> list[Alert]:
    """Return what is still to be issued or given, the earliest due first; of one firm or of all."""
    untold = Fill.objects.filter(note_trades__isnull=True).select_related(CLIENT_PATH, "order__leg__asset")
    handed = Notice.objects.filter(contract_note=OuterRef("pk"), status__in=Notice.HANDED_OVER)
    ungiven = (
        ContractNote.objects.filter(corrected_by__isnull=True, handover__isnull=True)
        .exclude(Exists(handed))
        .select_related("client", "asset", "broker")
        .defer("content", "document")
    )
    if broker is not None:
        untold, ungiven = untold.filter(**{BROKER_PATH: broker}), ungiven.filter(broker=broker)
    found: dict[tuple[int, str, date], Alert] = {}
    for fill in untold.order_by("pk"):
        client, asset = fill.order.leg.sale.call.facility.client, fill.order.leg.asset.code
        key = client.pk, asset, fill.traded_on
        if key not in found:
            due = due_on(fill.traded_on)
            found[key] = Alert(client, asset, fill.traded_on, due, note=None, fill=fill)
    given = [
        Alert(note.client, note.asset.code, note.traded_on, note.due_on, note=note, fill=None)
        for note in ungiven
    ]
    return sorted(
        [*found.values(), *given], key=lambda alert: (alert.due_on, alert.client.number, alert.asset)
    )


def tell_late(*, broker: Broker, actor: str = SYSTEM) -> int:
    """Tell the staff, once each, of notes that were not issued or not given by their day; returns how many."""
    return sum(_tell(alert, broker, actor) for alert in alerts(broker) if alert.is_late)


@transaction.atomic
def _tell(alert: Alert, broker: Broker, actor: str) -> int:
    Broker.objects.select_for_update(no_key=True).get(pk=broker.pk)
    subject = alert.note or alert.fill
    assert subject is not None  # noqa: S101  an alert is of the one or the other
    label = subject._meta.label_lower
    if Event.objects.filter(topic=LATE, subject_type=label, subject_id=str(subject.pk)).exists():
        return 0
    record_event(
        LATE,
        subject,
        actor=actor,
        reason=alert.what,
        broker_code=broker.code,
        client=alert.client.number,
        due_on=alert.due_on.isoformat(),
    )
    return 1
