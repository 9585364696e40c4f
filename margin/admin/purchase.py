"""What order systems were answered when they asked whether a client may buy."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.core.admin import ReadOnlyAdmin
from margin.models import PurchaseCheck

from .scope import BrokerScope
from .show import badge, money, percent, quantity
from .words import STOPS, word


@admin.register(PurchaseCheck)
class PurchaseCheckAdmin(BrokerScope, ReadOnlyAdmin):
    broker_path = "facility__client__broker"
    nothing_yet = _("An order system asks here before it buys on credit, and each answer is kept.")
    list_display = ("checked_at", "client", "asset", "units", "cost", "answer", "why", "before", "after")
    list_filter = ("is_allowed", "reason_code")
    list_select_related = ("facility__client", "asset")
    search_fields = ("facility__client__number", "facility__client__name", "asset__code")
    ordering = ("-pk",)
    fields = (
        ("facility", "asset"),
        ("units", "cost"),
        ("answer", "why"),
        ("before", "after"),
        ("checked_at", "actor", "key"),
    )
    readonly_fields = ("units", "cost", "answer", "why", "before", "after")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("facility__client", "asset")

    @display(description=_("client"), ordering="facility__client__number")
    def client(self, check: PurchaseCheck) -> str:
        return str(check.facility.client)

    @display(description=_("quantity"), ordering="quantity")
    def units(self, check: PurchaseCheck) -> str:
        return quantity(check.quantity)

    @display(description=_("amount"), ordering="amount")
    def cost(self, check: PurchaseCheck) -> str:
        return money(check.amount)

    @display(description=_("answer"), ordering="is_allowed")
    def answer(self, check: PurchaseCheck) -> SafeString:
        return badge(_("Allowed"), "success") if check.is_allowed else badge(_("Refused"), "danger")

    @display(description=_("why"), ordering="reason_code")
    def why(self, check: PurchaseCheck) -> object:
        return word(STOPS, check.reason_code)

    @display(description=_("utilisation before"))
    def before(self, check: PurchaseCheck) -> str:
        return percent(check.utilisation_before)

    @display(description=_("utilisation after"))
    def after(self, check: PurchaseCheck) -> str:
        return percent(check.utilisation_after) if check.is_allowed else "–"
