"""Forced sales: the plan and its reasons, who released it, and what selling really brought."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.core.admin import ReadOnlyAdmin
from ledger.core.decimals import ZERO
from margin.exposure import AT_WORK
from margin.models import Fill, ForcedSale, SaleLeg, SaleOrder

from .panel import Column, Panel, Table, Tile
from .release import ReleaseButtons
from .show import ORDER_COLOURS, badge, link, list_of, moment, money, page_of, percent, quantity, sale_badge
from .timeline import timeline
from .words import EXCLUSIONS, LEG_REASONS, OUTCOMES, word


class WorkFilter(admin.SimpleListFilter):
    title = _("work")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("In flight")), ("release", _("Awaiting release"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ForcedSale]) -> QuerySet[ForcedSale]:
        match self.value():
            case "open":
                return queryset.filter(status__in=AT_WORK)
            case "release":
                return queryset.filter(status=ForcedSale.Status.SUBMITTED)
            case _any:
                return queryset


@admin.register(ForcedSale)
class ForcedSaleAdmin(ReleaseButtons, ReadOnlyAdmin):
    broker_path = "call__facility__client__broker"
    list_display = ("reference_link", "client", "state", "gross", "planned_at", "maker", "checker")
    list_display_links = ("reference_link",)
    list_filter = (WorkFilter, "status")
    list_select_related = ("call__facility__client", "maker", "checker")
    search_fields = ("call__facility__client__number", "call__facility__client__name", "plan_hash")
    ordering = ("-planned_at",)
    fieldsets = (
        (
            _("Record"),
            {
                "fields": (
                    ("call", "valuation"),
                    ("maker", "checker"),
                    ("approval_rule", "approved_at"),
                    ("planned_at", "closed_at"),
                    "hash_shown",
                )
            },
        ),
    )

    readonly_fields = ("hash_shown",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .select_related("call__facility__client", "valuation__facility__client", "maker", "checker")
        )

    @display(description=_("reference"), ordering="pk")
    def reference_link(self, sale: ForcedSale) -> str:
        return sale.reference

    @display(description=_("client"), ordering="call__facility__client__number")
    def client(self, sale: ForcedSale) -> str:
        return str(sale.call.facility.client)

    @display(description=_("status"), ordering="status")
    def state(self, sale: ForcedSale) -> SafeString:
        return sale_badge(sale)

    @display(description=_("plan hash"))
    def hash_shown(self, sale: ForcedSale) -> SafeString:
        return format_html('<span class="house-hash">{}</span>', sale.plan_hash)

    @display(description=_("expected gross"), ordering="expected_gross")
    def gross(self, sale: ForcedSale) -> str:
        return money(sale.expected_gross)

    def panel(self, request: HttpRequest, row: ForcedSale) -> Panel:
        legs = list(row.legs.select_related("asset__instrument").order_by("position"))
        orders = list(SaleOrder.objects.filter(leg__sale=row).order_by("pk"))
        fills = list(
            Fill.objects.filter(order__leg__sale=row)
            .select_related("order", "trade_journal", "settlement_journal")
            .order_by("pk")
        )
        leg_of = {leg.pk: leg for leg in legs}
        for order in orders:
            order.leg = leg_of[order.leg_id]
        return Panel(
            tiles=_tiles(row, fills),
            tables=(
                _legs(row, legs, orders, fills),
                *_excluded(row),
                *_orders(row, orders),
                *_fills(row, orders, fills),
            ),
            timeline=timeline(row, row.call, *orders, *fills),
        )


def _tiles(sale: ForcedSale, fills: Sequence[Fill]) -> tuple[Tile, ...]:
    plan, currency = sale.plan, sale.expected_gross.currency
    valuation = page_of(sale.valuation)
    after = plan.get("utilisation_after")
    gross = sum((fill.gross.amount for fill in fills), ZERO)
    fees = sum((fill.fees_total.amount for fill in fills), ZERO)
    proof = _("Proved least-cost") if sale.is_optimality_proved else _("Not proved least-cost")
    return (
        Tile(_("Status"), sale_badge(sale), hint=word(OUTCOMES, plan.get("outcome", ""))),
        Tile(_("Margin call"), sale.call.reference, page_of(sale.call), money(sale.call.amount)),
        Tile(_("Expected gross"), money(sale.expected_gross), hint=proof),
        Tile(_("Sold so far"), money(gross, str(currency)), hint=_("Fees %(fees)s") % {"fees": money(fees)}),
        Tile(_("Loan before"), _amount(plan.get("loan_before")), valuation, _("See the valuation behind it")),
        Tile(_("Loan after, as planned"), _amount(plan.get("loan_after"))),
        Tile(
            _("Shortage before"),
            quantity(Decimal(plan["shortage_before"])) if "shortage_before" in plan else "–",
            hint=_("Loan less target × effective limit"),
        ),
        Tile(
            _("Utilisation after, as planned"),
            percent(Decimal(after)) if after else "–",
            hint=_("Target %(target)s") % {"target": percent(sale.target_utilisation)},
        ),
    )


def _legs(
    sale: ForcedSale, legs: Sequence[SaleLeg], orders: Sequence[SaleOrder], fills: Sequence[Fill]
) -> Table:
    """Expected against actual, asset by asset."""
    leg_of_order = {order.pk: order.leg_id for order in orders}
    rows = []
    for leg in legs:
        done = [fill for fill in fills if leg_of_order[fill.order_id] == leg.pk]
        rows.append(
            [
                link(leg.asset.instrument, leg.asset.code),
                quantity(leg.quantity),
                quantity(sum((fill.quantity for fill in done), ZERO)),
                f"{leg.currency} {quantity(leg.reference_price)}",
                money(leg.expected_gross.amount),
                money(sum((fill.gross.amount for fill in done), ZERO)),
                money(leg.expected_fees.amount),
                money(sum((fill.fees_total.amount for fill in done), ZERO)),
                word(LEG_REASONS, leg.why),
            ]
        )
    return Table(
        _("What is sold, expected against actual"),
        (
            Column(_("Asset")),
            Column(_("Sell at most"), is_number=True),
            Column(_("Sold"), is_number=True),
            Column(_("Reference price"), is_number=True),
            Column(_("Expected gross"), is_number=True),
            Column(_("Gross"), is_number=True),
            Column(_("Expected fees"), is_number=True),
            Column(_("Fees"), is_number=True),
            Column(_("Why")),
        ),
        rows,
    )


def _excluded(sale: ForcedSale) -> list[Table]:
    excluded = sale.plan.get("excluded", [])
    if not excluded:
        return []
    rows = [[entry["asset"], word(EXCLUSIONS, entry["reason"])] for entry in excluded]
    return [Table(_("What is not sold"), (Column(_("Asset")), Column(_("Why"))), rows)]


def _orders(sale: ForcedSale, orders: Sequence[SaleOrder]) -> list[Table]:
    if not orders:
        return []
    columns = (
        Column(_("Order")),
        Column(_("Asset")),
        Column(_("Status")),
        Column(_("Quantity"), is_number=True),
        Column(_("Filled"), is_number=True),
        Column(_("Limit price"), is_number=True),
        Column(_("Created at")),
    )
    rows = [
        [
            link(order),
            order.leg.asset.code,
            badge(order.get_status_display(), ORDER_COLOURS.get(order.status)),
            quantity(order.quantity),
            quantity(order.filled_quantity),
            quantity(order.limit_price),
            moment(order.created_at),
        ]
        for order in orders
    ]
    return [Table(_("Orders"), columns, rows, more=list_of(SaleOrder, leg__sale__id__exact=sale.pk))]


def _fills(sale: ForcedSale, orders: Sequence[SaleOrder], fills: Sequence[Fill]) -> list[Table]:
    if not fills:
        return []
    leg_of = {order.pk: order.leg for order in orders}
    columns = (
        Column(_("Trade")),
        Column(_("Asset")),
        Column(_("Quantity"), is_number=True),
        Column(_("Price"), is_number=True),
        Column(_("Gross"), is_number=True),
        Column(_("Fees"), is_number=True),
        Column(_("Net"), is_number=True),
        Column(_("Traded at")),
        Column(_("Trade journal")),
        Column(_("Settlement")),
    )
    rows = [
        [
            link(fill, fill.execution_id),
            leg_of[fill.order_id].asset.code,
            quantity(fill.quantity),
            f"{leg_of[fill.order_id].currency} {quantity(fill.price)}",
            money(fill.gross.amount),
            money(fill.fees_total.amount),
            money(fill.net.amount),
            moment(fill.traded_at),
            link(fill.trade_journal, _("journal")),
            link(fill.settlement_journal, _("journal"))
            if fill.settlement_journal
            else _("due on %(day)s") % {"day": fill.settles_on},
        ]
        for fill in fills
    ]
    return [Table(_("Trades"), columns, rows, more=list_of(Fill, order__leg__sale__id__exact=sale.pk))]


def _amount(text: str | None) -> str:
    return money(Decimal(text)) if text is not None else "–"
