from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import price_field, rate_field
from ledger.core.models import FourEyes
from ledger.models import Asset


class Price(models.Model):
    """A price that was observed at a source; corrections are later rows, nothing is overwritten."""

    instrument = models.ForeignKey(
        "collateral.Instrument", on_delete=models.PROTECT, related_name="prices", verbose_name=_("instrument")
    )
    source = models.CharField(_("source"), max_length=40)
    price = price_field(_("price"))
    currency = models.CharField(_("currency"), max_length=12)
    observed_at = models.DateTimeField(_("observed at"))
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints = [
            models.CheckConstraint(name="collateral_price_positive", condition=Q(price__gt=0)),
            models.CheckConstraint(
                name="collateral_price_not_from_the_future", condition=Q(observed_at__lte=F("received_at"))
            ),
            models.UniqueConstraint(
                fields=["instrument", "source", "observed_at"], name="collateral_price_observed_once"
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

    class Meta(FourEyes.Meta):
        verbose_name = _("price policy")
        verbose_name_plural = _("price policies")
        constraints = [
            *FourEyes.Meta.constraints,
            models.CheckConstraint(
                name="collateral_pricepolicy_soft_before_hard",
                condition=Q(soft_age_seconds__lte=F("hard_age_seconds")),
            ),
            models.UniqueConstraint(
                fields=["asset_kind", "valid_from"],
                condition=Q(approval="approved"),
                name="collateral_pricepolicy_one_per_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_asset_kind_display()} {self.valid_from}"
