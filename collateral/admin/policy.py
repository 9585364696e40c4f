"""How prices are judged: proposed by one, decided by another."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from collateral import price_policies
from collateral.models import PricePolicy
from ledger.core.admin import FourEyesAdmin

from .show import figure

_JUDGED_BY = ("asset_kind", "valid_from", "counts_sessions", ("soft_age_seconds", "hard_age_seconds"))


@admin.register(PricePolicy)
class PricePolicyAdmin(FourEyesAdmin):
    topic = price_policies.TOPIC
    list_display = (
        "asset_kind",
        "valid_from",
        "approval_state",
        "counts_sessions",
        "soft_age_seconds",
        "hard_age_seconds",
        "deviation",
        "sources_min",
        "maker",
        "checker",
    )
    list_filter = ("approval", "asset_kind")
    list_select_related = ("maker", "checker")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": (*_JUDGED_BY, "deviation_limit", ("sources_min", "outlier_limit"), "reason")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A proposal that was made shows its limit in per cent, and its decision."""
        if obj is None:
            return self.fieldsets
        proposal = (*_JUDGED_BY, "deviation", ("sources_min", "outliers"), "reason")
        decision = ("approval_state", ("maker", "made_at"), ("checker", "checked_at"))
        return ((None, {"fields": proposal}), (_("Decision"), {"fields": decision}))

    def check_proposal(self, proposal: PricePolicy) -> None:
        price_policies.check_price_policy(proposal)

    def propose(self, proposal: PricePolicy, *, maker: Any) -> None:
        made = price_policies.propose_price_policy(
            asset_kind=proposal.asset_kind,
            valid_from=proposal.valid_from,
            counts_sessions=proposal.counts_sessions,
            soft_age_seconds=proposal.soft_age_seconds,
            hard_age_seconds=proposal.hard_age_seconds,
            deviation_limit=proposal.deviation_limit,
            sources_min=proposal.sources_min,
            outlier_limit=proposal.outlier_limit,
            reason=proposal.reason,
            maker=maker,
        )
        proposal.pk = made.pk

    def approve(self, proposal: PricePolicy, *, checker: Any) -> None:
        price_policies.approve_price_policy(proposal, checker=checker)

    def reject(self, proposal: PricePolicy, *, checker: Any, reason: str) -> None:
        price_policies.reject_price_policy(proposal, checker=checker, reason=reason)

    @display(description=_("deviation limit"), ordering="deviation_limit")
    def deviation(self, policy: PricePolicy) -> str:
        return f"{figure(policy.deviation_limit * 100)}%"

    @display(description=_("outlier limit"))
    def outliers(self, policy: PricePolicy) -> str:
        return f"{figure(policy.outlier_limit * 100)}%"
