"""Prices as they were observed; history is brought in by the file."""

from __future__ import annotations

import io

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from collateral.checks import SOURCE_LENGTH_MAX
from collateral.models import Price
from collateral.price_import import import_prices, read_prices
from ledger.core.admin import ReadOnlyAdmin

from .show import NOTHING, figure, link
from .upload import Outcome, UploadAdmin, UploadForm


class PriceUploadForm(UploadForm):
    source = forms.CharField(
        label=_("Source"), max_length=SOURCE_LENGTH_MAX, widget=UnfoldAdminTextInputWidget()
    )


@admin.register(Price)
class PriceAdmin(UploadAdmin, ReadOnlyAdmin):
    list_display = ("instrument_code", "amount", "currency", "source", "observed_at", "received_at", "split")
    list_filter = ("source",)
    list_select_related = ("instrument", "adjustment__corporate_action__asset")
    search_fields = ("=instrument__code",)
    search_help_text = _("Code of the instrument")
    ordering = ("-pk",)
    fields = (
        ("instrument", "amount", "currency"),
        ("source", "observed_at", "received_at"),
        ("split", "adjusts"),
    )
    readonly_fields = ("amount", "split")
    upload_form = PriceUploadForm
    upload_title = _("Upload a history of prices")
    upload_help = _(
        "Columns code, price, currency, observed_at, oldest line first for each instrument; times with their "
        "zone, as 2026-03-06T16:08:00+08:00. Jumps are not judged in history."
    )

    def take_in(self, request: HttpRequest, text: io.TextIOWrapper, form: UploadForm) -> Outcome:
        done = import_prices(
            read_prices(text), source=form.cleaned_data["source"], actor=request.user.get_username()
        )
        counts = (
            (_("Created"), done.created),
            (_("Unchanged"), done.unchanged),
            (_("Refused"), len(done.errors)),
        )
        return Outcome(counts, done.errors)

    @display(description=_("instrument"))
    def instrument_code(self, price: Price) -> str:
        return price.instrument.code

    @display(description=_("price"))
    def amount(self, price: Price) -> str:
        return figure(price.price)

    @display(description=_("split"))
    def split(self, price: Price) -> str:
        """The split that made this price of one that was seen."""
        if price.adjustment is None:
            return NOTHING
        action = price.adjustment.corporate_action
        return link(reverse("admin:ledger_corporateaction_change", args=[action.pk]), action)
