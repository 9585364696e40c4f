from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ..calendars import ALWAYS, EXCHANGE, SETTLEMENT, STATUTORY
from .approval import FourEyes

CALENDAR_CHOICES = [
    (EXCHANGE, _("Exchange trading day")),
    (SETTLEMENT, _("Exchange settlement day")),
    (STATUTORY, _("Statutory business day")),
    (ALWAYS, _("Round the clock")),
]


class CalendarDay(models.Model):
    """One day of one calendar: open or closed, and between which Hong Kong times.

    An open day without times counts as a whole day. The round-the-clock calendar needs no rows.
    """

    calendar = models.CharField(_("calendar"), max_length=32, choices=CALENDAR_CHOICES)
    date = models.DateField(_("date"))
    is_open = models.BooleanField(_("open"))
    opens_at = models.TimeField(_("opens at"), null=True, blank=True)
    closes_at = models.TimeField(_("closes at"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=120, blank=True)

    class Meta:
        ordering = ["calendar", "date"]
        verbose_name = _("calendar day")
        verbose_name_plural = _("calendar days")
        constraints = [
            models.UniqueConstraint(fields=["calendar", "date"], name="core_calendar_day_once"),
            models.CheckConstraint(
                condition=Q(opens_at__isnull=True, closes_at__isnull=True)
                | Q(
                    is_open=True, opens_at__isnull=False, closes_at__isnull=False, opens_at__lt=F("closes_at")
                ),
                name="core_calendar_day_hours",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.calendar} {self.date}"


class SevereWeatherDay(FourEyes):
    """A day on which signal 8 or the black rainstorm warning was in force: no business day (Cap. 1, s. 71).

    Kept beside the calendar's own days, so that loading the calendars again does not forget it.
    """

    class Warning(models.TextChoices):
        GALE = "gale", _("Gale: signal 8 or above")
        BLACK_RAINSTORM = "black_rainstorm", _("Black rainstorm")

    on = models.DateField(_("day"))
    warning = models.CharField(_("warning"), max_length=16, choices=Warning.choices)

    class Meta(FourEyes.Meta):
        verbose_name = _("severe weather day")
        verbose_name_plural = _("severe weather days")
        constraints = [
            *FourEyes.Meta.constraints,
            models.UniqueConstraint(
                fields=["on"],
                condition=Q(approval__in=["proposed", "approved"]),
                name="core_severeweatherday_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.on} {self.get_warning_display()}"
