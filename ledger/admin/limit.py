"""Limits of accounts: proposed by one person, approved by another, in force from their day on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from ledger import limits
from ledger.core.admin import FourEyesAdmin, coloured
from ledger.core.errors import Refusal
from ledger.core.models import FourEyes
from ledger.models import Account, AccountLimit

from .scope import InBooks, confinement
from .show import NOTHING, link, units


class LimitForm(forms.ModelForm):
    """Takes the bounds as text, so that nothing is rounded on its way in."""

    floor = forms.CharField(
        label=_("Floor"),
        max_length=80,
        required=False,
        help_text=_("In units, on the account's normal side; empty for none."),
        widget=UnfoldAdminTextInputWidget(),
    )
    ceiling = forms.CharField(
        label=_("Ceiling"),
        max_length=80,
        required=False,
        help_text=_("In units, on the account's normal side; empty for none."),
        widget=UnfoldAdminTextInputWidget(),
    )

    class Meta:
        model = AccountLimit
        fields = ("account", "effective_on", "reason")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        account = given.get("account")
        for name in ("floor", "ceiling"):
            try:
                atoms = limits.atoms_of(account, given.get(name), name) if account else None
            except Refusal as refusal:
                self.add_error(name, forms.ValidationError(refusal.message, code=refusal.reason))
            else:
                setattr(self.instance, f"{name}_atoms", atoms)
        return given


@admin.register(AccountLimit)
class AccountLimitAdmin(InBooks, FourEyesAdmin):
    topic = limits.TOPIC
    book_path = "account__book"
    form = LimitForm
    list_display = (
        "account",
        "floor",
        "ceiling",
        "effective_on",
        "approval_state",
        "standing",
        "maker",
        "checker",
    )
    list_display_links = ("account",)
    list_filter = ("approval", "effective_on", "account__book")
    list_select_related = (
        "account__book",
        "account__asset",
        "account__location",
        "account__balance",
        "maker",
        "checker",
    )
    search_fields = ("account__owner__exact", "account__asset__code__exact")
    search_help_text = _("A client number or an asset code.")
    autocomplete_fields = ("account",)
    ordering = ("-effective_on", "-pk")
    nothing_yet = _(
        "No account has limits of its own; each is bounded by its role. Propose one, and a second person"
        " puts it in force."
    )
    readonly_fields = ("floor", "ceiling", "standing", "applied_at", "account_page")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A proposal that was made also shows its decision and since when it is in force."""
        if obj is None:
            return ((None, {"fields": ("account", ("floor", "ceiling"), "effective_on", "reason")}),)
        proposal = ("account_page", ("floor", "ceiling"), "effective_on", "reason")
        decision = (
            "approval_state",
            ("maker", "made_at"),
            ("checker", "checked_at"),
            ("standing", "applied_at"),
        )
        return ((None, {"fields": proposal}), (_("Decision"), {"fields": decision}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The bounds are typed in when they are proposed, and shown afterwards."""
        given = super().get_readonly_fields(request, obj)
        return given if obj else tuple(name for name in given if name not in ("floor", "ceiling"))

    def has_decide_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return super().has_decide_permission(request, object_id) and self.may(
            request, "ledger.change_accountlimit", object_id
        )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        confined = confinement(request.user)
        if db_field.name == "account" and confined:
            kwargs["queryset"] = Account.objects.filter(book=confined.book_id)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def check_proposal(self, proposal: AccountLimit) -> None:
        limits.check(proposal)

    def propose(self, proposal: AccountLimit, *, maker: Any) -> None:
        limits.propose_limit(proposal, maker=maker)

    def approve(self, proposal: AccountLimit, *, checker: Any) -> None:
        limits.approve(proposal, checker=checker)

    def reject(self, proposal: AccountLimit, *, checker: Any, reason: str) -> None:
        limits.reject(proposal, checker=checker, reason=reason)

    @display(description=_("account"))
    def account_page(self, limit: AccountLimit) -> SafeString:
        return link(limit.account)

    @display(description=_("floor"))
    def floor(self, limit: AccountLimit) -> str:
        return _bound(limit, limit.floor_atoms)

    @display(description=_("ceiling"))
    def ceiling(self, limit: AccountLimit) -> str:
        return _bound(limit, limit.ceiling_atoms)

    @display(description=_("in force"))
    def standing(self, limit: AccountLimit) -> SafeString | str:
        """Whether the limit is in force, was, or is still to come."""
        if limit.approval != FourEyes.Approval.APPROVED:
            return NOTHING
        if limit.account.balance.limit_id == limit.pk:
            return coloured(_("In force"), "success")
        return coloured(_("Superseded"), "info") if limit.applied_at else coloured(_("Waiting"), "warning")


def _bound(limit: AccountLimit, atoms: int | None) -> str:
    """Show a bound that is on the account's normal side already."""
    if atoms is None:
        return NOTHING
    return units(limit.account, atoms if limit.account.is_debit_normal else -atoms)
