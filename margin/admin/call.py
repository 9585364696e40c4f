"""Margin calls: what is demanded of whom, until when, and what came of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from ledger.core import clock
from ledger.core.admin import ReadOnlyAdmin, carry_out, dialog
from ledger.core.errors import Refusal
from margin.acknowledgements import CHANNELS, acknowledge
from margin.cures import cures
from margin.models import ForcedSale, MarginCall
from margin.register import csv_response

from .decision import decisions_table
from .movements import actor
from .notice import notices_table
from .panel import Column, Panel, PanelAdmin, Table, Tile
from .show import (
    badge,
    call_badge,
    link,
    list_of,
    moment,
    money,
    page_of,
    percent,
    quantity,
    sale_badge,
    time_left,
)
from .timeline import timeline
from .words import CHANNEL_NAMES


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
                return queryset.filter(status__in=(*MarginCall.RUNNING, MarginCall.Status.DISPUTED))
            case "overdue":
                return queryset.filter(status__in=MarginCall.LATE)
            case _any:
                return queryset


def deadline_badge(call: MarginCall) -> SafeString:
    """How long an open call still has, red once it is late."""
    if not call.is_open:
        return badge(moment(call.closed_at))
    is_late = call.status in MarginCall.LATE or call.due_at <= clock.now()
    return badge(time_left(call.due_at, clock.now()), "danger" if is_late else "warning")


class AcknowledgeForm(BaseDialogForm):
    by = forms.CharField(
        label=_("Acknowledged by"),
        max_length=150,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    channel = forms.ChoiceField(
        label=_("Channel"),
        choices=[(name, CHANNEL_NAMES[name]) for name in CHANNELS],
        widget=UnfoldAdminSelectWidget,
    )


@admin.register(MarginCall)
class MarginCallAdmin(PanelAdmin, ReadOnlyAdmin):
    actions_detail = ("acknowledge_call", "propose_decision")
    actions_list = ("download_register",)
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

    def has_acknowledge_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.change_margincall", object_id)

    def has_propose_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.add_calldecision", object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        call = MarginCall.objects.filter(pk=object_id, status__in=MarginCall.OPEN).first()
        if call is None:
            return []
        done = "acknowledge_call" if call.acknowledged_at else ""
        buttons = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.method.original_function_name != done]

    @action(
        description=_("Acknowledged"),
        url_path="acknowledge",
        icon="mark_email_read",
        permissions=["acknowledge"],
        dialog=dialog(
            _("Acknowledged"),
            _("Keeps who acknowledged the call; its due time does not move."),
            AcknowledgeForm,
        ),
    )
    def acknowledge_call(self, request: HttpRequest, form: AcknowledgeForm, object_id: str) -> HttpResponse:
        call = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: acknowledge(
                call=call,
                by=form.cleaned_data["by"],
                channel=form.cleaned_data["channel"],
                actor=actor(request),
            ),
            done=_("Acknowledged."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Download the register"), url_path="register", icon="download", permissions=["view"]
    )
    def download_register(self, request: HttpRequest) -> StreamingHttpResponse:
        return csv_response(self.get_queryset(request))

    @action(description=_("Propose a decision"), url_path="decide", icon="gavel", permissions=["propose"])
    def propose_decision(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:margin_calldecision_add')}?call={object_id}")

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
            tables=(
                *self._cures(row),
                notices_table(row),
                decisions_table(row),
                *_versions(row),
                self._sales(row, sales),
            ),
            timeline=timeline(row, *row.decisions.all(), *sales),
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
            Column(_("Deposit, quantity"), is_number=True),
            Column(_("Sell, market value"), is_number=True),
            Column(_("Sell, quantity"), is_number=True),
        )
        cash = Decimal(ways["cash"])
        rows: list[list[object]] = [[call.facility.currency, money(cash), "", "", "", ""]]
        rows += [
            [
                way["asset"],
                "",
                _amount(way["deposit_market_value"]),
                _units(way["deposit_quantity"]),
                _amount(way["sale_market_value"]),
                _units(way["sale_quantity"]),
            ]
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


def _units(text: str | None) -> str:
    return quantity(Decimal(text)) if text is not None else "–"


def _amount(text: str | None) -> str:
    return money(Decimal(text)) if text is not None else "–"


def _versions(call: MarginCall) -> list[Table]:
    versions = list(call.versions.order_by("-number"))
    if len(versions) < 2:
        return []
    rows = [
        [
            version.number,
            version.get_cause_display(),
            money(version.amount),
            moment(version.due_at),
            moment(version.increase_due_at),
            moment(version.made_at),
        ]
        for version in versions
    ]
    columns = (
        Column(_("Version")),
        Column(_("Cause")),
        Column(_("Amount called"), is_number=True),
        Column(_("Due at")),
        Column(_("Increase due at")),
        Column(_("Made at")),
    )
    return [Table(_("Versions"), columns, rows)]
