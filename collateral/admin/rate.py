"""Exchange rates: recorded by hand where no feed does it, never changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from collateral.checks import check_observed_at
from collateral.fx import check_rate, record_rate
from collateral.models import FxRate
from ledger.core.admin import HouseAdmin
from ledger.core.errors import Refusal

from .show import figure


class RateForm(forms.ModelForm):
    """Takes both sides as text, so that the service judges them as it does at every other door."""

    bid = forms.CharField(label=_("Bid"), max_length=80, widget=UnfoldAdminTextInputWidget())
    ask = forms.CharField(label=_("Ask"), max_length=80, widget=UnfoldAdminTextInputWidget())

    class Meta:
        model = FxRate
        fields = ("base", "quote", "bid", "ask", "source", "observed_at")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        try:
            given["bid"], given["ask"] = check_rate(given["base"], given["quote"], given["bid"], given["ask"])
            check_observed_at(given["observed_at"])
        except Refusal as refusal:
            self.add_error(refusal.field, forms.ValidationError(refusal.message, code=refusal.reason))
            # What was not accepted is still text, which the model would not take.
            given.pop("bid", None)
            given.pop("ask", None)
        return given


@admin.register(FxRate)
class FxRateAdmin(HouseAdmin):
    form = RateForm
    list_display = ("pair", "bid_shown", "ask_shown", "source", "observed_at", "received_at")
    list_filter = ("base", "quote", "source")
    ordering = ("-pk",)
    add_fieldsets = ((None, {"fields": (("base", "quote"), ("bid", "ask"), "source", "observed_at")}),)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("base", "quote"),
                    ("bid_shown", "ask_shown"),
                    ("source", "observed_at", "received_at"),
                )
            },
        ),
    )
    readonly_fields = ("bid_shown", "ask_shown", "received_at")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.add_fieldsets

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: FxRate, form: Any, change: bool) -> None:
        recorded = record_rate(
            base=obj.base,
            quote=obj.quote,
            bid=obj.bid,
            ask=obj.ask,
            observed_at=obj.observed_at,
            source=obj.source,
            actor=request.user.get_username(),
        )
        obj.pk = recorded.pk

    @display(description=_("pair"), ordering="base")
    def pair(self, rate: FxRate) -> str:
        return f"{rate.base}/{rate.quote}"

    @display(description=_("bid"))
    def bid_shown(self, rate: FxRate) -> str:
        return figure(rate.bid, places_min=4)

    @display(description=_("ask"))
    def ask_shown(self, rate: FxRate) -> str:
        return figure(rate.ask, places_min=4)
