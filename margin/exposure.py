"""What the firm has out, against what, and how close its clients stand to the edge.

Every figure comes from the latest stored valuation of each open facility, in a handful of set-based queries
whatever the number of clients; nothing is revalued here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum, Window
from django.db.models.functions import Least, RowNumber, TruncDate

from collateral.models import Instrument
from collateral.prices import PriceState, latest_prices
from ledger.core import clock
from ledger.core.clock import HONG_KONG
from ledger.core.decimals import CONTEXT, ZERO

from .models import Broker, Client, Facility, ForcedSale, MarginCall, Valuation, ValuationLine, ValuationRun

HISTORY_DAYS: Final = 90
AT_WORK: Final = (*ForcedSale.LIVE, ForcedSale.Status.FILLED)


class BandRule(NamedTuple):
    """Utilisation above `above` up to and including `up_to`; a bound of None is open."""

    key: str
    label: str
    above: Decimal | None
    up_to: Decimal | None


# 100% belongs to the band below it: a call needs utilisation strictly above.
BANDS: Final = (
    BandRule("to-50", "≤ 50%", None, Decimal("0.5")),
    BandRule("50-70", "50–70%", Decimal("0.5"), Decimal("0.7")),
    BandRule("70-85", "70–85%", Decimal("0.7"), Decimal("0.85")),
    BandRule("85-100", "85–100%", Decimal("0.85"), Decimal(1)),
    BandRule("100-130", "100–130%", Decimal(1), Decimal("1.3")),
    BandRule("over-130", "> 130%", Decimal("1.3"), None),
)


@dataclass(frozen=True, slots=True)
class Band:
    """How many borrowing accounts stand in one band of utilisation; `key` names its rule."""

    label: str
    count: int
    key: str


class LoanDay(NamedTuple):
    """All loans and all margin value at the last complete run of a day, to the cent."""

    on: date
    loan: Decimal
    margin_value: Decimal


@dataclass(frozen=True, slots=True)
class Exposure:
    """The firm's lending at a glance; amounts to the cent in the facilities' currency.

    `lendable` is the sum over accounts of the lesser of margin value and credit limit. Bands count accounts
    that owe something.
    """

    loan_total: Decimal
    market_value: Decimal
    margin_value: Decimal
    lendable: Decimal
    deficiency: Decimal
    client_count: int
    borrower_count: int
    call_count: int
    overdue_count: int
    sales_in_flight: int
    utilisation_bands: list[Band]
    loan_history: list[LoanDay]

    @property
    def utilisation(self) -> Decimal | None:
        """Loans over what could be lent; None when something is lent against nothing."""
        if not self.loan_total:
            return ZERO
        return CONTEXT.divide(self.loan_total, self.lendable) if self.lendable else None


@dataclass(frozen=True, slots=True)
class StalePrice:
    """A price of something pledged that is too old to lend on (soft) or to sell on (hard, missing)."""

    instrument_id: int
    code: str
    state: PriceState
    observed_at: datetime | None


def latest_valuations(broker: Broker | None) -> QuerySet[Valuation]:
    """Return the newest valuation of each open facility, found by index one facility at a time."""
    newest = Valuation.objects.filter(facility=OuterRef("pk")).order_by("-valued_at", "-pk")
    facilities = Facility.objects.filter(closed_on__isnull=True)
    if broker is not None:
        facilities = facilities.filter(client__broker=broker)
    return Valuation.objects.filter(
        pk__in=facilities.annotate(latest=Subquery(newest.values("pk")[:1])).values("latest")
    )


def within_band(key: str) -> Q:
    """Return the condition of the band named `key`; no limit at all is the last."""
    rule = next(rule for rule in BANDS if rule.key == key)
    condition = Q(loan__gt=0)
    if rule.above is not None:
        condition &= Q(utilisation__gt=rule.above)
    if rule.up_to is not None:
        return condition & Q(utilisation__lte=rule.up_to)
    return condition | Q(loan__gt=0, utilisation__isnull=True)


def exposure(*, broker: Broker | None) -> Exposure:
    """Return the exposure of one firm, or of all of them."""
    of_broker = {} if broker is None else {"facility__client__broker": broker}
    totals = latest_valuations(broker).aggregate(
        sum_loan=Sum("loan"),
        sum_market_value=Sum("market_value"),
        sum_margin_value=Sum("margin_value"),
        sum_lendable=Sum(Least("margin_value", "credit_limit")),
        sum_deficiency=Sum("deficiency"),
        borrowers=Count("pk", filter=Q(loan__gt=0)),
        **{rule.key: Count("pk", filter=within_band(rule.key)) for rule in BANDS},
    )
    calls = MarginCall.objects.filter(status__in=MarginCall.OPEN, **of_broker).aggregate(
        open=Count("pk"), overdue=Count("pk", filter=Q(status__in=MarginCall.LATE))
    )
    sales = ForcedSale.objects.filter(status__in=AT_WORK)
    clients = Client.objects.all()
    if broker is not None:
        sales = sales.filter(call__facility__client__broker=broker)
        clients = clients.filter(broker=broker)
    return Exposure(
        loan_total=totals["sum_loan"] or ZERO,
        market_value=totals["sum_market_value"] or ZERO,
        margin_value=totals["sum_margin_value"] or ZERO,
        lendable=totals["sum_lendable"] or ZERO,
        deficiency=totals["sum_deficiency"] or ZERO,
        client_count=clients.count(),
        borrower_count=totals["borrowers"],
        call_count=calls["open"],
        overdue_count=calls["overdue"],
        sales_in_flight=sales.count(),
        utilisation_bands=[Band(rule.label, totals[rule.key], rule.key) for rule in BANDS],
        loan_history=list(_loan_history(broker)),
    )


def stale_prices(*, broker: Broker | None) -> list[StalePrice]:
    """Return what is pledged at present and has no fresh price, the worst first."""
    pledged = ValuationLine.objects.filter(
        valuation__in=latest_valuations(broker), quantity__gt=0, asset__instrument__isnull=False
    )
    held = Instrument.objects.filter(pk__in=pledged.values("asset")).select_related("asset")
    instruments = {instrument.code: instrument for instrument in held}
    quotes = latest_prices(list(instruments.values()), at=clock.now())
    stale = [
        StalePrice(instruments[code].pk, code, quote.state, quote.observed_at)
        for code, quote in quotes.items()
        if quote.state is not PriceState.FRESH
    ]
    return sorted(stale, key=lambda price: (price.state is PriceState.SOFT, price.code))


def _loan_history(broker: Broker | None) -> Iterable[LoanDay]:
    """The last complete run of each day and firm, summed over firms."""
    runs = ValuationRun.objects.filter(
        status=ValuationRun.Status.COMPLETE, valued_at__gte=clock.now() - timedelta(days=HISTORY_DAYS)
    )
    if broker is not None:
        runs = runs.filter(broker=broker)
    day = TruncDate("valued_at", tzinfo=HONG_KONG)
    place = Window(RowNumber(), partition_by=[F("broker"), day], order_by="-valued_at")
    last_of_day = runs.annotate(place=place).filter(place=1)
    days = (
        Valuation.objects.filter(run__in=last_of_day.values("pk"))
        .annotate(on=day)
        .values("on")
        .annotate(total_loan=Sum("loan"), total_margin_value=Sum("margin_value"))
        .order_by("on")
    )
    return (LoanDay(row["on"], row["total_loan"], row["total_margin_value"]) for row in days)
