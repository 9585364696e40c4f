from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactMoneyField, rate_field


class Client(models.Model):
    """A person or company that pledges collateral and borrows; its number owns its accounts in the book."""

    class Kind(models.TextChoices):
        INDIVIDUAL = "individual", _("Individual")
        CORPORATE = "corporate", _("Corporate")

    class Language(models.TextChoices):
        ENGLISH = "en", _("English")
        CHINESE = "zh-hant", _("Traditional Chinese")

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    number = models.CharField(_("client number"), max_length=40)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.INDIVIDUAL)
    language = models.CharField(
        _("language"), max_length=8, choices=Language.choices, default=Language.ENGLISH
    )
    email = models.EmailField(_("e-mail"), blank=True)
    group = models.ForeignKey(
        "margin.ClientGroup",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="clients",
        verbose_name=_("client group"),
    )
    mobile = models.CharField(
        _("mobile number"),
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text=_("For SMS, as +85291234567."),
    )
    opened_on = models.DateField(_("opened on"))
    credit_review_due_on = models.DateField(
        _("credit review due on"),
        null=True,
        blank=True,
        help_text=_("New credit stops when the review is missing or overdue."),
    )
    va_financing_from = models.DateField(
        _("virtual asset financing from"),
        null=True,
        blank=True,
        help_text=_("Empty until the client was approved to borrow against virtual assets."),
    )

    class Meta:
        verbose_name = _("client")
        verbose_name_plural = _("clients")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["broker", "number"], name="margin_client_number_once"),
            models.CheckConstraint(name="margin_client_number_given", condition=~Q(number="")),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class RatePlan(models.Model):
    """What borrowing costs a year: one rate within margin value, a higher one beyond it."""

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    name = models.CharField(_("name"), max_length=60)
    valid_from = models.DateField(_("valid from"))
    rate_per_annum = rate_field(_("rate per annum within margin value"))
    excess_rate_per_annum = rate_field(_("rate per annum beyond margin value"))

    class Meta:
        verbose_name = _("rate plan")
        verbose_name_plural = _("rate plans")
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "name", "valid_from"], name="margin_rateplan_one_per_day"
            ),
            models.CheckConstraint(
                name="margin_rateplan_rates_in_range",
                condition=Q(
                    rate_per_annum__gte=0,
                    rate_per_annum__lt=1,
                    excess_rate_per_annum__gte=0,
                    excess_rate_per_annum__lt=1,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.valid_from}"


class Facility(models.Model):
    """A margin loan agreement with one client: how much may be drawn and at which rates."""

    client = models.OneToOneField("margin.Client", on_delete=models.PROTECT, verbose_name=_("client"))
    credit_limit = ExactMoneyField(_("credit limit"))
    rate_plan = models.CharField(_("rate plan"), max_length=60)
    opened_on = models.DateField(_("opened on"))
    closed_on = models.DateField(_("closed on"), null=True, blank=True)

    class Meta:
        verbose_name = _("facility")
        verbose_name_plural = _("facilities")
        constraints = [
            models.CheckConstraint(name="margin_facility_limit_positive", condition=Q(credit_limit__gt=0))
        ]

    def __str__(self) -> str:
        return f"{self.client}"

    @property
    def currency(self) -> str:
        return str(self.credit_limit.currency)
