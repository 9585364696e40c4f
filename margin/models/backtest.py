from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactDecimalField, rate_field

from .valuation import amount_field


class HaircutBacktest(models.Model):
    """What several haircuts on coins would have done to the lender over real prices, as it was computed."""

    started_on = models.DateField(_("first day"))
    ended_on = models.DateField(_("last day"))
    account_count = models.PositiveIntegerField(_("accounts"))
    seed = models.IntegerField(_("seed"), help_text=_("Which accounts were drawn."))
    ran_at = models.DateTimeField(_("ran at"))
    actor = models.CharField(_("actor"), max_length=150)

    class Meta:
        verbose_name = _("backtest of haircuts")
        verbose_name_plural = _("backtests of haircuts")
        constraints = [
            models.CheckConstraint(
                name="margin_haircutbacktest_lived",
                condition=Q(ended_on__gte=F("started_on"), account_count__gte=1),
            )
        ]

    def __str__(self) -> str:
        return f"{self.started_on} – {self.ended_on}"


class HaircutOutcomeRow(models.Model):
    """One haircut of a backtest; amounts in Hong Kong dollars, over all its accounts and days."""

    backtest = models.ForeignKey(
        HaircutBacktest, on_delete=models.PROTECT, related_name="rows", verbose_name=_("backtest of haircuts")
    )
    haircut = rate_field(_("haircut"))
    lent = amount_field(_("lent at the opening"))
    calls = models.PositiveIntegerField(_("calls"))
    sales = models.PositiveIntegerField(_("forced sales"))
    sold = amount_field(_("sold"))
    losers = models.PositiveIntegerField(_("accounts that lose"))
    loss = amount_field(_("loss to the lender"))
    thinnest_cover = ExactDecimalField(
        _("thinnest cover"),
        max_digits=18,
        decimal_places=6,
        null=True,
        help_text=_("The least market value was of a loan at a close at which it was called."),
    )

    class Meta:
        verbose_name = _("haircut of a backtest")
        verbose_name_plural = _("haircuts of backtests")
        ordering = ["haircut"]
        constraints = [
            models.UniqueConstraint(fields=["backtest", "haircut"], name="margin_haircutoutcomerow_once"),
            models.CheckConstraint(
                name="margin_haircutoutcomerow_in_range",
                condition=Q(haircut__gte=0, haircut__lt=1, lent__gte=0, sold__gte=0)
                & (Q(loss=0, losers=0) | Q(loss__gt=0, losers__gte=1))
                & (Q(thinnest_cover__isnull=True) | Q(thinnest_cover__gte=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.haircut} {self.loss}"
