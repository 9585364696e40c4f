"""Eligibility: what the house accepts and excludes, proposed one by one or by the file, decided by a second person."""

from __future__ import annotations

import io
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from collateral import eligibility
from collateral.models import Eligibility
from ledger.core.admin import FourEyesAdmin, coloured

from .show import link
from .upload import Outcome, UploadAdmin, UploadForm

_TERMS = ("valid_from", ("entity_type", "product"), "reason")


@admin.register(Eligibility)
class EligibilityAdmin(UploadAdmin, FourEyesAdmin):
    topic = eligibility.TOPIC
    nothing_yet = _(
        "Until the house decides otherwise, margin loans are secured by listed securities, Bitcoin and Ether, "
        "each at its approved haircut. Propose to exclude an asset, or to accept one that the rules leave to you."
    )
    list_display = (
        "asset",
        "decision",
        "valid_from",
        "approval_state",
        "entity_type",
        "product",
        "maker",
        "checker",
    )
    list_filter = ("approval", "is_accepted", "entity_type", "product", "valid_from")
    list_select_related = ("asset", "maker", "checker")
    search_fields = ("asset__code", "asset__name")
    autocomplete_fields = ("asset",)
    ordering = ("-pk",)
    fieldsets = ((None, {"fields": (("asset", "is_accepted"), *_TERMS)}),)
    upload_title = _("Upload proposals of eligibility")
    upload_help = _(
        "Columns asset, accepted (yes or no), valid_from; entity_type, product and reason may stand beside them. "
        "Every line becomes a proposal of yours that somebody else has to approve."
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fieldsets
        decided = ("approval_state", ("maker", "made_at"), ("checker", "checked_at"))
        return ((None, {"fields": (("asset", "decision"), *_TERMS)}), (_("Decision"), {"fields": decided}))

    def check_proposal(self, proposal: Eligibility) -> None:
        eligibility.check_proposal(proposal)

    def propose(self, proposal: Eligibility, *, maker: Any) -> None:
        made = eligibility.propose_eligibility(
            asset=proposal.asset,
            is_accepted=proposal.is_accepted,
            valid_from=proposal.valid_from,
            entity_type=proposal.entity_type,
            product=proposal.product,
            reason=proposal.reason,
            maker=maker,
        )
        proposal.pk = made.pk

    def approve(self, proposal: Eligibility, *, checker: Any) -> None:
        eligibility.approve_eligibility(proposal, checker=checker)

    def reject(self, proposal: Eligibility, *, checker: Any, reason: str) -> None:
        eligibility.reject_eligibility(proposal, checker=checker, reason=reason)

    def take_in(self, request: HttpRequest, text: io.TextIOWrapper, form: UploadForm) -> Outcome:
        done = eligibility.import_eligibilities(text, maker=request.user)  # type: ignore[arg-type]
        counts = ((_("Proposed"), len(done.proposals)), (_("Refused"), len(done.errors)))
        lines = [(line, link(self.change_url(row.pk), row)) for line, row in done.proposals.items()]
        return Outcome(counts, done.errors, lines)

    @display(description=_("decision"), ordering="is_accepted")
    def decision(self, row: Eligibility) -> SafeString:
        return coloured(_("accepted"), "success") if row.is_accepted else coloured(_("excluded"), "danger")
