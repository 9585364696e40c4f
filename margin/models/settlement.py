from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import MONEY_CHOICES, ExactDecimalField, price_field


def amount_field(verbose_name: Any, **options: Any) -> ExactDecimalField:
    """An amount to the cent in the instruction's currency."""
    return ExactDecimalField(verbose_name, max_digits=20, decimal_places=2, **options)


class SettlementInstruction(models.Model):
    """What one trade has to deliver and to receive, and how much of it has settled.

    One for each fill and not one net figure of the day, as the clearing house reckons with the firm: each client's
    interest stops with what settled for that client. What has settled is the sum of the reports, which the database
    holds to.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        PART_SETTLED = "part_settled", _("Settled in part")
        FAILED = "failed", _("Failed")
        SETTLED = "settled", _("Settled")

    OPEN = (Status.PENDING, Status.PART_SETTLED, Status.FAILED)

    fill = models.OneToOneField(
        "margin.Fill", on_delete=models.PROTECT, related_name="instruction", verbose_name=_("trade")
    )
    reference = models.CharField(_("reference"), max_length=100, unique=True)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.PENDING)
    currency = models.CharField(_("currency"), max_length=3, choices=MONEY_CHOICES)
    quantity = price_field(_("quantity"))
    gross = amount_field(_("gross"))
    net = amount_field(_("net"))
    settled_quantity = price_field(_("settled quantity"), default=0, db_default=0)
    settled_money = amount_field(_("settled money"), default=0, db_default=0)
    settled_net = amount_field(_("settled net of charges"), default=0, db_default=0)
    due_on = models.DateField(_("due on"))
    next_attempt_on = models.DateField(_("next attempt on"))
    fail_count = models.PositiveSmallIntegerField(_("fails"), default=0, db_default=0)
    created_at = models.DateTimeField(_("created at"))
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)

    class Meta:
        verbose_name = _("settlement instruction")
        verbose_name_plural = _("settlement instructions")
        constraints = [
            models.CheckConstraint(
                name="margin_settlement_within_whole",
                condition=Q(
                    quantity__gt=0,
                    gross__gt=0,
                    settled_quantity__gte=0,
                    settled_quantity__lte=F("quantity"),
                    settled_money__gte=0,
                    settled_money__lte=F("gross"),
                    due_on__lte=F("next_attempt_on"),
                ),
            ),
            models.CheckConstraint(
                name="margin_settlement_status_tells",
                condition=Q(
                    status="settled",
                    settled_quantity=F("quantity"),
                    settled_money=F("gross"),
                    settled_net=F("net"),
                    settled_at__isnull=False,
                )
                | (
                    Q(status="pending", settled_quantity=0, settled_money=0, fail_count=0)
                    | Q(status="part_settled") & (Q(settled_quantity__gt=0) | Q(settled_money__gt=0))
                    | Q(status="failed", fail_count__gt=0)
                )
                & (Q(settled_quantity__lt=F("quantity")) | Q(settled_money__lt=F("gross")))
                & Q(settled_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_on"], condition=~Q(status="settled"), name="margin_settlement_open"
            )
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def is_open(self) -> bool:
        return self.status != self.Status.SETTLED


class SettlementReport(models.Model):
    """What the clearing house, or a person for it, said of an instruction: so much settled, or it failed."""

    class Outcome(models.TextChoices):
        SETTLED = "settled", _("Settled")
        FAILED = "failed", _("Failed")

    class Source(models.TextChoices):
        PAPER = "paper", _("Paper settlement")
        API = "api", _("API")
        FILE = "file", _("File")
        STAFF = "staff", _("Back office")
        CLOCK = "clock", _("Not reported in time")

    instruction = models.ForeignKey(
        "margin.SettlementInstruction",
        on_delete=models.PROTECT,
        related_name="reports",
        verbose_name=_("settlement instruction"),
    )
    number = models.PositiveSmallIntegerField(_("number"))
    reference = models.CharField(_("reference"), max_length=80)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome.choices)
    quantity = price_field(_("quantity"), default=0)
    delivered = price_field(
        _("delivered"),
        default=0,
        help_text=_("In units of the settlement date, where a split came between trade and delivery."),
    )
    money = amount_field(_("money"), default=0)
    net = amount_field(_("net of charges"), default=0)
    settled_on = models.DateField(_("settled or failed on"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    source = models.CharField(_("source"), max_length=8, choices=Source.choices)
    actor = models.CharField(_("actor"), max_length=150)
    reported_at = models.DateTimeField(_("reported at"))
    journal = models.OneToOneField(
        "ledger.Journal",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("journal"),
    )
    refund_journal = models.OneToOneField(
        "ledger.Journal",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("interest given back"),
    )
    interest_until = models.DateField(
        _("interest accrued until"),
        null=True,
        blank=True,
        help_text=_(
            "The last day that had been accrued, where it came late: until then interest was given back."
        ),
    )

    class Meta:
        verbose_name = _("settlement report")
        verbose_name_plural = _("settlement reports")
        constraints = [
            models.UniqueConstraint(
                fields=["instruction", "number"], name="margin_settlementreport_number_once"
            ),
            models.UniqueConstraint(
                fields=["instruction", "reference"], name="margin_settlementreport_reference_once"
            ),
            models.CheckConstraint(
                name="margin_settlementreport_says_something",
                condition=Q(
                    Q(quantity__gt=0) | Q(money__gt=0),
                    outcome="settled",
                    quantity__gte=0,
                    money__gte=0,
                    net__gte=0,
                    journal__isnull=False,
                )
                | Q(
                    ~Q(reason=""),
                    outcome="failed",
                    quantity=0,
                    delivered=0,
                    money=0,
                    net=0,
                    journal__isnull=True,
                    refund_journal__isnull=True,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instruction_id}/{self.number}"


class SettlementPenalty(models.Model):
    """What a fail cost the firm: the clearing house's fee, or a buy-in."""

    class Kind(models.TextChoices):
        FAIL_FEE = "fail_fee", _("Fee for a fail")
        BUY_IN = "buy_in", _("Buy-in")

    instruction = models.ForeignKey(
        "margin.SettlementInstruction",
        on_delete=models.PROTECT,
        related_name="penalties",
        verbose_name=_("settlement instruction"),
    )
    reference = models.CharField(_("reference"), max_length=80)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    amount = amount_field(_("amount"))
    charged_on = models.DateField(_("charged on"))
    actor = models.CharField(_("actor"), max_length=150)
    charged_at = models.DateTimeField(_("booked at"))
    journal = models.OneToOneField(
        "ledger.Journal", on_delete=models.PROTECT, related_name="+", verbose_name=_("journal")
    )

    class Meta:
        verbose_name = _("settlement penalty")
        verbose_name_plural = _("settlement penalties")
        constraints = [
            models.UniqueConstraint(
                fields=["instruction", "reference"], name="margin_settlementpenalty_reference_once"
            ),
            models.CheckConstraint(name="margin_settlementpenalty_positive", condition=Q(amount__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.reference}"
