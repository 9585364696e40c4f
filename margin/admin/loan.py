"""Loan movements and interest, as booked."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.core.admin import ReadOnlyAdmin
from ledger.core.decimals import CONTEXT, from_atoms, round_half_up
from margin.interest import DENOMINATOR
from margin.models import InterestAccrual, InterestPosting, LoanMovement

from .scope import BrokerScope
from .show import link, money, percent


class FacilityRows(BrokerScope, ReadOnlyAdmin):
    """Rows that belong to a facility and are only shown."""

    broker_path = "facility__client__broker"
    search_fields = ("facility__client__number", "facility__client__name")
    list_select_related = ("facility__client",)
    ordering = ("-pk",)
    related: tuple[str, ...] = ("facility__client",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.related)

    @display(description=_("facility"))
    def facility_link(self, row: Any) -> SafeString:
        return link(row.facility)

    @display(description=_("journal"))
    def journal_link(self, row: Any) -> SafeString:
        return link(row.journal, _("journal"))


@admin.register(LoanMovement)
class LoanMovementAdmin(FacilityRows):
    list_display = ("value_on", "kind", "shown_amount", "purpose", "facility_link", "journal_link")
    list_filter = ("kind", "purpose")
    related = ("facility__client", "journal")
    fields = (("facility", "kind", "purpose"), ("shown_amount", "value_on"), "journal_link")
    readonly_fields = ("shown_amount", "journal_link")

    @display(description=_("amount"), ordering="amount")
    def shown_amount(self, movement: LoanMovement) -> str:
        return money(movement.amount)


@admin.register(InterestAccrual)
class InterestAccrualAdmin(FacilityRows):
    list_display = (
        "accrued_on",
        "facility_link",
        "within",
        "beyond",
        "rate",
        "excess_rate",
        "interest",
        "posting_link",
    )
    list_filter = (("posting", admin.EmptyFieldListFilter),)
    related = ("facility__client", "posting")
    fields = (
        ("facility", "accrued_on"),
        ("within", "rate"),
        ("beyond", "excess_rate"),
        ("interest", "numerator"),
        "posting_link",
    )
    readonly_fields = ("within", "beyond", "rate", "excess_rate", "interest", "posting_link")

    @display(description=_("within margin value"))
    def within(self, accrual: InterestAccrual) -> str:
        return money(from_atoms(accrual.principal_within_atoms, 2))

    @display(description=_("beyond it"))
    def beyond(self, accrual: InterestAccrual) -> str:
        return money(from_atoms(accrual.principal_beyond_atoms, 2))

    @display(description=_("rate"))
    def rate(self, accrual: InterestAccrual) -> str:
        return percent(accrual.rate_per_annum)

    @display(description=_("higher rate"))
    def excess_rate(self, accrual: InterestAccrual) -> str:
        return percent(accrual.excess_rate_per_annum)

    @display(description=_("interest of the day"))
    def interest(self, accrual: InterestAccrual) -> str:
        return f"≈ {round_half_up(CONTEXT.divide(accrual.numerator, DENOMINATOR), 6)}"

    @display(description=_("posting"))
    def posting_link(self, accrual: InterestAccrual) -> SafeString:
        return link(accrual.posting, accrual.posting and f"{accrual.posting.month:%Y-%m}")


@admin.register(InterestPosting)
class InterestPostingAdmin(FacilityRows):
    list_display = ("month_shown", "facility_link", "shown_amount", "journal_link")
    related = ("facility__client", "journal")
    fields = (("facility", "month_shown"), ("shown_amount", "journal_link"))
    readonly_fields = ("month_shown", "shown_amount", "journal_link")
    date_hierarchy = None

    @display(description=_("month"), ordering="month")
    def month_shown(self, posting: InterestPosting) -> str:
        return f"{posting.month:%Y-%m}"

    @display(description=_("amount"), ordering="amount_atoms")
    def shown_amount(self, posting: InterestPosting) -> str:
        return money(from_atoms(posting.amount_atoms, 2), posting.facility.currency)
