"""What the summer came to, counted from the books."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from ledger import audit
from ledger.core.decimals import ZERO
from margin.models import Broker, Facility, Fill, ForcedSale, MarginCall, Valuation


@dataclass(frozen=True, slots=True)
class Summary:
    accounts: int
    valuations: int
    margin_calls_issued: int
    margin_calls_met: int
    margin_calls_overdue: int
    forced_sales_settled: int
    forced_sales_waiting: int
    proceeds: Decimal
    fees: Decimal
    shortfalls: int
    audit_findings: int


def summarise(broker: Broker) -> Summary:
    """Count a broker's accounts, valuations, calls and sales, and audit all books."""
    calls = MarginCall.objects.filter(facility__client__broker=broker)
    sales = ForcedSale.objects.filter(call__facility__client__broker=broker)
    fills = Fill.objects.filter(order__leg__sale__in=sales)
    money = fills.aggregate(gross=Sum("gross"), fees=Sum("fees_total"))
    return Summary(
        accounts=Facility.objects.filter(client__broker=broker).count(),
        valuations=Valuation.objects.filter(facility__client__broker=broker, run__isnull=False).count(),
        margin_calls_issued=calls.count(),
        margin_calls_met=calls.filter(status=MarginCall.Status.MET).count(),
        margin_calls_overdue=calls.filter(overdue_at__isnull=False).count(),
        forced_sales_settled=sales.filter(status=ForcedSale.Status.CLOSED, legs__orders__fills__isnull=False)
        .distinct()
        .count(),
        forced_sales_waiting=sales.filter(status__in=[*ForcedSale.LIVE, ForcedSale.Status.FILLED]).count(),
        proceeds=money["gross"] or ZERO,
        fees=money["fees"] or ZERO,
        shortfalls=calls.filter(status=MarginCall.Status.SHORTFALL).count(),
        audit_findings=len(audit.run().findings),
    )
