from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from collateral.models import Instrument


class SaleStop(models.Model):
    """A kill switch over one venue, one asset or one account of a firm.

    One person puts it on and it holds at once; taking it off is asked for by one person and done by another.
    """

    broker = models.ForeignKey(
        "margin.Broker", on_delete=models.PROTECT, related_name="stops", verbose_name=_("broker")
    )
    venue = models.CharField(_("venue"), max_length=8, choices=Instrument.Venue.choices, blank=True)
    asset = models.ForeignKey(
        "ledger.Asset", on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("asset")
    )
    facility = models.ForeignKey(
        "margin.Facility", on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("account")
    )
    reason = models.CharField(_("reason"), max_length=500)
    put_on_by = models.CharField(_("put on by"), max_length=150)
    put_on_at = models.DateTimeField(_("put on at"))
    lift_reason = models.CharField(_("why it may go"), max_length=500, blank=True)
    lift_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("asked to be lifted by"),
    )
    lift_asked_at = models.DateTimeField(_("asked to be lifted at"), null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("lifted by"),
    )
    lifted_at = models.DateTimeField(_("lifted at"), null=True, blank=True)

    class Meta:
        verbose_name = _("stop of forced sales")
        verbose_name_plural = _("stops of forced sales")
        constraints = [
            models.CheckConstraint(
                name="margin_salestop_one_scope",
                condition=(
                    (~Q(venue="") & Q(asset__isnull=True, facility__isnull=True))
                    | Q(venue="", asset__isnull=False, facility__isnull=True)
                    | Q(venue="", asset__isnull=True, facility__isnull=False)
                ),
                violation_error_message=_("A stop names one venue, one asset or one account."),
            ),
            models.CheckConstraint(name="margin_salestop_has_reason", condition=~Q(reason="")),
            models.CheckConstraint(
                name="margin_salestop_lift_asked",
                condition=Q(lift_asked_by__isnull=True, lift_asked_at__isnull=True, lift_reason="")
                | (Q(lift_asked_by__isnull=False, lift_asked_at__isnull=False) & ~Q(lift_reason="")),
            ),
            models.CheckConstraint(
                name="margin_salestop_lifted_by_two",
                condition=Q(lifted_by__isnull=True, lifted_at__isnull=True)
                | (
                    Q(lifted_by__isnull=False, lifted_at__isnull=False, lift_asked_by__isnull=False)
                    & ~Q(lifted_by=F("lift_asked_by"))
                ),
                violation_error_message=_("Whoever asked for it to be lifted may not lift it."),
            ),
            models.UniqueConstraint(
                fields=["broker", "venue", "asset", "facility"],
                condition=Q(lifted_at__isnull=True),
                nulls_distinct=False,
                name="margin_salestop_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.broker}: {self.subject}"

    @property
    def subject(self) -> str:
        """What is stopped: a venue's name, an asset's code or a client."""
        if self.asset is not None:
            return self.asset.code
        return str(self.facility) if self.facility is not None else self.get_venue_display()
