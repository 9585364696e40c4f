"""The periods of a book: closed and reopened by two people, with what stood in the books at a closing."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger import periods
from ledger.core.admin import FourEyesAdmin, coloured, show_quantity
from ledger.core.decimals import decimal_places
from ledger.models import Book, PeriodChange

from .scope import InBooks, confinement

KIND_COLOURS = {"close": "primary", "reopen": "warning"}


@admin.register(PeriodChange)
class PeriodChangeAdmin(InBooks, FourEyesAdmin):
    topic = periods.TOPIC
    change_form_outer_after_template = "ledger/period_figures.html"
    list_display = (
        "book",
        "kind_state",
        "through",
        "closed_before",
        "approval_state",
        "maker",
        "checker",
        "checked_at",
    )
    list_display_links = ("book",)
    list_filter = ("approval", "kind", "book")
    list_select_related = ("book", "maker", "checker")
    ordering = ("-pk",)
    nothing_yet = _(
        "Every day is open. When a month is done with, propose to close it, and a second person carries it out."
    )
    readonly_fields = ("number", "closed_before")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A proposal that was made also shows its decision and what was closed before."""
        proposal = (None, {"fields": (("book", "kind"), "through", "reason")})
        if obj is None:
            return (proposal,)
        decision = (
            "approval_state",
            ("maker", "made_at"),
            ("checker", "checked_at"),
            ("number", "closed_before"),
        )
        return (proposal, (_("Decision"), {"fields": decision}))

    def has_decide_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return super().has_decide_permission(request, object_id) and self.may(
            request, "ledger.change_periodchange", object_id
        )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        confined = confinement(request.user)
        if db_field.name == "book" and confined:
            kwargs["queryset"] = Book.objects.filter(pk=confined.book_id)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def check_proposal(self, proposal: PeriodChange) -> None:
        periods.check(proposal)

    def propose(self, proposal: PeriodChange, *, maker: Any) -> None:
        periods.propose_change(proposal, maker=maker)

    def approve(self, proposal: PeriodChange, *, checker: Any) -> None:
        periods.approve(proposal, checker=checker)

    def reject(self, proposal: PeriodChange, *, checker: Any, reason: str) -> None:
        periods.reject(proposal, checker=checker, reason=reason)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None and obj.figures is not None:
            context["totals"] = [
                (total, _shown(total.debit), _shown(total.credit)) for total in periods.totals_of(obj)
            ]
        return super().render_change_form(request, context, add, change, form_url, obj)

    @display(description=_("kind"), ordering="kind")
    def kind_state(self, change: PeriodChange) -> SafeString:
        return coloured(change.get_kind_display(), KIND_COLOURS[change.kind])


def _shown(number: Any) -> str:
    return show_quantity(number, max(decimal_places(number), 2))
