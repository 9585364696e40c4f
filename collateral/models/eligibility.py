from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.models import FourEyes

from .haircut import EntityType, Product


class Eligibility(FourEyes):
    """The house's decision whether an asset may secure a product of a kind of firm, from a date on.

    The approved row with the latest `valid_from` not after the day applies; without one the rules decide
    (:func:`collateral.eligibility.standing_of`). No row admits what the rules forbid.
    """

    entity_type = models.CharField(
        _("entity type"),
        max_length=24,
        choices=EntityType.choices,
        default=EntityType.LICENSED_CORPORATION,
    )
    product = models.CharField(
        _("product"), max_length=12, choices=Product.choices, default=Product.MARGIN_LOAN
    )
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    is_accepted = models.BooleanField(
        _("is accepted"), help_text=_("An asset that is not accepted counts for nothing.")
    )
    valid_from = models.DateField(_("valid from"))

    class Meta(FourEyes.Meta):
        verbose_name = _("eligibility")
        verbose_name_plural = _("eligibility")
        constraints = [
            *FourEyes.Meta.constraints,
            models.UniqueConstraint(
                fields=["entity_type", "product", "asset", "valid_from"],
                condition=Q(approval="approved"),
                name="collateral_eligibility_one_per_day",
            ),
        ]
        indexes = [
            models.Index(
                fields=["entity_type", "product", "asset", "-valid_from"],
                name="collateral_eligibility_latest",
            )
        ]

    def __str__(self) -> str:
        said = _("accepted") if self.is_accepted else _("excluded")
        return f"{self.asset.code} {said} {self.valid_from}"
