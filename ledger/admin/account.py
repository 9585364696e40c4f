"""Accounts with what stands on them; they are frozen, closed and reopened here, with the history of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from ledger import as_of
from ledger.balances import available_atoms, held_atoms
from ledger.closing import close_account, reopen_account
from ledger.core.admin import ReasonForm, carry_out, coloured, dialog, show_quantity
from ledger.core.errors import Refusal
from ledger.core.models import Event
from ledger.freezes import set_freeze
from ledger.models import Account
from ledger.models.account import UNBOUNDED_ROLES
from ledger.slots import slots_of

from .scope import BookScope
from .show import NOTHING, bound, link, link_to_list, units
from .statement import statement_page

HISTORY_ROWS_MAX: Final = 100

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
    change_form_outer_after_template = "ledger/account_history.html"
    list_display = (
        "owner_or_house",
        "role",
        "asset",
        "location",
        "standing",
        "freeze_state",
        "state",
        "book",
    )
    list_display_links = ("owner_or_house",)
    list_filter = ("role", "freeze", ("closed_at", admin.EmptyFieldListFilter), "asset__kind", "book")
    list_select_related = ("book", "asset", "location", "balance")
    search_fields = ("owner__exact", "asset__code__exact", "location__code__exact")
    search_help_text = _("A client number, an asset code or a location code.")
    ordering = ("owner", "role", "pk")
    nothing_yet = _(
        "An account is opened by the first journal that names it. Deposit something on a client's page,"
        " or send a journal over the API."
    )
    fieldsets = (
        (None, {"fields": (("book", "owner"), ("role", "freeze"), ("asset", "location"), "closed_at")}),
        (
            _("Balance"),
            {
                "fields": (
                    ("standing", "held", "available"),
                    ("floor", "ceiling"),
                    ("limit", "limits"),
                    "statement",
                )
            },
        ),
    )
    readonly_fields = ("standing", "held", "available", "floor", "ceiling", "statement", "limit", "limits")
    actions_detail = ("ask_as_of", "propose_limit", "freeze_account", "close", "reopen")

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

    @display(description=_("held"))
    def held(self, account: Account) -> SafeString:
        """What active holds have reserved of the balance; leads to them."""
        side = "credit_account" if account.is_debit_normal else "debit_account"
        asset = account.asset
        amount = show_quantity(asset.units(held_atoms(account, account.balance)), asset.scale)
        return link_to_list("ledger.hold", amount, state="active", **{side: account.pk})

    @display(description=_("available"))
    def available(self, account: Account) -> str:
        asset = account.asset
        return show_quantity(asset.units(available_atoms(account, account.balance)), asset.scale)

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

    @display(description=_("state"))
    def state(self, account: Account) -> SafeString:
        if account.closed_at:
            return coloured(pgettext("account", "Closed"), "danger")
        return coloured(pgettext("account", "Open"), "success")

    @display(description=_("limit in force"))
    def limit(self, account: Account) -> SafeString:
        limit = account.balance.limit
        return link(limit, limit and f"{limit.effective_on:%Y-%m-%d}")

    @display(description=_("limits"))
    def limits(self, account: Account) -> SafeString:
        return link_to_list("ledger.accountlimit", account.limits.count(), account=account.pk)

    @display(description=_("statement"))
    def statement(self, account: Account) -> SafeString:
        count = account.balance.version
        words = ngettext("%(count)s entry", "%(count)s entries", count) % {"count": count}
        address = reverse("admin:ledger_account_statement", args=[account.pk])
        return format_html('<a href="{}" class="text-link">{}</a>', address, words)

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.statement_view)
        return [
            path("<int:object_id>/statement/", page, name="ledger_account_statement"),
            *super().get_urls(),
        ]

    def statement_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """The account's statement, for those who may see its journals."""
        if not request.user.has_perm("ledger.view_journal") or not self.has_view_permission(request):
            raise PermissionDenied
        account = get_object_or_404(self.get_queryset(request), pk=object_id)
        context = self.admin_site.each_context(request) | {"opts": self.opts}
        return statement_page(request, account, context, self.change_url(object_id))

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

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """What can be done with the account as it stands."""
        account = Account.objects.filter(pk=object_id).first()
        if account is None:
            return []
        is_closed = account.closed_at is not None
        left_out = {"close" if is_closed else "reopen"}
        if is_closed or account.role in UNBOUNDED_ROLES:
            left_out.add("propose_limit")
        buttons = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.method.original_function_name not in left_out]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context["history"] = history_of(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def has_limit_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "ledger.add_accountlimit", object_id)

    @action(
        description=_("Propose a limit"),
        url_path="propose-limit",
        icon="vertical_align_center",
        permissions=["limit"],
    )
    def propose_limit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the form, with the account filled in."""
        return redirect(f"{reverse('admin:ledger_accountlimit_add')}?{urlencode({'account': object_id})}")

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

    @action(
        description=_("Close account"),
        url_path="close",
        icon="lock",
        permissions=["freeze"],
        variant=ActionVariant.DANGER,
        dialog=dialog(_("Close account"), _("A closed account takes no entry and no hold."), ReasonForm),
    )
    def close(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, close_account)

    @action(
        description=_("Reopen account"),
        url_path="reopen",
        icon="lock_open",
        permissions=["freeze"],
        dialog=dialog(_("Reopen account"), _("The account takes entries again at once."), ReasonForm),
    )
    def reopen(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, reopen_account)

    def _decide(
        self, request: HttpRequest, form: ReasonForm, object_id: str, service: Callable[..., Account]
    ) -> HttpResponse:
        account = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: service(
                account=account, actor=request.user.get_username(), reason=form.cleaned_data["reason"]
            ),
            done=_("The account was changed."),
            then=self.change_url(object_id),
        )


def history_of(account: Account) -> list[Event]:
    """Return what was decided about an account in any of its slots, the latest first, each with `what` it was."""
    ids = [str(pk) for pk in slots_of(account).values_list("pk", flat=True)]
    events = Event.objects.filter(subject_type="ledger.account", subject_id__in=ids).order_by("-pk")
    found = list(events[:HISTORY_ROWS_MAX])
    for event in found:
        event.what = _what(account, event)  # type: ignore[attr-defined]
    return found


def _what(account: Account, event: Event) -> Any:
    told = event.payload
    match event.topic:
        case "ledger.account.freeze_changed":
            return Account.Freeze(told["after"]).label
        case "ledger.account.closed":
            return pgettext("account", "Closed")
        case "ledger.account.reopened":
            return pgettext("account", "Reopened")
        case "ledger.account.limit_changed":
            floor, ceiling = (_figure(account, told[name]) for name in ("floor", "ceiling"))
            return format_lazy(_("Limits: {floor} to {ceiling}"), floor=floor, ceiling=ceiling)
    return event.topic


def _figure(account: Account, bound: str | None) -> str:
    return NOTHING if bound is None else show_quantity(Decimal(bound), account.asset.scale)
