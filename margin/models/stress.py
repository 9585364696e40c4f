from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactDecimalField, rate_field
from ledger.core.models import FourEyes

from .valuation import Level, amount_field


def _within_range(name: str) -> Q:
    """Nothing loses more than all it is worth; a rise above tenfold is a slip of the pen."""
    return Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": -1, f"{name}__lte": 10})


def _change(verbose_name: Any) -> ExactDecimalField:
    return rate_field(
        verbose_name, null=True, blank=True, help_text=_("As a fraction: -0.20 is a fall of 20%.")
    )


class ScenarioSet(FourEyes):
    """The scenarios of a firm's stress tests, by version; the approved one with the latest day is in force."""

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    version = models.PositiveSmallIntegerField(_("version"), editable=False)
    valid_from = models.DateField(_("valid from"))

    class Meta(FourEyes.Meta):
        verbose_name = _("set of stress scenarios")
        verbose_name_plural = _("stress scenarios")
        constraints = [
            *FourEyes.Meta.constraints,
            models.UniqueConstraint(fields=["broker", "version"], name="margin_scenarioset_version_once"),
            models.CheckConstraint(
                name="margin_scenarioset_versions_count_from_one", condition=Q(version__gte=1)
            ),
            models.UniqueConstraint(
                fields=["broker", "valid_from"],
                condition=Q(approval="approved"),
                name="margin_scenarioset_one_per_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.broker} v{self.version} {self.valid_from}"


class StressScenario(models.Model):
    """What one scenario of a set does to prices and rates; a named asset goes before its class."""

    class Kind(models.TextChoices):
        MARKET_FALL = "market_fall", _("Market fall")
        VIRTUAL_ASSET_GAP = "virtual_asset_gap", _("Gap in virtual assets")
        SINGLE_NAME = "single_name", _("Single name")
        CORRELATED_GROUP = "correlated_group", _("Correlated group")
        CURRENCY = "currency", _("Currency off its peg")
        OTHER = "other", _("Other")

    parent = models.ForeignKey(
        ScenarioSet, on_delete=models.PROTECT, related_name="scenarios", verbose_name=_("set of scenarios")
    )
    number = models.PositiveSmallIntegerField(_("number"))
    code = models.SlugField(_("code"), max_length=32)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=80)
    securities = _change(_("change of securities"))
    virtual_assets = _change(_("change of virtual assets"))
    named = models.CharField(
        _("named assets"),
        max_length=400,
        blank=True,
        help_text=_("Codes with a space between; empty for a single name: the one that costs most."),
    )
    named_change = _change(_("change of the named"))
    currency = models.CharField(_("currency"), max_length=12, blank=True)
    currency_change = _change(_("change of the currency"))

    class Meta:
        verbose_name = _("stress scenario")
        verbose_name_plural = _("stress scenarios of a set")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["parent", "number"], name="margin_stressscenario_number_once"),
            models.UniqueConstraint(fields=["parent", "code"], name="margin_stressscenario_code_once"),
            models.CheckConstraint(
                name="margin_stressscenario_is_named", condition=~Q(name="") & ~Q(code="") & Q(number__gte=1)
            ),
            models.CheckConstraint(
                name="margin_stressscenario_moves_something",
                condition=Q(securities__isnull=False)
                | Q(virtual_assets__isnull=False)
                | Q(named_change__isnull=False)
                | Q(currency_change__isnull=False),
                violation_error_message=_("A scenario moves something."),
            ),
            models.CheckConstraint(
                name="margin_stressscenario_changes_in_range",
                condition=_within_range("securities")
                & _within_range("virtual_assets")
                & _within_range("named_change")
                & (Q(currency_change__isnull=True) | Q(currency_change__gt=-1, currency_change__lte=10)),
                violation_error_message=_(
                    "A change is a fraction from -1 to 10, and a currency keeps some worth."
                ),
            ),
            models.CheckConstraint(
                name="margin_stressscenario_names_what_moves",
                condition=(
                    Q(named="", named_change__isnull=True)
                    | Q(("kind", "single_name"), named_change__isnull=False)
                    | (~Q(named="") & Q(named_change__isnull=False))
                )
                & (
                    Q(currency="", currency_change__isnull=True)
                    | (~Q(currency="") & Q(currency_change__isnull=False))
                ),
                violation_error_message=_("A change of named assets or of a currency says of which."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_worst_name(self) -> bool:
        """Whether the name that moves is found when the scenario is run: the one that costs the lender most."""
        return self.named_change is not None and not self.named


class StressRun(models.Model):
    """A set of scenarios run over every borrowing account of a firm at one moment; once for a month, or on demand."""

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    scenario_set = models.ForeignKey(
        ScenarioSet, on_delete=models.PROTECT, related_name="runs", verbose_name=_("set of scenarios")
    )
    policy = models.ForeignKey(
        "margin.MarginPolicy", on_delete=models.PROTECT, verbose_name=_("margin policy")
    )
    stressed_at = models.DateTimeField(_("stressed at"))
    month = models.DateField(
        _("month"), null=True, blank=True, help_text=_("First day; empty for a run on demand.")
    )
    account_count = models.PositiveIntegerField(_("accounts"))
    actor = models.CharField(_("actor"), max_length=150)

    class Meta:
        verbose_name = _("stress test")
        verbose_name_plural = _("stress tests")
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "month"],
                condition=Q(month__isnull=False),
                name="margin_stressrun_monthly_once",
            ),
            models.CheckConstraint(
                name="margin_stressrun_month_begins", condition=Q(month__isnull=True) | Q(month__day=1)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.broker} {timezone.localtime(self.stressed_at):%Y-%m-%d %H:%M}"


