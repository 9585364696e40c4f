from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactDecimalField, price_field


class Level(models.TextChoices):
    """Where utilisation stands against the policy."""

    NORMAL = "normal", _("Normal")
    WARNING = "warning", _("Warning")
    CALL = "call", _("Call")
    IMMEDIATE = "immediate", _("Immediate sale")


class ValuationRun(models.Model):
    """One revaluation of every facility of a broker at one moment; complete, or it says that it is not."""

    class Status(models.TextChoices):
        RUNNING = "running", _("Running")
        COMPLETE = "complete", _("Complete")

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    valued_at = models.DateTimeField(_("valued at"))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.RUNNING)
    account_count = models.PositiveIntegerField(_("accounts"), default=0)

    class Meta:
        verbose_name = _("valuation run")
        verbose_name_plural = _("valuation runs")
        constraints = [
            models.UniqueConstraint(fields=["broker", "valued_at"], name="margin_valuationrun_once")
        ]

    def __str__(self) -> str:
        return f"{self.broker} {timezone.localtime(self.valued_at):%Y-%m-%d %H:%M}"


def amount_field(verbose_name: Any) -> ExactDecimalField:
    return ExactDecimalField(verbose_name, max_digits=30, decimal_places=2)


class Valuation(models.Model):
    """A facility's collateral against its loan, in the facility's currency, with all that made it."""

    run = models.ForeignKey(
        "margin.ValuationRun",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="valuations",
        verbose_name=_("run"),
    )
    facility = models.ForeignKey("margin.Facility", on_delete=models.PROTECT, verbose_name=_("facility"))
    policy = models.ForeignKey("margin.MarginPolicy", on_delete=models.PROTECT, verbose_name=_("policy"))
    term_sheet = models.ForeignKey(
        "collateral.TermSheet",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("term sheet"),
        help_text=_("Empty where nothing but haircuts decided what counted."),
    )
    valued_at = models.DateTimeField(_("valued at"))
    principal = amount_field(_("principal"))
    interest = amount_field(_("interest"))
    cash = amount_field(_("cash and unsettled proceeds"))
    loan = amount_field(_("loan"))
    market_value = amount_field(_("market value"))
    margin_value = amount_field(_("margin value"))
    securities_margin_value = amount_field(_("margin value of securities"))
    credit_limit = amount_field(_("credit limit"))
    deficiency = amount_field(_("margin deficiency"))
    utilisation = ExactDecimalField(
        _("utilisation"),
        max_digits=36,
        decimal_places=6,
        null=True,
        help_text=_("Empty where there is a loan and nothing to lend against."),
    )
    level = models.CharField(_("level"), max_length=10, choices=Level.choices)
    has_soft_stale_price = models.BooleanField(_("has soft-stale price"), default=False)
    has_hard_stale_price = models.BooleanField(_("has hard-stale price"), default=False)

    class Meta:
        verbose_name = _("valuation")
        verbose_name_plural = _("valuations")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "facility"], condition=Q(run__isnull=False), name="margin_valuation_once_a_run"
            )
        ]
        indexes = [
            models.Index(fields=["facility", "-valued_at", "-id"], name="margin_valuation_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.facility} {timezone.localtime(self.valued_at):%Y-%m-%d %H:%M}"


class ValuationLine(models.Model):
    """One asset of a valuation: the rows it was valued by, and what came out."""

    valuation = models.ForeignKey(
        "margin.Valuation", on_delete=models.PROTECT, related_name="lines", verbose_name=_("valuation")
    )
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    quantity = price_field(_("quantity"))
    price = models.ForeignKey(
        "collateral.Price", on_delete=models.PROTECT, null=True, verbose_name=_("price")
    )
    fx_rate = models.ForeignKey(
        "collateral.FxRate", on_delete=models.PROTECT, null=True, verbose_name=_("exchange rate")
    )
    haircut = models.ForeignKey(
        "collateral.LendingHaircut", on_delete=models.PROTECT, null=True, verbose_name=_("haircut")
    )
    market_value = amount_field(_("market value"))
    margin_value = amount_field(_("margin value"))
    uncapped_margin_value = ExactDecimalField(
        _("margin value before caps"),
        max_digits=30,
        decimal_places=2,
        null=True,
        help_text=_("Empty where no cap bound."),
    )

    class Meta:
        verbose_name = _("valuation line")
        verbose_name_plural = _("valuation lines")
        constraints = [
            models.UniqueConstraint(fields=["valuation", "asset"], name="margin_valuationline_once")
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} {self.market_value}"
