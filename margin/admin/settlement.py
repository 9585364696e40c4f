"""What trades have to settle: reports taken in one by one or by the file, fails with their age and their cost."""

from __future__ import annotations

import io
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget

from collateral.admin.upload import Outcome, UploadAdmin, UploadForm
from ledger.core import csv_files
from ledger.core.admin import ReadOnlyAdmin, carry_out, dialog
from ledger.core.charts import Chart, Series
from margin.models import SettlementInstruction, SettlementPenalty, SettlementReport
from margin.sales.instructions import CLIENT_PATH, age_days
from margin.sales.penalties import charge_penalty
from margin.sales.settlement import report_failure, report_settlement
from margin.sales.settlement_files import csv_lines, import_reports, read_reports

from .movements import ExactField, actor, inputs
from .panel import Column, Panel, PanelAdmin, Table, Tile
from .scope import broker_of
from .show import badge, link, money, page_of, quantity
from .timeline import timeline

COLOURS = {
    SettlementInstruction.Status.PENDING.value: "info",
    SettlementInstruction.Status.PART_SETTLED.value: "warning",
    SettlementInstruction.Status.FAILED.value: "danger",
    SettlementInstruction.Status.SETTLED.value: "success",
}
FORMAT = _(
    "Columns instruction, outcome (settled or failed), quantity, money, settled_on, reference, reason. Each line is booked"
    " on its own; a line told before changes nothing."
)


def _text(label: Any, **options: Any) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, widget=widget, **options)


class SettledForm(BaseDialogForm):
    quantity = ExactField(label=_("Quantity delivered"))
    money = ExactField(label=_("Money received"))
    settled_on = forms.DateField(label=_("Settled on"), widget=UnfoldAdminSingleDateWidget)
    reference = _text(_("Reference of the report"), max_length=80)


class FailedForm(BaseDialogForm):
    failed_on = forms.DateField(label=_("Failed on"), widget=UnfoldAdminSingleDateWidget)
    reason = _text(_("Reason"), max_length=200)
    reference = _text(_("Reference of the report"), max_length=80)


class PenaltyForm(BaseDialogForm):
    kind = forms.ChoiceField(
        label=_("Kind"), choices=SettlementPenalty.Kind.choices, widget=UnfoldAdminSelectWidget
    )
    amount = ExactField(label=_("Amount"))
    charged_on = forms.DateField(label=_("Charged on"), widget=UnfoldAdminSingleDateWidget)
    reference = _text(_("Reference of the charge"), max_length=80)


class OpenFilter(admin.SimpleListFilter):
    title = _("open")
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Not yet settled")), ("late", _("Failed and still open"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[SettlementInstruction]
    ) -> QuerySet[SettlementInstruction]:
        match self.value():
            case "open":
                return queryset.filter(settled_at__isnull=True)
            case "late":
                return queryset.filter(settled_at__isnull=True, fail_count__gt=0)
            case _any:
                return queryset


