"""Holds with what was posted of them and what is left; they are posted and released here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from ledger import holds
from ledger.core.admin import ReadOnlyInline, ReasonForm, carry_out, coloured, dialog, show_quantity
from ledger.core.decimals import InexactValue, exact
from ledger.core.ids import uuid7
from ledger.holds.placing import with_accounts
from ledger.journal_kinds import kind_in_words
from ledger.models import Hold, Journal

from . import show
from .scope import BookScope

STATE_COLOURS = {"active": "warning", "posted": "success", "released": "info", "expired": "danger"}


def _find(name: str) -> Hold | None:
    try:
        return Hold.objects.filter(pk=UUID(name)).first()
    except ValueError:
        return None


show.register_cause("hold", _find)


class PostHoldForm(BaseDialogForm):
    """How much of a hold is posted; the form carries its own key, so that sending it twice posts once."""

    quantity = forms.CharField(
        label=_("Quantity"),
        max_length=80,
        required=False,
        help_text=_("Empty for all that is left."),
        widget=UnfoldAdminTextInputWidget(),
    )
    value_on = forms.DateField(
        label=_("Value date"),
        required=False,
        help_text=_("Empty for today."),
        widget=UnfoldAdminSingleDateWidget(),
    )
    then_release = forms.BooleanField(
        label=_("Release what is left"), required=False, widget=UnfoldBooleanSwitchWidget()
    )
    narrative = forms.CharField(
        label=_("narrative"), max_length=200, required=False, widget=UnfoldAdminTextInputWidget()
    )
    key = forms.CharField(max_length=64, widget=forms.HiddenInput(), initial=lambda: uuid7().hex)

    def clean_quantity(self) -> Decimal | None:
        text = self.cleaned_data["quantity"]
        try:
            return exact(text) if text else None
        except InexactValue as error:
            raise forms.ValidationError(str(error), code="inexact") from error


class HoldJournalInline(ReadOnlyInline):
    model = Journal
    fk_name = "hold"
    verbose_name_plural = _("journals that posted it")
    fields = readonly_fields = ("journal_link", "booked_at", "value_on", "narrative", "actor")

    @display(description=_("journal"))
    def journal_link(self, journal: Journal) -> SafeString:
        return show.link(journal, kind_in_words(journal.kind))


@admin.register(Hold)
class HoldAdmin(BookScope):
    list_display = (
        "placed_at",
        "debit_link",
        "credit_link",
        "progress",
        "hold_state",
        "expires_at",
        "reason",
        "book",
    )
    list_filter = ("state", "book")
    list_before_template = "ledger/no_hold.html"
    search_fields = (
        "id__exact",
        "idempotency_key__exact",
        "debit_account__owner__exact",
        "credit_account__owner__exact",
    )
    search_help_text = _("A client number, a hold's id or its idempotency key.")
    ordering = ("-pk",)
    fields = (
        ("hold_state", "left"),
        "progress",
        ("debit_link", "credit_link"),
        ("placed_at", "expires_at", "ended_at"),
        ("actor", "reason"),
        ("book", "group"),
        ("identifier", "idempotency_key"),
    )
    readonly_fields = ("identifier", "hold_state", "progress", "left", "debit_link", "credit_link", "group")
    inlines = (HoldJournalInline,)
    actions_detail = ("post_hold", "release_hold")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hold]:
        return with_accounts(super().get_queryset(request))

    def has_end_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, "ledger.change_hold", object_id)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Both buttons while there is something left of the hold or of its group."""
        group = Hold.objects.filter(pk=object_id).values("group_id")
        is_open = Hold.objects.filter(group_id__in=group, state=Hold.State.ACTIVE).exists()
        return super().get_actions_detail(request, object_id) if is_open else []

    @display(description=_("account to be debited"))
    def debit_link(self, hold: Hold) -> SafeString:
        return show.link(hold.debit_account)

    @display(description=_("account to be credited"))
    def credit_link(self, hold: Hold) -> SafeString:
        return show.link(hold.credit_account)

    @display(description=_("posted of amount"))
    def progress(self, hold: Hold) -> SafeString:
        share = 100 * hold.posted_atoms // hold.amount_atoms
        return format_html(
            '<span class="whitespace-nowrap">{} / {}</span>'
            ' <span class="block house-progress mt-1" aria-hidden="true"><span style="width: {}%"></span></span>',
            _units(hold, hold.posted_atoms),
            _units(hold, hold.amount_atoms),
            share,
        )

    @display(description=_("left"))
    def left(self, hold: Hold) -> str:
        return _units(hold, hold.left_atoms)

    @display(description=_("state"), ordering="state")
    def hold_state(self, hold: Hold) -> SafeString:
        return coloured(hold.get_state_display(), STATE_COLOURS[hold.state])

    @display(description=_("identifier"))
    def identifier(self, hold: Hold) -> UUID:
        return hold.pk

    @display(description=_("group"))
    def group(self, hold: Hold) -> SafeString:
        """The holds placed together with this one."""
        count = Hold.objects.filter(group_id=hold.group_id).count()
        return show.link_to_list("ledger.hold", count, group_id=str(hold.group_id))

    @action(
        description=_("Post"),
        url_path="post",
        icon="task_alt",
        permissions=["end"],
        variant=ActionVariant.PRIMARY,
        dialog=dialog(
            _("Post"),
            _("Books the held amount. Holds placed together are posted together, all that is left of them."),
            PostHoldForm,
        ),
    )
    def post_hold(self, request: HttpRequest, form: PostHoldForm, object_id: str) -> HttpResponse:
        hold = get_object_or_404(self.get_queryset(request), pk=object_id)
        said = {
            "key": f"admin:{hold.pk}:{form.cleaned_data['key']}",
            "actor": request.user.get_username(),
            "then_release": form.cleaned_data["then_release"],
            "value_on": form.cleaned_data["value_on"],
            "narrative": form.cleaned_data["narrative"],
        }
        quantity = form.cleaned_data["quantity"]
        return carry_out(
            request,
            lambda: (
                holds.post_group(hold.book, hold.group_id, **said)
                if quantity is None
                else holds.post_hold(hold, quantity=quantity, **said)
            ),
            done=_("The hold was posted."),
            then=self.change_url(object_id),
        )

    @action(
        description=_("Release"),
        url_path="release",
        icon="lock_open",
        permissions=["end"],
        variant=ActionVariant.WARNING,
        dialog=dialog(
            _("Release"),
            _("Lets go what is left, of all holds that were placed together."),
            ReasonForm,
        ),
    )
    def release_hold(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        hold = get_object_or_404(self.get_queryset(request), pk=object_id)
        return carry_out(
            request,
            lambda: holds.release_group(
                hold.book,
                hold.group_id,
                actor=request.user.get_username(),
                reason=form.cleaned_data["reason"],
            ),
            done=_("The hold was released."),
            then=self.change_url(object_id),
        )


def _units(hold: Hold, atoms: int) -> str:
    asset = hold.debit_account.asset
    return f"{show_quantity(asset.units(atoms), asset.scale)} {asset.code}"
