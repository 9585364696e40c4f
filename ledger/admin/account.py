"""Accounts with what stands on them; a freeze is set here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from ledger import as_of
from ledger.core.admin import ReasonForm, carry_out, dialog
from ledger.core.errors import Refusal
from ledger.freezes import set_freeze
from ledger.models import Account

from .scope import BookScope
from .show import bound, link_to_list, units

KNOWN_NOW = _("As of %(date)s, known now: %(balance)s.")
KNOWN_THEN = _("As of %(date)s, known at block %(block)s: %(balance)s.")


class FreezeForm(ReasonForm):
    """For which side the account is stopped from now on, and why."""

    freeze = forms.ChoiceField(
        label=_("freeze"), choices=Account.Freeze.choices, widget=UnfoldAdminSelectWidget
    )
    field_order = ("freeze", "reason")


class AsOfForm(BaseDialogForm):
    """Which journals count, and which were known."""

    value_on = forms.DateField(
        label=_("value date"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    known_at = forms.IntegerField(
        label=_("known at block"),
        required=False,
        min_value=0,
        help_text=_("Empty for everything known now."),
        widget=UnfoldAdminIntegerFieldWidget,
    )


@admin.register(Account)
class AccountAdmin(BookScope):
    list_display = ("owner_or_house", "role", "asset", "location", "standing", "freeze_state", "book")
    list_display_links = ("owner_or_house",)
    list_filter = ("role", "freeze", "asset__kind", "book")
    list_select_related = ("book", "asset", "location", "balance")
    search_fields = ("owner__exact", "asset__code__exact", "location__code__exact")
    search_help_text = _("A client number, an asset code or a location code.")
    ordering = ("owner", "role", "pk")
    fieldsets = (
        (None, {"fields": (("book", "owner"), ("role", "freeze"), ("asset", "location"))}),
        (_("Balance"), {"fields": (("standing", "entries"), ("floor", "ceiling"))}),
    )
    readonly_fields = ("standing", "floor", "ceiling", "entries")
    actions_detail = (
        "ask_as_of",
        "freeze_account",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def has_freeze_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "ledger.change_account", object_id)

    @display(description=_("owner"), ordering="owner")
    def owner_or_house(self, account: Account) -> str:
        return account.owner or str(_("House"))

    @display(description=_("balance"))
    def standing(self, account: Account) -> str:
        return units(account, account.balance.net_atoms)

    @display(
        description=_("freeze"),
        ordering="freeze",
        label={"none": "success", "debit": "warning", "credit": "warning", "all": "danger"},
    )
    def freeze_state(self, account: Account) -> tuple[str, Any]:
        return account.freeze, account.get_freeze_display()

    @display(description=_("floor"))
    def floor(self, account: Account) -> str:
        """The lower bound on the account's normal side."""
        balance = account.balance
        return bound(account, balance.floor_atoms if account.is_debit_normal else balance.ceiling_atoms)

    @display(description=_("ceiling"))
    def ceiling(self, account: Account) -> str:
        balance = account.balance
        return bound(account, balance.ceiling_atoms if account.is_debit_normal else balance.floor_atoms)

    @display(description=_("entries"))
    def entries(self, account: Account) -> SafeString:
        return link_to_list("ledger.entry", account.balance.version, account=account.pk)

    def has_ask_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "ledger.view_account", object_id)

    @action(
        description=_("As of"),
        url_path="as-of",
        icon="history",
        permissions=["ask"],
        dialog=dialog(_("As of"), _("What stood here at the end of a value date."), AsOfForm),
    )
    def ask_as_of(self, request: HttpRequest, form: AsOfForm, object_id: str) -> HttpResponse:
        account = get_object_or_404(self.get_queryset(request), pk=object_id)
        value_on, block = form.cleaned_data["value_on"], form.cleaned_data["known_at"]
        try:
            if block is not None:
                as_of.check_block(account.book, block)
            net, _version = as_of.net_atoms([account.pk], value_on=value_on, known_at=block)[account.pk]
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            said = KNOWN_NOW if block is None else KNOWN_THEN
            balance = f"{units(account, net)} {account.asset.code}"
            messages.info(request, said % {"date": date_format(value_on), "block": block, "balance": balance})
        return HttpResponse(headers={"HX-Redirect": self.change_url(object_id)})

    @action(
        description=_("Freeze or thaw"),
        url_path="freeze",
        icon="ac_unit",
        permissions=["freeze"],
        variant=ActionVariant.WARNING,
        dialog=dialog(_("Freeze or thaw"), _("Entries on the frozen side are refused at once."), FreezeForm),
    )
    def freeze_account(self, request: HttpRequest, form: FreezeForm, object_id: str) -> HttpResponse:
        account = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: set_freeze(
                account=account,
                mode=form.cleaned_data["freeze"],
                actor=request.user.get_username(),
                reason=form.cleaned_data["reason"],
            ),
            done=_("The account was changed."),
            then=self.change_url(object_id),
        )
