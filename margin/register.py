"""The register of margin calls: one line for each, with everything an inspector asks for (Cap. 571O).

Time and basis of the call, amount, the prices used, channel, the client's response, follow-up, and the forced
sale or the reason for not selling. Read from what was stored with the call, so a line says the same for ever
but for what has happened since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from ledger.core import clock, csv_files
from ledger.core.clock import HONG_KONG
from ledger.core.decimals import plain
from ledger.core.models import Event

from .models import CallDecision, MarginCall, ValuationLine

CALLS_PER_READ: Final = 200
COLUMNS: Final = (
    "reference",
    "client",
    "client_name",
    "status",
    "is_immediate",
    "issued_at",
    "first_due_at",
    "due_at",
    "currency",
    "amount_first_called",
    "amount_called",
    "versions",
    "utilisation",
    "loan",
    "market_value",
    "margin_value",
    "credit_limit",
    "policy",
    "valuation",
    "prices_used",
    "notices",
    "acknowledged_at",
    "acknowledged_by",
    "acknowledged_through",
    "brought_in",
    "decisions",
    "overdue_at",
    "forced_sales",
    "not_sold_because",
    "closed_at",
    "follow_up",
)
# An overdue call without a sale and without a reason is the gap that regulators fine.
UNDOCUMENTED: Final = "UNDOCUMENTED"
NOT_DUE: Final = "not due for sale"


def entries(calls: QuerySet[MarginCall]) -> Iterator[dict[str, str]]:
    """Yield the lines of `calls`, oldest first, in few queries for each two hundred.

    Moments are Hong Kong times in ISO form, amounts plain decimals, several things of one kind are parted by
    semicolons.
    """
    ordered = calls.select_related("facility__client", "valuation__policy").order_by("pk")
    found = ordered.prefetch_related(
        "versions__valuation__policy", "notices", "decisions__maker", "decisions__checker", "sales"
    ).iterator(chunk_size=CALLS_PER_READ)
    while batch := list(islice(found, CALLS_PER_READ)):
        prices, events = _prices(batch), _events(batch)
        for call in batch:
            yield _entry(call, prices[_first_valuation(call)], events[str(call.pk)])


def csv_response(calls: QuerySet[MarginCall]) -> StreamingHttpResponse:
    """The register as CSV in UTF-8, sent as it is read; no cell of it is taken for a formula."""
    return csv_files.response(f"margin-calls-{clock.today()}.csv", _lines(entries(calls)))


def _lines(rows: Iterable[dict[str, str]]) -> Iterator[str]:
    yield csv_files.BYTE_ORDER_MARK + csv_files.line(COLUMNS)
    for row in rows:
        yield csv_files.line(csv_files.harmless(row[column]) for column in COLUMNS)


def _entry(call: MarginCall, prices: str, events: list[Event]) -> dict[str, str]:
    client = call.facility.client
    versions = sorted(call.versions.all(), key=lambda version: version.number)
    issued = next((v for v in versions if v.cause == v.Cause.ISSUED), versions[0] if versions else call)
    basis = issued.valuation
    return {
        "reference": call.reference,
        "client": client.number,
        "client_name": client.name,
        "status": call.status,
        "is_immediate": "yes" if call.is_immediate else "no",
        "issued_at": _moment(call.issued_at),
        "first_due_at": _moment(issued.due_at),
        "due_at": _moment(call.due_at),
        "currency": str(call.amount.currency),
        "amount_first_called": plain(issued.amount.amount),
        "amount_called": plain(call.amount.amount),
        "versions": "; ".join(
            f"v{v.number} {v.cause} {plain(v.amount.amount)} due {_moment(v.due_at)}" for v in versions
        ),
        "utilisation": "no limit" if basis.utilisation is None else plain(basis.utilisation),
        "loan": plain(basis.loan),
        "market_value": plain(basis.market_value),
        "margin_value": plain(basis.margin_value),
        "credit_limit": plain(basis.credit_limit),
        "policy": f"{basis.policy_id} from {basis.policy.valid_from}",
        "valuation": str(basis.pk),
        "prices_used": prices,
        "notices": "; ".join(
            f"{n.kind} by {n.channel} to {n.recipient}: {n.status} {_moment(n.sent_at or n.created_at)}"
            for n in sorted(call.notices.all(), key=lambda notice: notice.pk)
        ),
        "acknowledged_at": _moment(call.acknowledged_at),
        "acknowledged_by": call.acknowledged_by,
        "acknowledged_through": call.acknowledged_channel,
        "brought_in": _brought_in(events),
        "decisions": "; ".join(
            _decision(d) for d in sorted(call.decisions.all(), key=lambda decision: decision.pk)
        ),
        "overdue_at": _moment(call.overdue_at),
        "forced_sales": "; ".join(
            f"plan {sale.plan_number}: {sale.status}"
            for sale in sorted(call.sales.all(), key=lambda sale: sale.plan_number)
        ),
        "not_sold_because": _not_sold_because(call, events),
        "closed_at": _moment(call.closed_at),
        "follow_up": "; ".join(
            f"{_moment(e.occurred_at)} {e.topic.removeprefix('margin.')} by {e.actor}"
            + (f" ({e.reason})" if e.reason else "")
            for e in events
        ),
    }


def _first_valuation(call: MarginCall) -> int:
    versions = sorted(call.versions.all(), key=lambda version: version.number)
    issued = [version for version in versions if version.cause == version.Cause.ISSUED]
    return (issued or versions)[0].valuation_id if versions else call.valuation_id


def _prices(calls: Sequence[MarginCall]) -> dict[int, str]:
    """Name each price, rate and haircut that a call was computed from."""
    lines = (
        ValuationLine.objects.filter(valuation__in={_first_valuation(call) for call in calls})
        .select_related("asset", "price", "fx_rate", "haircut")
        .order_by("pk")
    )
    said: defaultdict[int, list[str]] = defaultdict(list)
    for line in lines:
        parts = [f"{line.asset.code} x {plain(line.quantity.normalize())}"]
        if line.price is not None:
            price = line.price
            parts.append(
                f"at {price.currency} {plain(price.price.normalize())} ({price.source},"
                f" {_moment(price.observed_at)})"
            )
        if line.fx_rate is not None and line.fx_rate.base != line.fx_rate.quote:
            parts.append(f"{line.fx_rate.base}/{line.fx_rate.quote} {plain(line.fx_rate.bid.normalize())}")
        if line.haircut is not None:
            parts.append(f"haircut {plain(line.haircut.haircut.normalize())}")
        said[line.valuation_id].append(" ".join(parts))
    return defaultdict(str, {valuation: "; ".join(parts) for valuation, parts in said.items()})


def _events(calls: Sequence[MarginCall]) -> dict[str, list[Event]]:
    found = Event.objects.filter(
        subject_type=MarginCall._meta.label_lower, subject_id__in=[str(call.pk) for call in calls]
    ).order_by("pk")
    by_call: defaultdict[str, list[Event]] = defaultdict(list)
    for event in found:
        by_call[event.subject_id].append(event)
    return by_call


def _brought_in(events: Sequence[Event]) -> str:
    told = [event for event in events if event.topic == "margin.call.part_cured"]
    return "; ".join(
        f"{_moment(e.occurred_at)} cash {e.payload['cash']} collateral {e.payload['collateral']}"
        for e in told
    )


def _decision(decision: CallDecision) -> str:
    checker = decision.checker.get_username() if decision.checker else "nobody yet"
    return (
        f"{decision.kind} {decision.approval} by {checker}, proposed by {decision.maker.get_username()}, until"
        f" {_moment(decision.expires_at) or 'no end'}: {decision.reason_code}, {decision.reason}"
        f" [{decision.risk_assessment}]"
    )


def _not_sold_because(call: MarginCall, events: Sequence[Event]) -> str:
    """Why an overdue call has no sale: closed without, a deviation, or what could not be sold; else the gap."""
    if any(sale.status not in ("superseded", "rejected") for sale in call.sales.all()):
        return ""
    if call.overdue_at is None:
        return NOT_DUE
    deviations = [d for d in call.decisions.all() if d.kind == d.Kind.DEVIATION and d.approval == "approved"]
    if deviations:
        return f"deviation: {deviations[-1].reason}"
    blocked = [event for event in events if event.topic == "margin.sale.blocked"]
    if blocked:
        excluded = blocked[-1].payload["excluded"]
        return "blocked: " + ", ".join(f"{asset} {why}" for asset, why in sorted(excluded.items()))
    if not call.is_open:
        return f"closed as {call.status}"
    return UNDOCUMENTED


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(HONG_KONG).isoformat(timespec="seconds")
