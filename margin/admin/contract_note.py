"""Contract notes: issued, corrected, given to clients, and those that are due."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget

from ledger.core.admin import ReadOnlyAdmin, ReasonForm, carry_out, dialog
from ledger.core.charts import Chart, Series
from margin.contract_notes.deadlines import Alert, alerts
from margin.contract_notes.files import paper_response
from margin.contract_notes.issuing import correct_note, record_handover
from margin.models import ContractNote
from margin.models.contract_note import CHANNEL_CHOICES

from .movements import actor
from .notice import notice_badge
from .panel import Column, Panel, PanelAdmin, Table, Tile
from .scope import broker_of
from .show import badge, link, moment, money, page_of, quantity
from .timeline import timeline
from .words import REASONS, word


class HandOverForm(BaseDialogForm):
    channel = forms.ChoiceField(label=_("Channel"), choices=CHANNEL_CHOICES, widget=UnfoldAdminSelectWidget)
    handed_on = forms.DateField(label=_("Handed over on"), widget=UnfoldAdminSingleDateWidget)


@admin.register(ContractNote)
class ContractNoteAdmin(PanelAdmin, ReadOnlyAdmin):
    nothing_yet = _(
        "A contract note is issued on the day after a trade, one for each client and instrument, "
        "and goes to the client with the notice of the sale."
    )
    list_display = (
        "reference_shown",
        "client",
        "asset",
        "traded_on",
        "units",
        "net_shown",
        "due_on",
        "state",
    )
    list_filter = ("traded_on", ("corrected_by", admin.EmptyFieldListFilter))
    list_select_related = ("client", "asset", "corrected_by")
    search_fields = ("client__number", "client__name", "asset__code", "number")
    ordering = ("-pk",)
    fieldsets = (
        (
            _("Record"),
            {
                "fields": (
                    ("client", "asset", "traded_on"),
                    ("issued_at", "due_on", "language"),
                    ("corrects", "reason"),
                    "content_hash",
                    "document_hash",
                )
            },
        ),
    )
    actions_list = ("due_notes",)
    actions_detail = ("paper", "correct", "hand_over")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related).defer("document")

    @display(description=_("number"), ordering="pk")
    def reference_shown(self, note: ContractNote) -> str:
        return note.reference

    @display(description=_("quantity"), ordering="quantity")
    def units(self, note: ContractNote) -> str:
        return quantity(note.quantity)

    @display(description=_("net"), ordering="net")
    def net_shown(self, note: ContractNote) -> str:
        return money(note.net, note.currency)

    @display(description=_("status"))
    def state(self, note: ContractNote) -> SafeString:
        return _state(note)

    def has_correct_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.add_contractnote", object_id)

    def has_hand_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.add_contractnotehandover", object_id)

    @action(description=_("Notes that are due"), url_path="due", icon="schedule")
    def due_notes(self, request: HttpRequest) -> HttpResponse:
        found = alerts(broker_of(request.user))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Contract notes that are due"),
            "opts": self.opts,
            "panel": _due_panel(found),
        }
        return TemplateResponse(request, "margin/panel_page.html", context)

    @action(description=_("Download as PDF"), url_path="paper", icon="picture_as_pdf")
    def paper(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return paper_response(get_object_or_404(self.get_queryset(request), pk=object_id))

    @action(
        description=_("Issue a correction"),
        url_path="correct",
        icon="edit_document",
        permissions=["correct"],
        dialog=dialog(
            _("Issue a correction"), _("The next version, from the records as they stand now."), ReasonForm
        ),
    )
    def correct(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        note = get_object_or_404(self.get_queryset(request), pk=object_id)
        reason = form.cleaned_data["reason"]
        return carry_out(
            request,
            lambda: correct_note(note=note, reason=reason, actor=actor(request)),
            done=_("Correction issued."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Handed over"),
        url_path="hand-over",
        icon="local_post_office",
        permissions=["hand"],
        dialog=dialog(
            _("Handed over"), _("Keeps that the client was given the note by other means."), HandOverForm
        ),
    )
    def hand_over(self, request: HttpRequest, form: HandOverForm, object_id: str) -> HttpResponse:
        note = get_object_or_404(self.get_queryset(request), pk=object_id)
        given = form.cleaned_data
        return carry_out(
            request,
            lambda: record_handover(
                note=note, channel=given["channel"], handed_on=given["handed_on"], actor=actor(request)
            ),
            done=_("Kept."),
            then=self.change_url(object_id),
        )

    def panel(self, request: HttpRequest, row: ContractNote) -> Panel:
        later = row.corrected_by if not row.is_in_force else None
        return Panel(
            tiles=(
                Tile(_("Number"), row.reference, hint=_state(row)),
                Tile(_("Client"), row.client, page_of(row.client)),
                Tile(_("Gross"), money(row.gross, row.currency)),
                Tile(_("Fees"), money(row.fees_total, row.currency)),
                Tile(_("Net"), money(row.net, row.currency)),
                Tile(_("Corrected by"), link(later, later.reference if later else None)),
            ),
            tables=(_trades(row), _given(row)),
            timeline=timeline(row),
        )


def _state(note: ContractNote) -> SafeString:
    return badge(_("In force"), "success") if note.is_in_force else badge(_("Corrected"), "warning")


def _trades(note: ContractNote) -> Table:
    rows = [
        [
            link(told.fill, told.fill.execution_id),
            quantity(told.fill.quantity),
            quantity(told.fill.price),
            money(told.fill.gross.amount),
            money(told.fill.fees_total.amount),
            money(told.fill.net.amount),
            link(told.fill.trade_journal, _("journal")),
        ]
        for told in note.trades.select_related("fill__trade_journal").order_by("pk")
    ]
    columns = (
        Column(_("Trade")),
        Column(_("Quantity"), is_number=True),
        Column(_("Price"), is_number=True),
        Column(_("Gross"), is_number=True),
        Column(_("Fees"), is_number=True),
        Column(_("Net"), is_number=True),
        Column(_("Trade journal")),
    )
    return Table(_("Trades it tells of"), columns, rows)


def _given(note: ContractNote) -> Table:
    rows = [
        [link(one, one.get_channel_display()), notice_badge(one), moment(one.sent_at)]
        for one in note.notices.order_by("pk")
    ]
    handover = getattr(note, "handover", None)
    if handover is not None:
        rows.append(
            [handover.get_channel_display(), badge(_("Handed over"), "success"), str(handover.handed_on)]
        )
    return Table(
        _("How the client was given it"),
        (Column(_("Channel")), Column(_("Status")), Column(_("When"))),
        rows,
        empty=_("By no channel: the client has none. Give it by hand or by post, and keep that here."),
    )


def _due_panel(found: list[Alert]) -> Panel:
    rows = [
        [
            alert.due_on,
            link(alert.client),
            alert.asset,
            alert.traded_on,
            badge(word(REASONS, alert.what), "danger" if alert.is_late else "warning"),
            link(alert.note or alert.fill, alert.note.reference if alert.note else None),
        ]
        for alert in found
    ]
    columns = (
        Column(_("Due on")),
        Column(_("Client")),
        Column(_("Asset")),
        Column(_("Trade date")),
        Column(_("Status")),
        Column(_("Contract note")),
    )
    late = sum(alert.is_late for alert in found)
    return Panel(
        tiles=(
            Tile(_("To be issued or given"), len(found)),
            Tile(_("Late"), late, tone="danger" if late else "success"),
        ),
        tables=(
            Table(
                _("Due by the end of the second business day"),
                columns,
                rows,
                empty=_("Nothing is due: every client has the note of every trade."),
            ),
        ),
        chart=_by_day(found),
    )


def _by_day(found: list[Alert]) -> Chart | None:
    if not found:
        return None
    days = Counter(str(alert.due_on) for alert in found)
    return Chart(
        _("Notes by the day they are due"),
        "bar",
        sorted(days),
        [Series(_("Notes"), [days[day] for day in sorted(days)], "#0f6674")],
    )
