"""Orders and trades of forced sales."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.core.admin import ReadOnlyAdmin
from margin.models import Fill, SaleOrder, VenueOrder

from .panel import Column, Panel, PanelAdmin, Table, Tile
from .scope import BrokerScope
from .show import ORDER_COLOURS, badge, link, moment, money, page_of, quantity
from .timeline import timeline
from .words import FEES, ORDER_REASONS, word


@admin.register(SaleOrder)
class SaleOrderAdmin(BrokerScope, ReadOnlyAdmin):
    broker_path = "leg__sale__call__facility__client__broker"
    list_display = ("client_order_id", "asset", "state", "order_quantity", "filled", "limit", "created_at")
    list_filter = ("status",)
    list_select_related = ("leg__asset",)
    search_fields = ("client_order_id", "leg__asset__code")
    ordering = ("-pk",)
    fieldsets = (
        (
            _("Record"),
            {
                "fields": (
                    ("client_order_id", "sale_link"),
                    ("asset", "status"),
                    ("order_quantity", "filled"),
                    ("limit", "slice_number"),
                    ("venue_reference", "why_ended"),
                    ("as_sent",),
                    ("created_at", "cancel_asked_at", "final_at"),
                )
            },
        ),
    )
    readonly_fields = ("asset", "sale_link", "order_quantity", "filled", "limit", "why_ended", "as_sent")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("leg__asset", "leg__sale__call__facility__client")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "leg__sale__id__exact" or super().lookup_allowed(lookup, value, request)

    @display(description=_("asset"), ordering="leg__asset__code")
    def asset(self, order: SaleOrder) -> str:
        return order.leg.asset.code

    @display(description=_("forced sale"))
    def sale_link(self, order: SaleOrder) -> SafeString:
        return link(order.leg.sale)

    @display(description=_("status"), ordering="status")
    def state(self, order: SaleOrder) -> SafeString:
        return badge(order.get_status_display(), ORDER_COLOURS.get(order.status))

    @display(description=_("quantity"), ordering="quantity")
    def order_quantity(self, order: SaleOrder) -> str:
        return quantity(order.quantity)

    @display(description=_("filled quantity"), ordering="filled_quantity")
    def filled(self, order: SaleOrder) -> str:
        return quantity(order.filled_quantity)

    @display(description=_("reason of the venue"))
    def why_ended(self, order: SaleOrder) -> object:
        return word(ORDER_REASONS, order.reason) or "–"

    @display(description=_("limit price"), ordering="limit_price")
    def limit(self, order: SaleOrder) -> str:
        return quantity(order.limit_price)

    @display(description=_("as it was sent"))
    def as_sent(self, order: SaleOrder) -> str:
        """What a trading venue was sent, at its own step and tick, and under which id it is found there."""
        sent = VenueOrder.objects.filter(client_order_id=order.client_order_id).first()
        if sent is None:
            return "–"
        terms = f"{sent.symbol} {quantity(sent.quantity)} × {quantity(sent.limit_price)}"
        return f"{terms} · {sent.venue_order_id} · {moment(sent.sent_at)}"


@admin.register(Fill)
class FillAdmin(PanelAdmin, ReadOnlyAdmin):
    broker_path = "order__leg__sale__call__facility__client__broker"
    list_display = (
        "execution_id",
        "asset",
        "filled_quantity",
        "fill_price",
        "gross_amount",
        "net_amount",
        "traded_at",
        "is_settled",
    )
    list_filter = ("venue", ("settled_at", admin.EmptyFieldListFilter))
    list_select_related = ("order__leg__asset",)
    search_fields = ("execution_id", "order__client_order_id")
    ordering = ("-pk",)
    fieldsets = (
        (
            _("Record"),
            {
                "fields": (
                    ("venue", "execution_id"),
                    ("order", "fx_rate"),
                    ("traded_at", "settles_on", "settled_at"),
                    ("trade_journal", "settlement_journal"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .select_related(
                "order__leg__asset__instrument",
                "order__leg__sale__call__facility__client",
                "fx_rate",
                "trade_journal",
                "settlement_journal",
            )
        )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "order__leg__sale__id__exact" or super().lookup_allowed(lookup, value, request)

    @display(description=_("asset"), ordering="order__leg__asset__code")
    def asset(self, fill: Fill) -> str:
        return fill.order.leg.asset.code

    @display(description=_("quantity"), ordering="quantity")
    def filled_quantity(self, fill: Fill) -> str:
        return quantity(fill.quantity)

    @display(description=_("price"), ordering="price")
    def fill_price(self, fill: Fill) -> str:
        return quantity(fill.price)

    @display(description=_("gross"), ordering="gross")
    def gross_amount(self, fill: Fill) -> str:
        return money(fill.gross)

    @display(description=_("net"), ordering="net")
    def net_amount(self, fill: Fill) -> str:
        return money(fill.net)

    @display(description=_("is settled"), boolean=True, ordering="settled_at")
    def is_settled(self, fill: Fill) -> bool:
        return fill.settled_at is not None

    def panel(self, request: HttpRequest, row: Fill) -> Panel:
        leg, sale = row.order.leg, row.order.leg.sale
        rate = quantity(row.fx_rate.bid) if row.fx_rate else "1"
        settled = moment(row.settled_at) if row.settled_at else _("due on %(day)s") % {"day": row.settles_on}
        return Panel(
            tiles=(
                Tile(_("Sold"), f"{quantity(row.quantity)} {leg.asset.code}", page_of(leg.asset.instrument)),
                Tile(_("Price"), f"{leg.currency} {quantity(row.price)}"),
                Tile(_("Exchange rate"), rate, page_of(row.fx_rate) if row.fx_rate else ""),
                Tile(_("Forced sale"), sale.reference, page_of(sale)),
                Tile(_("Gross"), money(row.gross)),
                Tile(_("Fees"), money(row.fees_total)),
                Tile(
                    _("Net"), money(row.net), page_of(row.trade_journal), _("See the journal that booked it")
                ),
                Tile(
                    _("Settlement"),
                    settled,
                    page_of(row.settlement_journal) if row.settlement_journal else "",
                    _("See the journal that booked it") if row.settlement_journal else "",
                ),
            ),
            tables=(_fees(row),),
            timeline=timeline(row),
        )


def _fees(fill: Fill) -> Table:
    rows = [
        [word(FEES, name), money(Decimal(amount))] for name, amount in fill.fees.items() if Decimal(amount)
    ]
    return Table(_("Fees"), (Column(_("Fee")), Column(_("Amount"), is_number=True)), rows)
