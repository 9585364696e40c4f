from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactDecimalField, rate_field
from ledger.core.models import FourEyes


class ClientGroup(models.Model):
    """Clients who are one risk: under common control, spouses, guarantors of each other."""

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("client group")
        verbose_name_plural = _("client groups")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["broker", "name"], name="margin_clientgroup_name_once"),
            models.CheckConstraint(name="margin_clientgroup_name_given", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name


class CollateralCap(FourEyes):
    """How much margin value may count of one asset, or of virtual assets, in an account, a group or the firm.

    The approved row with the latest `valid_from` not after the day applies, for each scope, measure and asset.
    """

    class Scope(models.TextChoices):
        ACCOUNT = "account", _("Account")
        GROUP = "group", _("Client group")
        FIRM = "firm", _("Firm")

    class Measure(models.TextChoices):
        SINGLE_NAME = "single_name", _("One asset, as a share of all margin value")
        AMOUNT = "amount", _("One asset, by amount of margin value")
        VIRTUAL_ASSETS = "virtual_assets", _("Virtual assets, as a share of securities")

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    scope = models.CharField(_("scope"), max_length=8, choices=Scope.choices)
    measure = models.CharField(_("measure"), max_length=16, choices=Measure.choices)
    asset = models.ForeignKey(
        "ledger.Asset",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("asset"),
        help_text=_("Empty where the cap holds for each asset, or for virtual assets together."),
    )
    share = rate_field(
        _("share"), null=True, blank=True, help_text=_("As a fraction of uncapped margin value: 0.40 is 40%.")
    )
    amount = ExactDecimalField(
        _("amount"),
        max_digits=20,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Margin value in Hong Kong dollars."),
    )
    valid_from = models.DateField(_("valid from"))

    class Meta(FourEyes.Meta):
        verbose_name = _("collateral cap")
        verbose_name_plural = _("collateral caps")
        constraints = [
            *FourEyes.Meta.constraints,
            models.CheckConstraint(
                name="margin_collateralcap_share_or_amount",
                condition=Q(
                    measure="single_name",
                    share__isnull=False,
                    share__gte=0,
                    share__lte=1,
                    amount__isnull=True,
                )
                | Q(
                    measure="virtual_assets",
                    share__isnull=False,
                    share__gte=0,
                    share__lte=100,
                    amount__isnull=True,
                    asset__isnull=True,
                )
                | Q(
                    measure="amount",
                    amount__isnull=False,
                    amount__gte=0,
                    share__isnull=True,
                    asset__isnull=False,
                ),
                violation_error_message=_(
                    "A cap by amount names an asset and an amount; any other cap a share, from 0 to 1 for one"
                    " asset."
                ),
            ),
            models.UniqueConstraint(
                fields=["broker", "scope", "measure", "asset", "valid_from"],
                condition=Q(approval="approved"),
                nulls_distinct=False,
                name="margin_collateralcap_one_per_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.measure} {self.valid_from}"


class ValuationCap(models.Model):
    """A cap that bound on one asset of a valuation, with the sums of its scope at that moment."""

    valuation = models.ForeignKey(
        "margin.Valuation", on_delete=models.PROTECT, related_name="caps", verbose_name=_("valuation")
    )
    cap = models.ForeignKey(
        "margin.CollateralCap", on_delete=models.PROTECT, verbose_name=_("collateral cap")
    )
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    base = ExactDecimalField(_("base"), max_digits=30, decimal_places=2)
    scope_value = ExactDecimalField(_("held within the scope"), max_digits=30, decimal_places=2)
    ceiling = ExactDecimalField(_("counted at most"), max_digits=30, decimal_places=2)

    class Meta:
        verbose_name = _("cap that bound")
        verbose_name_plural = _("caps that bound")
        constraints = [
            models.UniqueConstraint(fields=["valuation", "cap", "asset"], name="margin_valuationcap_once")
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} ≤ {self.ceiling}"


class ValuationRunTotal(models.Model):
    """The uncapped margin value of one asset over all accounts of a run: what firm-wide caps are held against."""

    run = models.ForeignKey(
        "margin.ValuationRun", on_delete=models.PROTECT, related_name="totals", verbose_name=_("run")
    )
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    margin_value = ExactDecimalField(_("uncapped margin value"), max_digits=36, decimal_places=2)

    class Meta:
        verbose_name = _("total of a run")
        verbose_name_plural = _("totals of a run")
        constraints = [models.UniqueConstraint(fields=["run", "asset"], name="margin_valuationruntotal_once")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.asset_id} {self.margin_value}"
