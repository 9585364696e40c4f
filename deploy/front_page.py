"""The first page of the back office: what is out, what is due, what is being sold, and whether to believe it.

Every figure is a link to the rows it counts. It reads stored valuations, so it costs the same few queries at
any hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db.models import DecimalField, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from collateral.models import Instrument, Price
from collateral.prices import PriceState
from ledger.core import clock
from ledger.core.calendars import OutsideCalendar
from ledger.core.charts import Chart, Series
from ledger.core.decimals import CONTEXT, ZERO, round_half_up
from ledger.core.models import Event
from margin.admin.call import deadline_badge
from margin.admin.panel import Column, Table, Tile
from margin.admin.scope import broker_of
from margin.admin.show import call_badge, link, list_of, moment, money, page_of, percent, sale_badge
from margin.exposure import AT_WORK, Band, Exposure, LoanDay, StalePrice, exposure, stale_prices
from margin.models import Broker, Client, Fill, ForcedSale, MarginCall, Valuation, ValuationRun

ROWS: Final = 8
CODES_NAMED: Final = 6
GREEN, AMBER, RED = "oklch(72.3% 0.15 163)", "oklch(76.9% 0.16 70)", "oklch(63.7% 0.21 25)"
BAND_COLOURS: Final = {"85-100": AMBER, "100-130": RED, "over-130": "oklch(50.5% 0.19 27)"}


@dataclass(frozen=True, slots=True)
class SaleProgress:
    """A sale in flight: how much of what was expected it has brought, as a whole percentage."""

    sale: ForcedSale
    page: str
    badge: SafeString
    expected: str
    sold: str
    done_percent: int
    awaits_me: bool


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the front page's figures, confined to the broker of the person who looks."""
    if not request.user.has_perm("margin.view_valuation"):
        return context | {"title": _("Today"), "is_confidential": True}
    broker = broker_of(request.user)
    if not Broker.objects.exists():
        return context | {"title": _("Today"), "is_empty": True}
    today = exposure(broker=broker)
    sales = _sales(request, broker)
    return context | {
        "title": _("Today"),
        "as_of": moment(clock.now()),
        "tiles": [*_money_tiles(today), *_work_tiles(today)],
        "band_chart": _band_chart(today.utilisation_bands),
        "history_chart": _history_chart(today.loan_history),
        "calls": _calls(broker),
        "sales": sales,
        "sales_list": list_of(ForcedSale, work="open"),
        "awaiting_me": sum(1 for sale in sales if sale.awaits_me),
        "checks": [*_prices(broker), *_run(broker), _audit()],
        "has_clients": today.client_count > 0,
    }


def stylesheet(request: HttpRequest) -> str:
    return static("lombard/house.css")


def favicon(request: HttpRequest) -> str:
    return static("lombard/favicon.svg")


def _money_tiles(today: Exposure) -> list[Tile]:
    behind = list_of(Valuation, which="latest")
    is_over = today.utilisation is None or today.utilisation > 1
    return [
        Tile(
            _("Loans"),
            money(today.loan_total, "HKD"),
            behind,
            _("%(count)s borrowers") % {"count": today.borrower_count},
        ),
        Tile(
            _("Margin value"),
            money(today.margin_value, "HKD"),
            behind,
            _("of %(value)s at market") % {"value": money(today.market_value)},
        ),
        Tile(
            _("Utilisation of the firm"),
            percent(today.utilisation),
            behind,
            _("Loans over what could be lent"),
            "danger" if is_over else "",
        ),
        Tile(
            _("Margin deficiency"),
            money(today.deficiency, "HKD"),
            list_of(Valuation, which="latest", deficiency__gt=0),
            _("Missing over all accounts"),
            "danger" if today.deficiency else "success",
        ),
    ]


def _work_tiles(today: Exposure) -> list[Tile]:
    return [
        Tile(_("Clients"), today.client_count, list_of(Client)),
        Tile(
            _("Open calls"),
            today.call_count,
            list_of(MarginCall, deadline="open"),
            tone="warning" if today.call_count else "success",
        ),
        Tile(
            _("Overdue calls"),
            today.overdue_count,
            list_of(MarginCall, deadline="overdue"),
            tone="danger" if today.overdue_count else "success",
        ),
        Tile(
            _("Sales in flight"),
            today.sales_in_flight,
            list_of(ForcedSale, work="open"),
            tone="warning" if today.sales_in_flight else "success",
        ),
    ]


def _band_chart(bands: Sequence[Band]) -> Chart:
    colours = [BAND_COLOURS.get(band.key, "var(--color-primary-600)") for band in bands]
    return Chart(
        _("Accounts by utilisation"),
        "bar",
        [band.label for band in bands],
        [Series(_("accounts"), [band.count for band in bands], colours)],
        links=[
            (f"{band.label}: {band.count}", list_of(Valuation, which="latest", band=band.key))
            for band in bands
        ],
    )


