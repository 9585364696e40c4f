"""Margin calls: what is demanded of whom, until when, and what came of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.core import clock
from ledger.core.admin import ReadOnlyAdmin
from ledger.core.errors import Refusal
from margin.calls import cures
from margin.models import ForcedSale, MarginCall

from .panel import Column, Panel, PanelAdmin, Table, Tile
from .show import badge, call_badge, link, list_of, moment, money, page_of, percent, sale_badge, time_left
from .timeline import timeline


class DeadlineFilter(admin.SimpleListFilter):
    title = _("deadline")
    parameter_name = "deadline"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Open")), ("waiting", _("Open, not yet due")), ("overdue", _("Overdue"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MarginCall]) -> QuerySet[MarginCall]:
        match self.value():
            case "open":
                return queryset.filter(status__in=MarginCall.OPEN)
            case "waiting":
                return queryset.filter(status=MarginCall.Status.ISSUED)
            case "overdue":
                return queryset.filter(status__in=MarginCall.OPEN).exclude(status=MarginCall.Status.ISSUED)
            case _any:
                return queryset


def deadline_badge(call: MarginCall) -> SafeString:
    """How long an open call still has, red once it is late."""
    if not call.is_open:
        return badge(moment(call.closed_at))
    is_late = call.status != MarginCall.Status.ISSUED or call.due_at <= clock.now()
    return badge(time_left(call.due_at, clock.now()), "danger" if is_late else "warning")


@admin.register(MarginCall)
class MarginCallAdmin(PanelAdmin, ReadOnlyAdmin):
    broker_path = "facility__client__broker"
    list_display = ("reference_link", "client", "state", "amount_called", "due_at", "countdown")
    list_display_links = ("reference_link",)
    list_filter = (DeadlineFilter, "status", "is_immediate")
    list_select_related = ("facility__client",)
    search_fields = ("facility__client__number", "facility__client__name")
    ordering = ("-issued_at",)
    fieldsets = (
        (
            _("Record"),
            {
                "fields": (
                    ("facility", "number"),
                    ("issued_at", "due_at"),
                    ("overdue_at", "closed_at"),
                    ("valuation", "closing_valuation"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .select_related(
                "facility__client", "valuation__facility__client", "closing_valuation__facility__client"
            )
        )

    @display(description=_("reference"), ordering="pk")
    def reference_link(self, call: MarginCall) -> str:
        return call.reference

    @display(description=_("client"), ordering="facility__client__number")
    def client(self, call: MarginCall) -> str:
        return str(call.facility.client)

    @display(description=_("status"), ordering="status")
    def state(self, call: MarginCall) -> SafeString:
        return call_badge(call)

    @display(description=_("amount called"), ordering="amount")
    def amount_called(self, call: MarginCall) -> str:
        return money(call.amount)

    @display(description=_("time left"))
    def countdown(self, call: MarginCall) -> SafeString:
        return deadline_badge(call)

    def panel(self, request: HttpRequest, row: MarginCall) -> Panel:
        valuation = row.valuation
        sales = list(row.sales.select_related("call__facility__client").order_by("plan_number"))
        return Panel(
            tiles=(
                Tile(_("Status"), call_badge(row), hint=deadline_badge(row)),
                Tile(
                    _("Amount called"),
                    money(row.amount),
                    page_of(valuation),
                    _("Margin deficiency at the call"),
                ),
                Tile(_("Due at"), moment(row.due_at), hint=_("By the calendar of statutory business days")),
                Tile(
                    _("Utilisation at the call"),
                    percent(valuation.utilisation),
                    page_of(valuation),
                    _("See the valuation behind it"),
                    "danger",
                ),
                Tile(
                    _("Client"),
                    row.facility.client.name,
                    page_of(row.facility.client),
                    row.facility.client.number,
                ),
                Tile(_("Loan"), money(valuation.loan), page_of(valuation), _("At the call")),
                Tile(_("Margin value"), money(valuation.margin_value), page_of(valuation), _("At the call")),
                Tile(
                    _("Facility"), money(row.facility.credit_limit), page_of(row.facility), _("Credit limit")
                ),
            ),
            tables=(*self._cures(row), self._sales(row, sales)),
            timeline=timeline(row, *sales),
        )

    def _cures(self, call: MarginCall) -> list[Table]:
        """The three ways to meet an open call, by what the account is worth now."""
        if not call.is_open:
            return []
        try:
            ways = cures(call)
        except Refusal:
            return []
        columns = (
            Column(_("Asset")),
            Column(_("Pay in cash"), is_number=True),
            Column(_("Deposit, market value"), is_number=True),
            Column(_("Sell, market value"), is_number=True),
        )
        cash = Decimal(ways["cash"])
        rows: list[list[object]] = [[call.facility.currency, money(cash), "", ""]]
        rows += [
            [way["asset"], "", _amount(way["deposit_market_value"]), _amount(way["sale_market_value"])]
            for way in ways["assets"]
        ]
        note = _(
            "Any one of these amounts alone meets the call at present prices; a sale is shown before costs."
        )
        if not cash:
            note = _("At present prices nothing is missing: the next valuation may close the call.")
        return [Table(_("Three ways to meet it"), columns, rows, note=note)]

    def _sales(self, call: MarginCall, sales: list[ForcedSale]) -> Table:
        return Table(
            _("Forced sales"),
            (
                Column(_("Plan")),
                Column(_("Status")),
                Column(_("Expected gross"), is_number=True),
                Column(_("Planned at")),
            ),
            [
                [link(sale), sale_badge(sale), money(sale.expected_gross), moment(sale.planned_at)]
                for sale in sales
            ],
            empty=_("No sale was planned for this call."),
            more=list_of(ForcedSale, call__id__exact=call.pk) if sales else "",
        )


def _amount(text: str | None) -> str:
    return money(Decimal(text)) if text is not None else "–"