class StressTotal(models.Model):
    """What one scenario does to the whole firm; without a scenario, how the firm stands."""

    run = models.ForeignKey(
        StressRun, on_delete=models.PROTECT, related_name="totals", verbose_name=_("stress test")
    )
    scenario = models.ForeignKey(
        StressScenario, on_delete=models.PROTECT, null=True, verbose_name=_("stress scenario")
    )
    named = models.CharField(_("named assets"), max_length=400, blank=True)
    calls = models.PositiveIntegerField(_("called"))
    immediates = models.PositiveIntegerField(_("at the level of immediate sale"))
    losers = models.PositiveIntegerField(_("accounts that lose"))
    loan = amount_field(_("loan"))
    market_value = amount_field(_("market value"))
    margin_value = amount_field(_("margin value"))
    deficiency = amount_field(_("margin deficiency"))
    loss = amount_field(_("loss to the lender"))

    class Meta:
        verbose_name = _("result of a scenario")
        verbose_name_plural = _("results of scenarios")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "scenario"], nulls_distinct=False, name="margin_stresstotal_once"
            ),
            models.CheckConstraint(
                name="margin_stresstotal_in_order",
                condition=Q(immediates__lte=F("calls"), loss__gte=0, deficiency__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.scenario_id or 0} {self.loss}"


class StressResult(models.Model):
    """What one scenario does to one facility; without a scenario, how it stands. In the facility's currency."""

    run = models.ForeignKey(
        StressRun, on_delete=models.PROTECT, related_name="results", verbose_name=_("stress test")
    )
    scenario = models.ForeignKey(
        StressScenario, on_delete=models.PROTECT, null=True, verbose_name=_("stress scenario")
    )
    facility = models.ForeignKey("margin.Facility", on_delete=models.PROTECT, verbose_name=_("facility"))
    loan = amount_field(_("loan"))
    market_value = amount_field(_("market value"))
    margin_value = amount_field(_("margin value"))
    deficiency = amount_field(_("margin deficiency"))
    loss = amount_field(_("loss to the lender"))
    level = models.CharField(_("level"), max_length=10, choices=Level.choices)

    class Meta:
        verbose_name = _("stressed account")
        verbose_name_plural = _("stressed accounts")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "scenario", "facility"],
                nulls_distinct=False,
                name="margin_stressresult_once",
            ),
            models.CheckConstraint(
                name="margin_stressresult_loses_what_is_uncovered",
                condition=Q(deficiency__gte=0, loan__gte=0)
                & (
                    Q(loss=0, market_value__gte=F("loan")) | Q(loss__gt=0, loss=F("loan") - F("market_value"))
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.facility_id} {self.loss}"


class StressName(models.Model):
    """What the firm stands to lose if one security were worth nothing."""

    run = models.ForeignKey(
        StressRun, on_delete=models.PROTECT, related_name="names", verbose_name=_("stress test")
    )
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    holders = models.PositiveIntegerField(_("accounts that hold it"))
    market_value = amount_field(_("market value"))
    calls = models.PositiveIntegerField(_("called"))
    deficiency = amount_field(_("margin deficiency"))
    loss = amount_field(_("loss to the lender"))

    class Meta:
        verbose_name = _("single name to zero")
        verbose_name_plural = _("single names to zero")
        constraints = [models.UniqueConstraint(fields=["run", "asset"], name="margin_stressname_once")]

    def __str__(self) -> str:
        return f"{self.asset_id} {self.loss}"


class StressBreakEven(models.Model):
    """How far prices must fall until a facility is called, sold at once, or costs the lender; empty is never."""

    class Of(models.TextChoices):
        EVERYTHING = "everything", _("Everything")
        VIRTUAL_ASSETS = "virtual_assets", _("Virtual assets alone")

    run = models.ForeignKey(
        StressRun, on_delete=models.PROTECT, related_name="break_evens", verbose_name=_("stress test")
    )
    facility = models.ForeignKey("margin.Facility", on_delete=models.PROTECT, verbose_name=_("facility"))
    of = models.CharField(_("what falls"), max_length=16, choices=Of.choices)
    to_call = ExactDecimalField(_("until a call"), max_digits=7, decimal_places=6, null=True)
    to_immediate = ExactDecimalField(_("until an immediate sale"), max_digits=7, decimal_places=6, null=True)
    to_loss = ExactDecimalField(_("until a loss"), max_digits=7, decimal_places=6, null=True)

    class Meta:
        verbose_name = _("break-even")
        verbose_name_plural = _("break-evens")
        constraints = [
            models.UniqueConstraint(fields=["run", "facility", "of"], name="margin_stressbreakeven_once"),
            models.CheckConstraint(
                name="margin_stressbreakeven_in_range",
                condition=(Q(to_call__isnull=True) | Q(to_call__gte=0, to_call__lte=1))
                & (Q(to_immediate__isnull=True) | Q(to_immediate__gte=F("to_call"), to_immediate__lte=1))
                & (Q(to_loss__isnull=True) | Q(to_loss__gte=0, to_loss__lte=1)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.facility_id} {self.of}"