def _history_chart(days: Sequence[LoanDay]) -> Chart:
    return Chart(
        _("Loans against margin value"),
        "line",
        [day.on.isoformat() for day in days],
        [
            Series(_("loans"), [day.loan for day in days], "var(--color-primary-600)"),
            Series(_("margin value"), [day.margin_value for day in days], GREEN),
        ],
        unit="HKD",
    )


def _calls(broker: Broker | None) -> Table:
    calls = MarginCall.objects.filter(status__in=MarginCall.OPEN).select_related("facility__client")
    if broker is not None:
        calls = calls.filter(facility__client__broker=broker)
    rows = [
        [
            link(call),
            link(call.facility.client, call.facility.client.name),
            call_badge(call),
            money(call.amount),
            moment(call.due_at),
            deadline_badge(call),
        ]
        for call in calls.order_by("due_at", "pk")[:ROWS]
    ]
    return Table(
        _("Open calls by deadline"),
        (
            Column(_("Call")),
            Column(_("Client")),
            Column(_("Status")),
            Column(_("Amount called"), is_number=True),
            Column(_("Due at")),
            Column(_("Time left")),
        ),
        rows,
        empty=_("No call is open: every account stands within its margin value."),
        more=list_of(MarginCall, deadline="open") if rows else "",
    )


def _sales(request: HttpRequest, broker: Broker | None) -> list[SaleProgress]:
    """The oldest sales in flight, those that wait for this person first."""
    brought = (
        Fill.objects.filter(order__leg__sale=OuterRef("pk"))
        .values("order__leg__sale")
        .annotate(total=Sum("gross"))
        .values("total")
    )
    sales = ForcedSale.objects.filter(status__in=AT_WORK)
    if broker is not None:
        sales = sales.filter(call__facility__client__broker=broker)
    sales = sales.annotate(
        brought=Coalesce(Subquery(brought, output_field=DecimalField()), ZERO, output_field=DecimalField())
    ).select_related("call__facility__client")
    may_release = request.user.has_perm("margin.change_forcedsale")
    rows = [
        _progress(sale, may_release and sale.maker_id != request.user.pk)
        for sale in sales.order_by("planned_at", "pk")[: ROWS * 2]
    ]
    return sorted(rows, key=lambda row: not row.awaits_me)[:ROWS]


def _progress(sale: Any, may_release: bool) -> SaleProgress:
    expected: Decimal = sale.expected_gross.amount
    share = CONTEXT.divide(sale.brought, expected) if expected else ZERO
    return SaleProgress(
        sale=sale,
        page=page_of(sale),
        badge=sale_badge(sale),
        expected=money(sale.expected_gross),
        sold=money(sale.brought),
        done_percent=100
        if sale.status == ForcedSale.Status.FILLED
        else min(int(round_half_up(share * 100, 0)), 100),
        awaits_me=may_release and sale.status == ForcedSale.Status.SUBMITTED,
    )


def _prices(broker: Broker | None) -> list[Tile]:
    try:
        stale = stale_prices(broker=broker)
    except OutsideCalendar:
        return [Tile(_("Stale prices"), "?", hint=_("No calendar was loaded for today."), tone="danger")]
    if not stale:
        return [
            Tile(
                _("Stale prices"), 0, list_of(Price), _("Every price of pledged assets is fresh."), "success"
            )
        ]
    is_hard = any(price.state is not PriceState.SOFT for price in stale)
    return [
        Tile(
            _("Stale prices"),
            len(stale),
            _page_of_stale(stale),
            _codes(stale),
            "danger" if is_hard else "warning",
        )
    ]


def _page_of_stale(stale: Sequence[StalePrice]) -> str:
    return list_of(Instrument, pk__in=",".join(str(price.instrument_id) for price in stale))


def _codes(stale: Sequence[StalePrice]) -> str:
    codes = ", ".join(price.code for price in stale[:CODES_NAMED])
    return codes if len(stale) <= CODES_NAMED else f"{codes} …"


def _run(broker: Broker | None) -> list[Tile]:
    runs = ValuationRun.objects.order_by("-valued_at")
    run = (runs.filter(broker=broker) if broker else runs).first()
    if run is None:
        return [Tile(_("Latest valuation run"), _("None yet"), hint=_("The worker runs it by its schedule."))]
    accounts = _("%(count)s accounts") % {"count": run.account_count}
    is_done = run.status == ValuationRun.Status.COMPLETE
    return [
        Tile(
            _("Latest valuation run"),
            moment(run.valued_at),
            page_of(run),
            f"{accounts} · {run.get_status_display()}",
            "" if is_done else "warning",
        )
    ]


def _audit() -> Tile:
    last = Event.objects.filter(topic="ledger.audit.completed").order_by("-pk").first()
    if last is None:
        return Tile(
            _("Latest audit of the books"), _("None yet"), hint=_("The scheduler runs it every night.")
        )
    findings = last.payload["findings"]
    done = _("%(checks)s checks at %(time)s") % {
        "checks": last.payload["checks"],
        "time": moment(last.occurred_at),
    }
    result = _("%(count)s findings") % {"count": findings} if findings else _("No findings")
    return Tile(
        _("Latest audit of the books"), result, page_of(last), done, "danger" if findings else "success"
    )
