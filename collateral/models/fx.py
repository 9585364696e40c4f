from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import price_field

# The convertibility zone of the linked exchange rate system; a rate outside it is a feed error.
USD_HKD_PEG = (Decimal("7.75"), Decimal("7.85"))


class FxRate(models.Model):
    """What one unit of `base` costs in `quote`: assets are valued at bid, debts at ask."""

    base = models.CharField(_("base currency"), max_length=12)
    quote = models.CharField(_("quote currency"), max_length=12)
    bid = price_field(_("bid"))
    ask = price_field(_("ask"))
    source = models.CharField(_("source"), max_length=40)
    observed_at = models.DateTimeField(_("observed at"))
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("exchange rate")
        verbose_name_plural = _("exchange rates")
        constraints = [
            models.CheckConstraint(
                name="collateral_fxrate_bid_not_above_ask", condition=Q(bid__gt=0, bid__lte=F("ask"))
            ),
            models.CheckConstraint(
                name="collateral_fxrate_usd_within_peg",
                condition=~Q(base="USD", quote="HKD") | Q(bid__gte=USD_HKD_PEG[0], ask__lte=USD_HKD_PEG[1]),
            ),
            models.CheckConstraint(
                name="collateral_fxrate_not_from_the_future", condition=Q(observed_at__lte=F("received_at"))
            ),
            models.UniqueConstraint(
                fields=["base", "quote", "source", "observed_at"], name="collateral_fxrate_observed_once"
            ),
        ]
        indexes = [
            models.Index(fields=["base", "quote", "-observed_at", "-id"], name="collateral_fxrate_latest")
        ]

    def __str__(self) -> str:
        return f"{self.base}/{self.quote} {self.bid}–{self.ask}"
