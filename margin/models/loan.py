from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactMoneyField


class LoanMovement(models.Model):
    """A drawdown or repayment, with the purpose it was lent for and the journal that booked it."""

    class Kind(models.TextChoices):
        DRAWDOWN = "drawdown", _("Drawdown")
        REPAYMENT = "repayment", _("Repayment")

    class Purpose(models.TextChoices):
        SECURITIES = "securities", _("Dealing in securities")
        VIRTUAL_ASSETS = "virtual_assets", _("Dealing in virtual assets")
        IPO = "ipo", _("Subscription of new shares")

    facility = models.ForeignKey("margin.Facility", on_delete=models.PROTECT, verbose_name=_("facility"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    purpose = models.CharField(_("purpose"), max_length=16, choices=Purpose.choices, blank=True)
    amount = ExactMoneyField(_("amount"))
    value_on = models.DateField(_("value date"))
    journal = models.OneToOneField("ledger.Journal", on_delete=models.PROTECT, verbose_name=_("journal"))

    class Meta:
        verbose_name = _("loan movement")
        verbose_name_plural = _("loan movements")
        constraints = [
            models.CheckConstraint(name="margin_loanmovement_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="margin_loanmovement_drawdown_has_purpose",
                condition=Q(kind="repayment") | ~Q(purpose=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"
