"""Waivers, disputes, deviations and cancellations: proposed on this page, decided by somebody else."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from margin import decisions
from margin.models import CallDecision, MarginCall

from .panel import Column, Panel, PanelAdmin, Table, Tile
from .policy import DecisionShown
from .scope import broker_of
from .show import call_badge, link, list_of, moment, money, page_of
from .timeline import timeline

KINDS = _(
    "A waiver ends the call until it expires; a deviation leaves it due and holds the sale back; a dispute"
    " stands at once and is upheld by approval; a cancellation takes back a call that should not have been made."
)


@admin.register(CallDecision)
class CallDecisionAdmin(PanelAdmin, DecisionShown):
    topic = decisions.TOPIC
    broker_path = "call__facility__client__broker"
    list_display = ("kind", "call_link", "reason_code", "expires_at", "approval_state", "maker", "checker")
    list_filter = ("kind", "approval", "reason_code")
    list_select_related = ("call__facility__client__broker", "maker", "checker")
    search_fields = ("call__facility__client__number", "call__facility__client__name")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": (("call", "kind"), ("reason_code", "amount", "expires_at")), "description": KINDS}),
        (_("Why"), {"fields": ("reason", "risk_assessment")}),
    )

    @display(description=_("margin call"), ordering="call")
    def call_link(self, decision: CallDecision) -> SafeString:
        return link(decision.call)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is MarginCall:
            kwargs["queryset"] = open_calls(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def check_proposal(self, proposal: CallDecision) -> None:
        decisions.check_decision(proposal)

    def propose(self, proposal: CallDecision, *, maker: Any) -> None:
        proposal.pk = decisions.propose_decision(
            call=proposal.call,
            kind=proposal.kind,
            reason_code=proposal.reason_code,
            reason=proposal.reason,
            risk_assessment=proposal.risk_assessment,
            amount=proposal.amount,
            expires_at=proposal.expires_at,
            maker=maker,
        ).pk

    def approve(self, proposal: CallDecision, *, checker: Any) -> None:
        decisions.approve_decision(proposal, checker=checker)

    def reject(self, proposal: CallDecision, *, checker: Any, reason: str) -> None:
        decisions.reject_decision(proposal, checker=checker, reason=reason)

    def panel(self, request: HttpRequest, row: CallDecision) -> Panel:
        call = row.call
        return Panel(
            tiles=(
                Tile(_("Margin call"), call.reference, page_of(call), call_badge(call)),
                Tile(_("Amount called"), money(call.amount), page_of(call), moment(call.due_at)),
            ),
            timeline=timeline(row, call),
        )


def open_calls(request: HttpRequest) -> QuerySet[MarginCall]:
    """The calls that the person may decide about."""
    calls = MarginCall.objects.filter(status__in=MarginCall.OPEN).select_related("facility__client")
    broker = broker_of(request.user)
    return calls if broker is None else calls.filter(facility__client__broker=broker)


def decisions_table(call: MarginCall) -> Table:
    """What was decided about a call, the newest first."""
    rows = [
        [
            link(decision, decision.get_kind_display()),
            decision.get_reason_code_display(),
            decision.get_approval_display(),
            moment(decision.expires_at),
            decision.maker.get_username(),
            decision.checker.get_username() if decision.checker else "–",
        ]
        for decision in call.decisions.select_related("maker", "checker").order_by("-pk")
    ]
    return Table(
        _("Waivers, disputes, deviations"),
        (
            Column(_("Kind")),
            Column(_("Reason code")),
            Column(_("Approval")),
            Column(_("Expires at")),
            Column(_("Maker")),
            Column(_("Checker")),
        ),
        rows,
        empty=_("None. To step away from the ordinary course, propose a decision."),
        more=list_of(CallDecision, call__id__exact=call.pk) if rows else "",
    )
