"""Facilities: where each stands now, how it got there, and the buttons that lend and repay."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from ledger.core import clock
from ledger.core.admin import ReadOnlyAdmin, carry_out, dialog
from ledger.core.charts import Chart, Series
from ledger.core.decimals import round_half_up
from ledger.core.errors import Refusal
from margin.credit import stops
from margin.lending import drawdown, repay
from margin.models import Client, Facility, InterestAccrual, LoanMovement, MarginCall, Valuation
from margin.stress.prices import break_even_of
from margin.valuations import Assessment, assess

from .movements import MOVEMENTS_MENU, DrawdownForm, MovementButtons, RepaymentForm, actor, inputs
from .panel import Column, Panel, Table, Tile
from .show import badge, call_badge, level_badge, link, list_of, moment, money, page_of, percent, time_left
from .stress_panels import break_even_table
from .timeline import timeline
from .words import STOPS, word

POINTS_MAX: Final = 120
MOVEMENTS_SHOWN: Final = 10


@admin.register(Facility)
class FacilityAdmin(MovementButtons, ReadOnlyAdmin):
    broker_path = "client__broker"
    list_display = ("number", "name", "limit", "rate_plan", "opened_on", "closed_on")
    list_display_links = ("number",)
    list_filter = ("rate_plan", ("closed_on", admin.EmptyFieldListFilter))
    list_select_related = ("client",)
    search_fields = ("client__number", "client__name")
    ordering = ("client__number",)
    actions_detail = ("draw_down", "take_repayment", MOVEMENTS_MENU)
    fieldsets = ((_("Record"), {"fields": (("client", "rate_plan"), ("limit", "opened_on", "closed_on"))}),)
    readonly_fields = ("limit",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("client__broker__book")

    def client_of(self, row: Facility) -> Client:
        return row.client

    @display(description=_("client number"), ordering="client__number")
    def number(self, facility: Facility) -> str:
        return facility.client.number

    @display(description=_("name"), ordering="client__name")
    def name(self, facility: Facility) -> str:
        return facility.client.name

    @display(description=_("credit limit"), ordering="credit_limit")
    def limit(self, facility: Facility) -> str:
        return money(facility.credit_limit)

    @action(
        description=_("Drawdown"),
        url_path="drawdown",
        icon="north_east",
        permissions=["move"],
        variant=ActionVariant.PRIMARY,
        dialog=dialog(_("Drawdown"), _("Lends to the client and pays it out."), DrawdownForm),
    )
    def draw_down(self, request: HttpRequest, form: DrawdownForm, object_id: str) -> HttpResponse:
        facility = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: drawdown(facility=facility, actor=actor(request), **inputs(form)),  # type: ignore[arg-type]
            done=_("Drawdown booked."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Repayment"),
        url_path="repayment",
        icon="south_west",
        permissions=["move"],
        dialog=dialog(_("Repayment"), _("Never stopped by a call or a stale price."), RepaymentForm),
    )
    def take_repayment(self, request: HttpRequest, form: RepaymentForm, object_id: str) -> HttpResponse:
        facility = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: repay(facility=facility, actor=actor(request), **inputs(form)),  # type: ignore[arg-type]
            done=_("Repayment booked."),
            then=self.change_url(object_id),
        )

    def panel(self, request: HttpRequest, row: Facility) -> Panel:
        valuations = Valuation.objects.filter(facility=row).select_related("policy")
        history = list(valuations.order_by("-valued_at", "-pk")[:POINTS_MAX])
        latest = history[0] if history else None
        calls = list(row.calls.select_related("facility__client").order_by("-number")[:5])
        call = next((one for one in calls if one.is_open), None)
        now = _assessed(row)
        return Panel(
            tiles=_tiles(row, latest, call),
            chart=_chart(history) if len(history) > 1 else None,
            tables=(_stops(row, now), *_break_even(row, now), _calls(row, calls), _movements(row)),
            timeline=timeline(row, *calls),
        )


def _tiles(facility: Facility, latest: Valuation | None, call: MarginCall | None) -> tuple[Tile, ...]:
    limit = Tile(
        _("Credit limit"), money(facility.credit_limit), page_of(facility.client), facility.client.name
    )
    if latest is None:
        return (limit, Tile(_("Latest valuation"), _("None yet"), hint=_("The next run makes one.")))
    page = page_of(latest)
    open_call = (
        Tile(_("Open call"), call.reference, page_of(call), time_left(call.due_at, clock.now()), "danger")
        if call
        else Tile(_("Open call"), _("None"), tone="success")
    )
    return (
        Tile(_("Level"), level_badge(latest.level), page, moment(latest.valued_at)),
        Tile(_("Utilisation"), percent(latest.utilisation), page, _("Loan over the effective limit")),
        Tile(_("Loan"), money(latest.loan, facility.currency), page),
        Tile(_("Margin value"), money(latest.margin_value, facility.currency), page),
        limit,
        open_call,
        Tile(_("Market value"), money(latest.market_value, facility.currency), page),
        Tile(
            _("Interest accrued"),
            money(latest.interest, facility.currency),
            list_of(InterestAccrual, facility__id__exact=facility.pk),
        ),
    )


def _chart(history: list[Valuation]) -> Chart:
    points = list(reversed(history))
    return Chart(
        _("Utilisation over time"),
        "line",
        [f"{timezone.localtime(valuation.valued_at):%m-%d %H:%M}" for valuation in points],
        [
            Series(
                _("utilisation"),
                [percentage(valuation.utilisation) for valuation in points],
                "var(--color-primary-600)",
            ),
            Series(
                _("call above"),
                [percentage(valuation.policy.call_utilisation) for valuation in points],
                "oklch(63.7% 0.237 25.331)",
            ),
        ],
        unit="%",
    )


def _assessed(facility: Facility) -> Assessment | None:
    """The facility valued now; None where there is no policy to value it by."""
    try:
        return assess(facility)
    except Refusal:
        return None


def _break_even(facility: Facility, now: Assessment | None) -> list[Table]:
    if now is None or not now.value.loan:
        return []
    return [break_even_table(break_even_of(facility, now))]


def _stops(facility: Facility, now: Assessment | None) -> Table:
    """Whether the client may draw, buy and withdraw now; it may always pay in, deposit and repay."""
    why = stops(facility, now)
    reasons = ", ".join(str(word(STOPS, code)) for code in why)
    stopped, is_open = badge(_("Stopped"), "danger"), badge(_("Open"), "success")
    rows = [
        [_("Advances, purchases, withdrawals"), stopped if why else is_open, reasons],
        [_("Deposits, repayments"), is_open, _("Never stopped")],
    ]
    return Table(
        _("What the client may do now"), (Column(_("What")), Column(_("State")), Column(_("Why"))), rows
    )


def percentage(ratio: Decimal | None) -> Decimal | None:
    """A point of a chart; None leaves a gap."""
    return None if ratio is None else round_half_up(ratio * 100, 2)


def _calls(facility: Facility, calls: list[MarginCall]) -> Table:
    columns = (
        Column(_("Margin call")),
        Column(_("Status")),
        Column(_("Amount called"), is_number=True),
        Column(_("Due at")),
    )
    rows = [[link(call), call_badge(call), money(call.amount), moment(call.due_at)] for call in calls]
    return Table(
        _("Margin calls"),
        columns,
        rows,
        empty=_("This facility was never called."),
        more=list_of(MarginCall, facility__id__exact=facility.pk) if calls else "",
    )


def _movements(facility: Facility) -> Table:
    movements = (
        LoanMovement.objects.filter(facility=facility)
        .select_related("journal")
        .order_by("-pk")[:MOVEMENTS_SHOWN]
    )
    columns = (
        Column(_("Value date")),
        Column(_("Kind")),
        Column(_("Purpose")),
        Column(_("Amount"), is_number=True),
        Column(_("Journal")),
    )
    rows: list[list[str | SafeString]] = [
        [
            str(movement.value_on),
            movement.get_kind_display(),
            movement.get_purpose_display(),
            money(movement.amount),
            link(movement.journal, _("journal")),
        ]
        for movement in movements
    ]
    return Table(
        _("Loan movements"),
        columns,
        rows,
        empty=_("Nothing was drawn yet."),
        more=list_of(LoanMovement, facility__id__exact=facility.pk) if rows else "",
    )
