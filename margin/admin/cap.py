"""Concentration caps and the client groups that some of them span."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from ledger.core.admin import ReadOnlyInline
from margin import caps
from margin.groups import open_group
from margin.models import Client, ClientGroup, CollateralCap

from .movements import actor
from .policy import DecisionShown
from .scope import BrokerScope
from .show import money, percent


@admin.register(CollateralCap)
class CollateralCapAdmin(DecisionShown):
    topic = caps.TOPIC
    nothing_yet = _(
        "Without a cap, what is lent against one asset is bounded by its haircut alone. "
        "Propose one; a second person puts it in force."
    )
    list_display = (
        "broker",
        "scope",
        "measure",
        "asset",
        "figure",
        "valid_from",
        "approval_state",
        "checker",
    )
    list_filter = ("approval", "scope", "measure")
    list_select_related = ("broker", "asset", "maker", "checker")
    search_fields = ("asset__code",)
    ordering = ("-valid_from", "-pk")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("broker", "valid_from"),
                    ("scope", "measure"),
                    ("asset", "share", "amount"),
                    "reason",
                )
            },
        ),
    )

    def check_proposal(self, proposal: CollateralCap) -> None:
        caps.check_cap(proposal)

    def propose(self, proposal: CollateralCap, *, maker: Any) -> None:
        made = caps.propose_cap(
            broker=proposal.broker,
            scope=proposal.scope,
            measure=proposal.measure,
            asset=proposal.asset,
            share=proposal.share,
            amount=proposal.amount,
            valid_from=proposal.valid_from,
            reason=proposal.reason,
            maker=maker,
        )
        proposal.pk = made.pk

    def approve(self, proposal: CollateralCap, *, checker: Any) -> None:
        caps.approve_cap(proposal, checker=checker)

    def reject(self, proposal: CollateralCap, *, checker: Any, reason: str) -> None:
        caps.reject_cap(proposal, checker=checker, reason=reason)

    @display(description=_("counts at most"))
    def figure(self, cap: CollateralCap) -> str:
        return str(money(cap.amount) if cap.share is None else percent(cap.share))


class MembersInline(ReadOnlyInline):
    model = Client
    fields = ("number", "name", "kind")
    verbose_name_plural = _("Members: a client joins on its own page")


@admin.register(ClientGroup)
class ClientGroupAdmin(BrokerScope):
    nothing_yet = _(
        "Clients who are one risk are put in a group, and group caps "
        "take them together. Open one, then choose it on its clients' pages."
    )
    list_display = ("name", "broker")
    list_select_related = ("broker",)
    search_fields = ("name",)
    fields = ("broker", "name")
    inlines = (MembersInline,)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ClientGroup, form: Any, change: bool) -> None:
        obj.pk = open_group(broker=obj.broker, name=obj.name, actor=actor(request)).pk
