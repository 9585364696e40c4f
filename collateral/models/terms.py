from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class TermSheet(models.Model):
    """What else than price, rate and haircut decided how much of each asset counted at a moment.

    Valuations made under the same terms name the same sheet, so a run of a million accounts keeps one. It is
    never changed: whatever is decided or corrected later, a replay reads here what was applied.
    """

    digest = models.CharField(_("digest"), max_length=64, unique=True)
    kept_at = models.DateTimeField(_("kept at"))

    class Meta:
        verbose_name = _("term sheet")
        verbose_name_plural = _("term sheets")

    def __str__(self) -> str:
        return self.digest[:12]


class TermSheetLine(models.Model):
    """The terms of one asset that were not simply those of its haircut, and the rows they came from."""

    sheet = models.ForeignKey(
        "collateral.TermSheet", on_delete=models.PROTECT, related_name="lines", verbose_name=_("term sheet")
    )
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    is_eligible = models.BooleanField(_("is eligible"))
    eligibility = models.ForeignKey(
        "collateral.Eligibility", on_delete=models.PROTECT, null=True, verbose_name=_("eligibility")
    )

    class Meta:
        verbose_name = _("line of a term sheet")
        verbose_name_plural = _("lines of a term sheet")
        constraints = [
            models.UniqueConstraint(fields=["sheet", "asset"], name="collateral_termsheetline_once")
        ]

    def __str__(self) -> str:
        return f"{self.sheet_id} {self.asset_id}"
