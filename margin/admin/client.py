"""Clients: what they pledged, hold and owe by the book, with the journals behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget

from ledger.balances import Standing, natural, standings
from ledger.core.admin import HouseAdmin, carry_out, dialog, show_quantity
from ledger.journal_kinds import kind_in_words
from ledger.models import Account, Entry, Role
from margin.clients import approve_va_financing, open_client, open_facility
from margin.groups import set_group
from margin.models import Client, ClientGroup, Facility, RatePlan
from margin.rate_plans import add_rate_plan
from margin.valuations import latest

from .movements import MOVEMENTS_MENU, ExactField, MovementButtons, actor
from .panel import Column, Panel, Table, Tile
from .scope import BrokerScope
from .show import anchor, level_badge, link, list_of, moment, money, page_of, percent, quantity
from .timeline import timeline

ENTRIES_PER_ACCOUNT: Final = 8
ENTRIES_SHOWN: Final = 15


class FacilityForm(BaseDialogForm):
    """The terms of a new facility; rate plans are those of the client's broker."""

    credit_limit = ExactField(label=_("Credit limit"), help_text=_("In Hong Kong dollars."))
    rate_plan = forms.ChoiceField(label=_("Rate plan"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = RatePlan.objects.filter(broker__client=self.object_id).order_by("name")
        self.fields["rate_plan"].choices = [
            (name, name) for name in names.values_list("name", flat=True).distinct()
        ]


class GroupForm(BaseDialogForm):
    """The group a client is capped with; none takes the client out."""

    group = forms.ChoiceField(label=_("Client group"), required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = ClientGroup.objects.filter(broker__client=self.object_id).values_list("name", flat=True)
        self.fields["group"].choices = [("", "–"), *((name, name) for name in names)]


@admin.register(Client)
class ClientAdmin(MovementButtons, HouseAdmin):
    list_display = (
        "number",
        "name",
        "kind",
        "broker",
        "opened_on",
        "credit_review_due_on",
        "va_financing_from",
    )
    list_display_links = ("number", "name")
    list_filter = ("kind", ("va_financing_from", admin.EmptyFieldListFilter))
    list_select_related = ("broker",)
    search_fields = ("number", "name")
    ordering = ("number",)
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    ("broker", "number"),
                    ("name", "kind"),
                    ("language", "email", "mobile"),
                    "credit_review_due_on",
                )
            },
        ),
    )
    fieldsets = (
        (
            _("Record"),
            {
                "fields": (
                    ("number", "name", "kind"),
                    ("language", "email", "mobile"),
                    ("opened_on", "credit_review_due_on", "va_financing_from"),
                    "group",
                )
            },
        ),
    )
    actions_detail = (MOVEMENTS_MENU, "open_facility", "approve_virtual_assets", "set_client_group")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("broker__book", "facility")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_terms_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "margin.change_client", object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        hidden = set()
        if Facility.objects.filter(client=object_id).exists():
            hidden.add("open_facility")
        if Client.objects.filter(pk=object_id, va_financing_from__isnull=False).exists():
            hidden.add("approve_virtual_assets")
        buttons = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.method.original_function_name not in hidden]

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        opened = open_client(
            broker=obj.broker,
            number=obj.number,
            name=obj.name,
            kind=obj.kind,
            language=obj.language,
            email=obj.email,
            mobile=obj.mobile,
            credit_review_due_on=obj.credit_review_due_on,
            actor=actor(request),
        )
        obj.pk, obj.opened_on = opened.pk, opened.opened_on

    @action(
        description=_("Open facility"),
        url_path="open-facility",
        icon="add_business",
        permissions=["terms"],
        dialog=dialog(_("Open facility"), _("Grants a margin facility to this client."), FacilityForm),
    )
    def open_facility(self, request: HttpRequest, form: FacilityForm, object_id: str) -> HttpResponse:
        client = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: open_facility(
                client=client,
                credit_limit=form.cleaned_data["credit_limit"],
                rate_plan=form.cleaned_data["rate_plan"],
                actor=actor(request),
            ),
            done=_("Facility opened."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Approve virtual asset financing"),
        url_path="approve-virtual-assets",
        icon="currency_bitcoin",
        permissions=["terms"],
        dialog=dialog(
            _("Approve virtual asset financing"),
            _("The client may then borrow for and against Bitcoin and Ether, from today."),
        ),
    )
    def approve_virtual_assets(
        self, request: HttpRequest, form: BaseDialogForm, object_id: str
    ) -> HttpResponse:
        client = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: approve_va_financing(client=client, actor=actor(request)),
            done=_("Approved."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Set client group"),
        url_path="set-group",
        icon="groups",
        permissions=["terms"],
        dialog=dialog(
            _("Set client group"), _("Group caps take its members together from now on."), GroupForm
        ),
    )
    def set_client_group(self, request: HttpRequest, form: GroupForm, object_id: str) -> HttpResponse:
        client = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: set_group(client=client, group=form.cleaned_data["group"], actor=actor(request)),
            done=_("Saved."),
            then=self.change_url(object_id),
        )

    def panel(self, request: HttpRequest, row: Client) -> Panel:
        held = standings(row.broker.book, owners=[row.number])
        facility = getattr(row, "facility", None)
        return Panel(
            tiles=_tiles(facility),
            tables=(_standings(row, held), _entries(row, held)),
            timeline=timeline(row, *([facility] if facility else [])),
        )