@admin.register(SettlementInstruction)
class SettlementInstructionAdmin(UploadAdmin, PanelAdmin, ReadOnlyAdmin):
    broker_path = f"{CLIENT_PATH}__broker"
    nothing_yet = _(
        "An instruction is made with each trade in shares, and settles two settlement days later. "
        "What the clearing house reports is taken in here."
    )
    list_display = (
        "reference",
        "client",
        "asset",
        "state",
        "left",
        "left_money",
        "due_on",
        "age",
        "fail_count",
    )
    list_filter = (OpenFilter, "status", "due_on")
    list_select_related = ("fill__order__leg__asset", CLIENT_PATH)
    search_fields = ("reference", f"{CLIENT_PATH}__number", f"{CLIENT_PATH}__name")
    ordering = ("-pk",)
    fieldsets = (
        (_("Record"), {"fields": (("reference", "fill"), ("due_on", "next_attempt_on"), "settled_at")}),
    )
    actions_list = ("upload", "download")  # type: ignore[assignment]
    actions_detail = ("settled", "failed", "penalty")
    upload_title = _("Upload a settlement report")
    upload_help = FORMAT

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    @display(description=_("client"), ordering=f"{CLIENT_PATH}__number")
    def client(self, row: SettlementInstruction) -> str:
        return str(row.fill.order.leg.sale.call.facility.client)

    @display(description=_("asset"), ordering="fill__order__leg__asset__code")
    def asset(self, row: SettlementInstruction) -> str:
        return row.fill.order.leg.asset.code

    @display(description=_("status"), ordering="status")
    def state(self, row: SettlementInstruction) -> SafeString:
        return badge(row.get_status_display(), COLOURS[row.status])

    @display(description=_("to be delivered"))
    def left(self, row: SettlementInstruction) -> str:
        return quantity(row.quantity - row.settled_quantity)

    @display(description=_("to be received"))
    def left_money(self, row: SettlementInstruction) -> str:
        return money(row.gross - row.settled_money, row.currency)

    @display(description=_("days late"))
    def age(self, row: SettlementInstruction) -> int:
        return age_days(row)

    def has_upload_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.add_settlementreport", object_id)

    def has_charge_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.add_settlementpenalty", object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        buttons = super().get_actions_detail(request, object_id)
        row = SettlementInstruction.objects.get(pk=object_id)
        offered = {"settled", "failed"} if row.is_open else set()
        offered |= {"penalty"} if row.fail_count else set()
        return [button for button in buttons if button.method.original_function_name in offered]

    def take_in(self, request: HttpRequest, text: io.TextIOWrapper, form: UploadForm) -> Outcome:
        broker = broker_of(request.user)
        brokers = None if broker is None else [broker]
        done = import_reports(read_reports(text), brokers=brokers, actor=actor(request))
        counts = ((_("Booked"), done.booked), (_("Known"), done.known), (_("Refused"), len(done.errors)))
        return Outcome(counts, done.errors)

    @action(description=_("Download as CSV"), url_path="download", icon="download")
    def download(self, request: HttpRequest) -> HttpResponse:
        return csv_files.response(  # type: ignore[return-value]
            "settlement-instructions.csv", csv_lines(self.get_queryset(request))
        )

    @action(
        description=_("Report what settled"),
        url_path="settled",
        icon="task_alt",
        permissions=["upload"],
        dialog=dialog(_("Report what settled"), _("A part, or all that is left."), SettledForm),
    )
    def settled(self, request: HttpRequest, form: SettledForm, object_id: str) -> HttpResponse:
        return self._told(request, report_settlement, form, object_id, _("Settlement booked."))

    @action(
        description=_("Report a fail"),
        url_path="failed",
        icon="error",
        permissions=["upload"],
        dialog=dialog(
            _("Report a fail"), _("It stays open and is tried again on the next settlement day."), FailedForm
        ),
    )
    def failed(self, request: HttpRequest, form: FailedForm, object_id: str) -> HttpResponse:
        return self._told(request, report_failure, form, object_id, _("Kept as failed."))

    @action(
        description=_("Book a charge"),
        url_path="penalty",
        icon="request_quote",
        permissions=["charge"],
        dialog=dialog(_("Book a charge"), _("The firm bears it, not the client."), PenaltyForm),
    )
    def penalty(self, request: HttpRequest, form: PenaltyForm, object_id: str) -> HttpResponse:
        return self._told(request, charge_penalty, form, object_id, _("Charge booked."))

    def _told(
        self, request: HttpRequest, service: Any, form: BaseDialogForm, object_id: str, done: Any
    ) -> HttpResponse:
        row = get_object_or_404(self.get_queryset(request), pk=object_id)
        values = inputs(form)
        return carry_out(
            request,
            lambda: service(instruction=row, actor=actor(request), **values),
            done=done,
            then=self.change_url(object_id),
        )

    def panel(self, request: HttpRequest, row: SettlementInstruction) -> Panel:
        reports = list(row.reports.select_related("journal", "refund_journal").order_by("number"))
        penalties = list(row.penalties.select_related("journal").order_by("pk"))
        late = age_days(row)
        return Panel(
            tiles=(
                Tile(_("Status"), badge(row.get_status_display(), COLOURS[row.status])),
                Tile(_("Trade"), row.fill.execution_id, page_of(row.fill)),
                Tile(_("Delivered"), f"{quantity(row.settled_quantity)} / {quantity(row.quantity)}"),
                Tile(
                    _("Received"), money(row.settled_money, row.currency), hint=money(row.gross, row.currency)
                ),
                Tile(_("Due on"), row.due_on, hint=_("Next attempt %(day)s") % {"day": row.next_attempt_on}),
                Tile(_("Days late"), late, tone="danger" if late else ""),
            ),
            tables=(_reports(reports), *_penalties(penalties)),
            chart=_progress(row, reports),
            timeline=timeline(row, row.fill),
        )


def _reports(reports: list[SettlementReport]) -> Table:
    rows = [
        [
            one.reference,
            one.settled_on,
            badge(one.get_outcome_display(), "success" if one.outcome == "settled" else "danger"),
            quantity(one.delivered),
            money(one.money),
            money(one.net),
            one.reason or one.get_source_display(),
            link(one.journal, _("journal")),
            link(one.refund_journal, _("journal")),
        ]
        for one in reports
    ]
    columns = (
        Column(_("Report")),
        Column(_("Day")),
        Column(_("Outcome")),
        Column(_("Delivered"), is_number=True),
        Column(_("Money"), is_number=True),
        Column(_("Client's net"), is_number=True),
        Column(_("Told by")),
        Column(_("Settlement")),
        Column(_("Interest given back")),
    )
    return Table(
        _("Settlement reports"),
        columns,
        rows,
        empty=_("None yet: on paper it settles when due; otherwise report what the clearing house said."),
    )


def _penalties(penalties: list[SettlementPenalty]) -> list[Table]:
    if not penalties:
        return []
    rows = [
        [
            one.get_kind_display(),
            one.reference,
            one.charged_on,
            money(one.amount),
            link(one.journal, _("journal")),
        ]
        for one in penalties
    ]
    columns = (
        Column(_("Kind")),
        Column(_("Reference")),
        Column(_("Charged on")),
        Column(_("Amount"), is_number=True),
        Column(_("Journal")),
    )
    return [Table(_("What the fail cost"), columns, rows)]


def _progress(row: SettlementInstruction, reports: list[SettlementReport]) -> Chart | None:
    """What was still to be received after each report; nothing to draw before the second."""
    if len(reports) < 2:
        return None
    left, values = row.gross, []
    for one in reports:
        left -= one.money
        values.append(left)
    return Chart(
        _("Still to be received"),
        "line",
        [str(one.settled_on) for one in reports],
        [Series(_("Still to be received"), values, "#b45309")],
        unit=row.currency,
        is_stepped=True,
    )
