from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import rate_field
from ledger.core.models import FourEyes


class CapitalHaircut(FourEyes):
    """The share of an asset's market value that does not count in liquid capital (Cap. 571N), from a date on.

    Another number than the lending haircut, with another consumer. An asset without an approved row counts for
    nothing: so does every virtual asset until the rules change (26EC5).
    """

    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    deduction = rate_field(
        _("capital haircut"), help_text=_("As a fraction: 0.15 takes fifteen per cent off.")
    )
    valid_from = models.DateField(_("valid from"))

    class Meta(FourEyes.Meta):
        verbose_name = _("capital haircut")
        verbose_name_plural = _("capital haircuts")
        constraints = [
            *FourEyes.Meta.constraints,
            models.CheckConstraint(
                name="collateral_capitalhaircut_in_range", condition=Q(deduction__gte=0, deduction__lte=1)
            ),
            models.UniqueConstraint(
                fields=["asset", "valid_from"],
                condition=Q(approval="approved"),
                name="collateral_capitalhaircut_one_per_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset.code} {self.deduction} {self.valid_from}"
