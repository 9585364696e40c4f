"""Small forms that move money and collateral.

Each carries its idempotency key from the moment it is shown, so a double click has one effect.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from ledger.core.admin import carry_out, dialog
from ledger.core.decimals import InexactValue, exact
from ledger.core.fields import MONEY_CHOICES
from margin.custody import deposit_cash, deposit_collateral, withdraw_cash, withdraw_collateral
from margin.models import Client, LoanMovement

from .panel import PanelAdmin

MOVE_PERMISSION = "margin.add_loanmovement"


class ExactField(forms.CharField):
    """A decimal as text: thousands commas are let through, exponents, NaN and anything inexact are not."""

    widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return exact(text.replace(",", ""))
        except InexactValue as error:
            raise forms.ValidationError(_("Give a plain decimal number."), code="inexact") from error


class KeyedForm(BaseDialogForm):
    """A form whose effect is had once, however often it is sent."""

    key = forms.CharField(widget=forms.HiddenInput, initial=uuid4, max_length=64)


class CollateralForm(KeyedForm):
    asset = forms.CharField(
        label=_("Asset"),
        max_length=16,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=_("Its code, for example 00700 or BTC."),
    )
    quantity = ExactField(label=_("Quantity"))


class CashForm(KeyedForm):
    currency = forms.ChoiceField(label=_("Currency"), choices=MONEY_CHOICES, widget=UnfoldAdminSelectWidget)
    amount = ExactField(label=_("Amount"))


class RepaymentForm(KeyedForm):
    amount = ExactField(
        label=_("Amount"), help_text=_("From the client's cash: interest first, then principal.")
    )


class DrawdownForm(KeyedForm):
    amount = ExactField(label=_("Amount"))
    purpose = forms.ChoiceField(
        label=_("Purpose"), choices=LoanMovement.Purpose.choices, widget=UnfoldAdminSelectWidget
    )


class MovementButtons(PanelAdmin):
    """Deposits and withdrawals, on the page of a client and of its facility alike."""

    def client_of(self, row: Any) -> Client:
        """Return the client that a row of this admin belongs to."""
        return row

    def has_move_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.may(request, MOVE_PERMISSION, object_id)

    @action(
        description=_("Deposit collateral"),
        url_path="deposit-collateral",
        icon="download",
        permissions=["move"],
        dialog=dialog(_("Deposit collateral"), _("Books what was received into custody."), CollateralForm),
    )
    def deposit_collateral(self, request: HttpRequest, form: CollateralForm, object_id: str) -> HttpResponse:
        return self._move(request, deposit_collateral, form, object_id, _("Deposit booked."))

    @action(
        description=_("Withdraw collateral"),
        url_path="withdraw-collateral",
        icon="upload",
        permissions=["move"],
        dialog=dialog(
            _("Withdraw collateral"), _("Refused when the loan would not stay covered."), CollateralForm
        ),
    )
    def withdraw_collateral(self, request: HttpRequest, form: CollateralForm, object_id: str) -> HttpResponse:
        return self._move(request, withdraw_collateral, form, object_id, _("Withdrawal booked."))

    @action(
        description=_("Deposit cash"),
        url_path="deposit-cash",
        icon="add_card",
        permissions=["move"],
        dialog=dialog(_("Deposit cash"), _("Counts in full against the loan at once."), CashForm),
    )
    def deposit_cash(self, request: HttpRequest, form: CashForm, object_id: str) -> HttpResponse:
        return self._move(request, deposit_cash, form, object_id, _("Deposit booked."))

    @action(
        description=_("Withdraw cash"),
        url_path="withdraw-cash",
        icon="payments",
        permissions=["move"],
        dialog=dialog(_("Withdraw cash"), _("Refused when the loan would not stay covered."), CashForm),
    )
    def withdraw_cash(self, request: HttpRequest, form: CashForm, object_id: str) -> HttpResponse:
        return self._move(request, withdraw_cash, form, object_id, _("Withdrawal booked."))

    def _move(
        self, request: HttpRequest, service: Callable[..., object], form: KeyedForm, object_id: str, done: Any
    ) -> HttpResponse:
        row = get_object_or_404(self.get_queryset(request), pk=object_id)
        command = partial(service, client=self.client_of(row), actor=actor(request), **inputs(form))
        return carry_out(request, command, done=done, then=self.change_url(object_id))


def inputs(form: KeyedForm) -> dict[str, str | Decimal]:
    """What the person filled in, without the form's own flag."""
    return {name: value for name, value in form.cleaned_data.items() if not name.startswith("_")}


def actor(request: HttpRequest) -> str:
    """The name under which the person's commands are kept."""
    return str(request.user.get_username())


MOVEMENTS_MENU = {
    "title": _("Collateral and cash"),
    "icon": "swap_vert",
    "items": ["deposit_collateral", "withdraw_collateral", "deposit_cash", "withdraw_cash"],
}
