"""Lending haircuts: proposed one by one or by the file, decided by a second person."""

from __future__ import annotations

import io
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from collateral import haircuts
from collateral import tiers as haircut_tiers
from collateral.models import LendingHaircut
from ledger.core.admin import FourEyesAdmin
from ledger.core.errors import Refusal

from .show import NOTHING, figure, link
from .upload import Outcome, UploadAdmin, UploadForm


class HaircutForm(forms.ModelForm):
    """Takes the asset by its code and the haircut as text, so that V05 answers as at every other door."""

    asset = forms.CharField(
        label=_("Asset"),
        max_length=16,
        help_text=_("BTC, ETH or a stock code of five digits."),
        widget=UnfoldAdminTextInputWidget(),
    )
    haircut = forms.CharField(
        label=_("Haircut"),
        max_length=80,
        help_text=_("As a fraction: 0.60 takes sixty per cent off."),
        widget=UnfoldAdminTextInputWidget(),
    )
    tiers = forms.CharField(
        label=_("Tiers"),
        required=False,
        max_length=2_000,
        help_text=_(
            "Higher haircuts on higher slices of an account's market value, as 2000000:0.70; 5000000:1. "
            "Leave empty for one haircut on all of it."
        ),
        widget=UnfoldAdminTextInputWidget(),
    )

    class Meta:
        model = LendingHaircut
        fields = ("asset", "haircut", "valid_from", "entity_type", "product", "reason")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        asset, haircut = given.pop("asset", None), given.pop("haircut", None)
        if asset is None or haircut is None or "entity_type" not in given or "product" not in given:
            return given
        try:
            given["asset"], given["haircut"] = haircuts.validate_haircut(
                asset=asset, haircut=haircut, entity_type=given["entity_type"], product=given["product"]
            )
            read = haircut_tiers.read_tiers(given.get("tiers", ""))
            given["tiers"] = haircut_tiers.check_tiers(given["asset"], given["haircut"], read)
        except Refusal as refusal:
            self.add_error(refusal.field, forms.ValidationError(refusal.message, code=refusal.reason))
        return given

    def _get_validation_exclusions(self) -> set[str]:
        """Leave the model's own words out: the service has judged both fields or refused them above."""
        return {*super()._get_validation_exclusions(), "asset", "haircut"}  # type: ignore[misc]


@admin.register(LendingHaircut)
class LendingHaircutAdmin(UploadAdmin, FourEyesAdmin):
    topic = haircuts.TOPIC
    form = HaircutForm
    list_display = (
        "asset",
        "percentage",
        "slices",
        "valid_from",
        "approval_state",
        "entity_type",
        "product",
        "maker",
        "checker",
    )
    list_filter = ("approval", "entity_type", "product", "valid_from")
    list_select_related = ("asset", "maker", "checker")
    search_fields = ("asset__code", "asset__name")
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {"fields": (("asset", "haircut"), "tiers", "valid_from", ("entity_type", "product"), "reason")},
        ),
    )
    upload_title = _("Upload proposals of haircuts")
    upload_help = _(
        "Columns asset, haircut, valid_from; entity_type, product, tiers (as 2000000:0.70; 5000000:1) and reason "
        "may stand beside them. Every line becomes a proposal of yours that somebody else has to approve."
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A proposal that was made shows its haircut in per cent, and its decision."""
        if obj is None:
            return self.fieldsets
        proposal = (("asset", "percentage"), "slices", "valid_from", ("entity_type", "product"), "reason")
        decision = ("approval_state", ("maker", "made_at"), ("checker", "checked_at"))
        return ((None, {"fields": proposal}), (_("Decision"), {"fields": decision}))

    def check_proposal(self, proposal: LendingHaircut) -> None:
        haircuts.check_dates(proposal)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LendingHaircut]:
        return super().get_queryset(request).prefetch_related("tiers")

    def save_model(self, request: HttpRequest, obj: LendingHaircut, form: Any, change: bool) -> None:
        """The tiers stand in the form, not in the row, so the proposal is made here."""
        if change:
            raise PermissionDenied
        obj.pk = haircuts.propose_haircut(
            asset=obj.asset,
            haircut=obj.haircut,
            valid_from=obj.valid_from,
            entity_type=obj.entity_type,
            product=obj.product,
            tiers=[tier._asdict() for tier in form.cleaned_data["tiers"]],
            reason=obj.reason,
            maker=request.user,  # type: ignore[arg-type]
        ).pk

    def approve(self, proposal: LendingHaircut, *, checker: Any) -> None:
        haircuts.approve_haircut(proposal, checker=checker)

    def reject(self, proposal: LendingHaircut, *, checker: Any, reason: str) -> None:
        haircuts.reject_haircut(proposal, checker=checker, reason=reason)

    def take_in(self, request: HttpRequest, text: io.TextIOWrapper, form: UploadForm) -> Outcome:
        done = haircuts.import_haircuts(text, maker=request.user)  # type: ignore[arg-type]
        counts = ((_("Proposed"), len(done.proposals)), (_("Refused"), len(done.errors)))
        lines = [(line, link(self.change_url(row.pk), row)) for line, row in done.proposals.items()]
        return Outcome(counts, done.errors, lines)

    @display(description=_("haircut"), ordering="haircut")
    def percentage(self, haircut: LendingHaircut) -> str:
        return f"{figure(haircut.haircut * 100)}%"

    @display(description=_("tiers"))
    def slices(self, haircut: LendingHaircut) -> str:
        shown = [f"> HKD {figure(tier.above)}: {figure(tier.haircut * 100)}%" for tier in haircut.tiers.all()]
        return "; ".join(shown) or NOTHING
