from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.models import FourEyes


class Launch(FourEyes):
    """The going live of a firm, which two people decide when nothing is missing."""

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))

    class Meta(FourEyes.Meta):
        verbose_name = _("launch")
        verbose_name_plural = _("launches")
        constraints = [
            *FourEyes.Meta.constraints,
            models.UniqueConstraint(
                fields=["broker"],
                condition=Q(approval__in=["proposed", "approved"]),
                name="margin_launch_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.broker}"


class Outage(FourEyes):
    """A time in which a firm's clients could not be reached or could not pay; calls are given grace after it."""

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    began_at = models.DateTimeField(_("began at"))
    ended_at = models.DateTimeField(_("ended at"))
    what = models.CharField(_("what was out"), max_length=200)

    class Meta(FourEyes.Meta):
        verbose_name = _("outage")
        verbose_name_plural = _("outages")
        constraints = [
            *FourEyes.Meta.constraints,
            models.CheckConstraint(
                name="margin_outage_ends_after_it_began", condition=Q(ended_at__gt=models.F("began_at"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.broker} {self.began_at:%Y-%m-%d %H:%M}"