@admin.register(RatePlan)
class RatePlanAdmin(BrokerScope, HouseAdmin):
    list_display = ("name", "broker", "valid_from", "rate_per_annum", "excess_rate_per_annum")
    list_select_related = ("broker",)
    search_fields = ("name",)
    ordering = ("name", "-valid_from")
    fields = (("broker", "name", "valid_from"), ("rate_per_annum", "excess_rate_per_annum"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RatePlan, form: Any, change: bool) -> None:
        obj.pk = add_rate_plan(
            broker=obj.broker,
            name=obj.name,
            valid_from=obj.valid_from,
            rate_per_annum=obj.rate_per_annum,
            excess_rate_per_annum=obj.excess_rate_per_annum,
            actor=actor(request),
        ).pk


def _tiles(facility: Facility | None) -> tuple[Tile, ...]:
    if facility is None:
        return (Tile(_("Facility"), _("None"), hint=_("Open one to lend to this client.")),)
    valuation = latest(facility)
    page = page_of(facility)
    limit = Tile(_("Facility"), money(facility.credit_limit), page, _("Credit limit"))
    if valuation is None:
        return (limit,)
    behind = page_of(valuation)
    return (
        limit,
        Tile(_("Loan"), money(valuation.loan, facility.currency), behind, _("At the latest valuation")),
        Tile(
            _("Margin value"),
            money(valuation.margin_value, facility.currency),
            behind,
            moment(valuation.valued_at),
        ),
        Tile(_("Utilisation"), percent(valuation.utilisation), behind, level_badge(valuation.level)),
    )


def _standings(client: Client, held: Sequence[Standing]) -> Table:
    columns = (
        Column(_("Account")),
        Column(_("Asset")),
        Column(_("Location")),
        Column(_("Balance"), is_number=True),
    )
    rows = [
        [
            anchor(page_of(Account(pk=standing.account_id)), Role(standing.key.role).label),
            standing.key.asset,
            standing.key.location or "–",
            quantity(standing.quantity),
        ]
        for standing in held
    ]
    return Table(
        _("Collateral, cash and loan in the book"),
        columns,
        rows,
        empty=_("Nothing was booked for this client yet."),
        more=list_of(Account, owner__exact=client.number) if rows else "",
        note=_("Each account leads to its entries and journals."),
    )


def _entries(client: Client, held: Sequence[Standing]) -> Table:
    """The last movements of the client's accounts, each found by its account's own count of entries."""
    recent = (
        Entry.objects.filter(
            account__in=[standing.account_id for standing in held],
            version__gt=F("account__balance__version") - ENTRIES_PER_ACCOUNT,
        )
        .select_related("journal", "account__asset")
        .order_by("-journal__booked_at", "-pk")[:ENTRIES_SHOWN]
    )
    columns = (
        Column(_("Value date")),
        Column(_("Journal")),
        Column(_("Account")),
        Column(_("Amount"), is_number=True),
        Column(_("Balance after"), is_number=True),
    )
    rows = [
        [
            str(entry.journal.value_on),
            link(entry.journal, kind_in_words(entry.journal.kind)),
            f"{entry.account.get_role_display()} {entry.account.asset.code}",
            _natural(entry.account, entry.amount_atoms),
            _natural(entry.account, entry.balance_atoms),
        ]
        for entry in recent
    ]
    return Table(_("Latest movements"), columns, rows, empty=_("Nothing was booked for this client yet."))


def _natural(account: Account, atoms: int) -> str:
    asset = account.asset
    return show_quantity(natural(account.role, asset.units(atoms)), asset.scale)
