from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactDecimalField, rate_field
from ledger.core.models import FourEyes

# 26EC5: the haircut on Bitcoin and Ether pledged for margin financing is at least 60%.
VIRTUAL_ASSET_HAIRCUT_FLOOR = Decimal("0.60")


class EntityType(models.TextChoices):
    """Who the firm is to the regulator; eligibility depends on it."""

    LICENSED_CORPORATION = "licensed_corporation", _("Licensed corporation")
    REGISTERED_INSTITUTION = "registered_institution", _("Registered institution")
    TRADING_PLATFORM = "trading_platform", _("Virtual asset trading platform")


class Product(models.TextChoices):
    MARGIN_LOAN = "margin_loan", _("Margin loan")
    PERPETUAL = "perpetual", _("Perpetual contract")


class LendingHaircut(FourEyes):
    """The share of an asset's market value that may not be lent against, from a date on.

    The approved row with the latest `valid_from` not after the day applies; an asset without one carries no
    margin value. Regulatory-capital haircuts are another table with another consumer.
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
    haircut = rate_field(_("haircut"), help_text=_("As a fraction: 0.60 takes sixty per cent off."))
    tier_count = models.PositiveSmallIntegerField(_("tiers"), default=0, db_default=0)
    valid_from = models.DateField(_("valid from"))

    class Meta(FourEyes.Meta):
        verbose_name = _("lending haircut")
        verbose_name_plural = _("lending haircuts")
        constraints = [
            *FourEyes.Meta.constraints,
            models.CheckConstraint(
                name="collateral_lendinghaircut_in_range", condition=Q(haircut__gte=0, haircut__lte=1)
            ),
            models.UniqueConstraint(
                fields=["entity_type", "product", "asset", "valid_from"],
                condition=Q(approval="approved"),
                name="collateral_lendinghaircut_one_per_day",
            ),
        ]
        indexes = [
            models.Index(
                fields=["entity_type", "product", "asset", "-valid_from"], name="collateral_haircut_latest"
            )
        ]

    def __str__(self) -> str:
        return f"{self.asset.code} {self.haircut} {self.valid_from}"

    @property
    def margin_ratio(self) -> Decimal:
        return 1 - self.haircut


class HaircutTier(models.Model):
    """A higher haircut on the slice of an account's market value beyond a bound, up to the next tier.

    Tiers are proposed with their haircut, as many as it announces in `tier_count`, and decided with it.
    """

    parent = models.ForeignKey(
        "collateral.LendingHaircut",
        on_delete=models.PROTECT,
        related_name="tiers",
        verbose_name=_("lending haircut"),
    )
    above = ExactDecimalField(
        _("above market value"), max_digits=20, decimal_places=2, help_text=_("In Hong Kong dollars.")
    )
    haircut = rate_field(_("haircut"))

    class Meta:
        verbose_name = _("haircut tier")
        verbose_name_plural = _("haircut tiers")
        ordering = ["above"]
        constraints = [
            models.UniqueConstraint(fields=["parent", "above"], name="collateral_haircuttier_once"),
            models.CheckConstraint(name="collateral_haircuttier_above_zero", condition=Q(above__gt=0)),
            models.CheckConstraint(
                name="collateral_haircuttier_in_range", condition=Q(haircut__gte=0, haircut__lte=1)
            ),
        ]

    def __str__(self) -> str:
        return f"> {self.above} {self.haircut}"
