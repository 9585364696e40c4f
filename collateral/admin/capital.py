"""Regulatory-capital haircuts: proposed one by one or by the file, decided by a second person."""

from __future__ import annotations

import io
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from collateral import capital
from collateral.models import CapitalHaircut
from ledger.core.admin import FourEyesAdmin

from .show import figure, link
from .upload import Outcome, UploadAdmin, UploadForm


@admin.register(CapitalHaircut)
class CapitalHaircutAdmin(UploadAdmin, FourEyesAdmin):
    topic = capital.TOPIC
    list_display = ("asset", "percentage", "valid_from", "approval_state", "maker", "checker")
    list_filter = ("approval", "valid_from")
    list_select_related = ("asset", "maker", "checker")
    search_fields = ("asset__code", "asset__name")
    ordering = ("-pk",)
    fieldsets = ((None, {"fields": (("asset", "deduction"), "valid_from", "reason")}),)
    upload_title = _("Upload proposals of capital haircuts")
    upload_help = _(
        "Columns asset, capital_haircut, valid_from; reason may stand beside them. Every line becomes a "
        "proposal of yours that somebody else has to approve."
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fieldsets
        decision = ("approval_state", ("maker", "made_at"), ("checker", "checked_at"))
        return (
            (None, {"fields": (("asset", "percentage"), "valid_from", "reason")}),
            (_("Decision"), {"fields": decision}),
        )

    def check_proposal(self, proposal: CapitalHaircut) -> None:
        capital.validate_deduction(asset=proposal.asset, deduction=proposal.deduction)
        capital.check_dates(proposal)

    def propose(self, proposal: CapitalHaircut, *, maker: Any) -> None:
        made = capital.propose_deduction(
            asset=proposal.asset,
            deduction=proposal.deduction,
            valid_from=proposal.valid_from,
            reason=proposal.reason,
            maker=maker,
        )
        proposal.pk = made.pk

    def approve(self, proposal: CapitalHaircut, *, checker: Any) -> None:
        capital.approve_deduction(proposal, checker=checker)

    def reject(self, proposal: CapitalHaircut, *, checker: Any, reason: str) -> None:
        capital.reject_deduction(proposal, checker=checker, reason=reason)

    def take_in(self, request: HttpRequest, text: io.TextIOWrapper, form: UploadForm) -> Outcome:
        done = capital.import_deductions(text, maker=request.user)  # type: ignore[arg-type]
        counts = ((_("Proposed"), len(done.proposals)), (_("Refused"), len(done.errors)))
        lines = [(line, link(self.change_url(row.pk), row)) for line, row in done.proposals.items()]
        return Outcome(counts, done.errors, lines)

    @display(description=_("capital haircut"), ordering="deduction")
    def percentage(self, row: CapitalHaircut) -> str:
        return f"{figure(row.deduction * 100)}%"
