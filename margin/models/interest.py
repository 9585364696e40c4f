from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import AtomsField, rate_field


class InterestAccrual(models.Model):
    """One day's interest of a facility, exact: the numerator over 365 x 10^8, in cents, never rounded."""

    facility = models.ForeignKey("margin.Facility", on_delete=models.PROTECT, verbose_name=_("facility"))
    accrued_on = models.DateField(_("accrued on"))
    principal_within_atoms = AtomsField(_("principal within margin value (cents)"))
    principal_beyond_atoms = AtomsField(_("principal beyond margin value (cents)"))
    rate_per_annum = rate_field(_("rate per annum"))
    excess_rate_per_annum = rate_field(_("rate per annum beyond margin value"))
    numerator = AtomsField(_("numerator"))
    posting = models.ForeignKey(
        "margin.InterestPosting",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="accruals",
        verbose_name=_("posting"),
    )

    class Meta:
        verbose_name = _("interest accrual")
        verbose_name_plural = _("interest accruals")
        constraints = [
            models.UniqueConstraint(
                fields=["facility", "accrued_on"], name="margin_interestaccrual_once_a_day"
            )
        ]
        indexes = [
            models.Index(
                fields=["facility"], condition=models.Q(posting__isnull=True), name="margin_accrual_unposted"
            )
        ]

    def __str__(self) -> str:
        return f"{self.facility_id} {self.accrued_on}"


class InterestPosting(models.Model):
    """A month's interest, or the part of it until a shortfall, rounded once and booked."""

    facility = models.ForeignKey("margin.Facility", on_delete=models.PROTECT, verbose_name=_("facility"))
    month = models.DateField(_("month"), help_text=_("The first day of the month."))
    part = models.PositiveSmallIntegerField(
        _("part"), default=1, help_text=_("A month has a second part when a shortfall was booked within it.")
    )
    amount_atoms = AtomsField(_("amount (cents)"))
    journal = models.OneToOneField(
        "ledger.Journal", on_delete=models.PROTECT, null=True, verbose_name=_("journal")
    )

    class Meta:
        verbose_name = _("interest posting")
        verbose_name_plural = _("interest postings")
        constraints = [
            models.UniqueConstraint(
                fields=["facility", "month", "part"], name="margin_interestposting_once_a_month"
            )
        ]

    def __str__(self) -> str:
        return f"{self.facility_id} {self.month:%Y-%m}"
