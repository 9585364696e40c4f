from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import price_field, rate_field
from ledger.core.models import FourEyes
from ledger.models import Asset


class PriceAdjustment(models.Model):
    """A split as the market sees it: from this moment on, what was observed before counts at the split's ratio."""

    instrument = models.ForeignKey(
        "collateral.Instrument",
        on_delete=models.PROTECT,
        related_name="adjustments",
        verbose_name=_("instrument"),
    )
    corporate_action = models.ForeignKey(
        "ledger.CorporateAction", on_delete=models.PROTECT, verbose_name=_("corporate action")
    )
    effective_at = models.DateTimeField(_("effective at"))

    class Meta:
        verbose_name = _("price adjustment")
        verbose_name_plural = _("price adjustments")
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "corporate_action"], name="collateral_priceadjustment_once"
            )
        ]
        indexes = [
            models.Index(fields=["instrument", "-effective_at", "-id"], name="collateral_adjustment_latest")
        ]

    def __str__(self) -> str:
        return str(self.corporate_action)


class Price(models.Model):
    """A price that was observed at a source; corrections are later rows, nothing is overwritten.

    The row of an `adjustment` is what an observation is worth after a split: it keeps source and time, so that it
    is as old as what was seen.
    """

    instrument = models.ForeignKey(
        "collateral.Instrument", on_delete=models.PROTECT, related_name="prices", verbose_name=_("instrument")
    )
    source = models.CharField(_("source"), max_length=40)
    price = price_field(_("price"))
    currency = models.CharField(_("currency"), max_length=12)
    observed_at = models.DateTimeField(_("observed at"))
    received_at = models.DateTimeField(_("received at"))
    adjustment = models.ForeignKey(
        "collateral.PriceAdjustment",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="prices",
        db_index=False,
        verbose_name=_("price adjustment"),
    )
    adjusts = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("adjusts"),
    )

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints = [
            models.CheckConstraint(name="collateral_price_positive", condition=Q(price__gt=0)),
            models.CheckConstraint(
                name="collateral_price_not_from_the_future", condition=Q(observed_at__lte=F("received_at"))
            ),
            models.UniqueConstraint(
                fields=["instrument", "source", "observed_at"],
                condition=Q(adjustment__isnull=True),
                name="collateral_price_observed_once",
            ),
            models.UniqueConstraint(
                fields=["adjusts", "adjustment"],
                condition=Q(adjustment__isnull=False),
                name="collateral_price_adjusted_once",
            ),
            models.CheckConstraint(
                name="collateral_price_adjusts_something",
                condition=Q(adjustment__isnull=True, adjusts__isnull=True)
                | Q(adjustment__isnull=False, adjusts__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["instrument", "-observed_at", "-id"], name="collateral_price_latest")]

    def __str__(self) -> str:
        return f"{self.instrument.code} {self.price} {self.currency} {self.observed_at:%Y-%m-%d %H:%M}"


class PricePolicy(FourEyes):
    """How old a price may be before it stops new credit (soft) and forced sales (hard).

    A security is judged by trading sessions instead where `counts_sessions` is set.
    """

    asset_kind = models.CharField(_("asset kind"), max_length=20, choices=Asset.Kind.choices)
    valid_from = models.DateField(_("valid from"))
    counts_sessions = models.BooleanField(_("counts trading sessions"), default=False)
    soft_age_seconds = models.PositiveIntegerField(_("soft age (seconds)"))
    hard_age_seconds = models.PositiveIntegerField(_("hard age (seconds)"))
    deviation_limit = rate_field(
        _("deviation limit"),
        help_text=_("Largest move from the previous price that is accepted, 0.50 = 50%."),
    )
    sources_min = models.PositiveSmallIntegerField(
        _("sources that must agree"),
        default=1,
        help_text=_(
            "From two on, a price of the feeds is the median of the bids of that many sources or more."
        ),
    )
    outlier_limit = rate_field(
        _("outlier limit"),
        default=Decimal("0.02"),
        help_text=_("A source further from the median of all is left out, 0.02 = 2%."),
    )

    class Meta(FourEyes.Meta):
        verbose_name = _("price policy")
        verbose_name_plural = _("price policies")
        constraints = [
            *FourEyes.Meta.constraints,
            models.CheckConstraint(
                name="collateral_pricepolicy_soft_before_hard",
                condition=Q(soft_age_seconds__lte=F("hard_age_seconds")),
            ),
            models.CheckConstraint(
                name="collateral_pricepolicy_sources_in_range",
                condition=Q(
                    sources_min__gte=1, sources_min__lte=20, outlier_limit__gt=0, outlier_limit__lt=1
                ),
            ),
            models.UniqueConstraint(
                fields=["asset_kind", "valid_from"],
                condition=Q(approval="approved"),
                name="collateral_pricepolicy_one_per_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_asset_kind_display()} {self.valid_from}"
