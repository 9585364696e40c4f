from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactMoneyField

LIVE_STATUSES = [
    "expected",
    "issued",
    "acknowledged",
    "part_met",
    "disputed",
    "overdue",
    "sale_pending",
]


class MarginCall(models.Model):
    """A demand for margin with a life of its own; one is open per facility at any time."""

    class Status(models.TextChoices):
        EXPECTED = "expected", _("Expected")
        ISSUED = "issued", _("Issued")
        ACKNOWLEDGED = "acknowledged", _("Acknowledged")
        PART_MET = "part_met", _("Part met")
        DISPUTED = "disputed", _("Disputed")
        OVERDUE = "overdue", _("Overdue")
        SALE_PENDING = "sale_pending", _("Sale pending")
        MET = "met", _("Met")
        WAIVED = "waived", _("Waived")
        SETTLED = "settled", _("Settled by sale")
        SHORTFALL = "shortfall", _("Shortfall")
        CANCELLED = "cancelled", _("Cancelled")

    # Demanded and not yet due; an expected call demands nothing.
    RUNNING = (Status.ISSUED, Status.ACKNOWLEDGED, Status.PART_MET)
    LATE = (Status.OVERDUE, Status.SALE_PENDING)
    OPEN = (*RUNNING, Status.DISPUTED, *LATE)
    LIVE = (Status.EXPECTED, *OPEN)

    facility = models.ForeignKey(
        "margin.Facility", on_delete=models.PROTECT, related_name="calls", verbose_name=_("facility")
    )
    number = models.PositiveIntegerField(_("number"), help_text=_("Counted from 1 within the facility."))
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.ISSUED)
    valuation = models.ForeignKey(
        "margin.Valuation", on_delete=models.PROTECT, related_name="calls", verbose_name=_("valuation")
    )
    version = models.PositiveSmallIntegerField(_("version"), default=1, db_default=1)
    amount = ExactMoneyField(_("amount called"))
    is_immediate = models.BooleanField(_("is immediate"), default=False)
    issued_at = models.DateTimeField(_("issued at"))
    due_at = models.DateTimeField(
        _("due at"), help_text=_("Computed once by calendar; a recorded outage or severe weather moves it.")
    )
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True, db_default="")
    acknowledged_channel = models.CharField(
        _("acknowledged through"), max_length=16, blank=True, db_default=""
    )
    overdue_at = models.DateTimeField(_("overdue at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    closing_valuation = models.ForeignKey(
        "margin.Valuation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("closing valuation"),
    )

    class Meta:
        verbose_name = _("margin call")
        verbose_name_plural = _("margin calls")
        constraints = [
            models.UniqueConstraint(fields=["facility", "number"], name="margin_margincall_number_once"),
            models.UniqueConstraint(
                fields=["facility"],
                condition=Q(status__in=LIVE_STATUSES),
                name="margin_margincall_one_open",
            ),
            models.CheckConstraint(name="margin_margincall_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="margin_margincall_closed_when_final",
                condition=Q(status__in=LIVE_STATUSES, closed_at__isnull=True)
                | Q(
                    status__in=["met", "waived", "settled", "shortfall", "cancelled"],
                    closed_at__isnull=False,
                ),
            ),
        ]
        indexes = [models.Index(fields=["status", "due_at"], name="margin_call_by_deadline")]

    def __str__(self) -> str:
        return f"{self.reference}"

    @property
    def reference(self) -> str:
        return f"MC-{self.facility.client.number}-{self.number}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN


class MarginCallVersion(models.Model):
    """What a call demanded from a moment on; a call is amended by its next version and never issued twice."""

    class Cause(models.TextChoices):
        EXPECTED = "expected", _("Expected")
        ISSUED = "issued", _("Issued")
        AMENDED = "amended", _("Amended")
        OUTAGE = "outage", _("Grace after an outage")
        SEVERE_WEATHER = "severe_weather", _("Severe weather")

    call = models.ForeignKey(
        "margin.MarginCall", on_delete=models.PROTECT, related_name="versions", verbose_name=_("margin call")
    )
    number = models.PositiveSmallIntegerField(_("number"))
    valuation = models.ForeignKey(
        "margin.Valuation", on_delete=models.PROTECT, related_name="+", verbose_name=_("valuation")
    )
    amount = ExactMoneyField(_("amount called"))
    due_at = models.DateTimeField(_("due at"))
    increase_due_at = models.DateTimeField(
        _("increase due at"),
        null=True,
        blank=True,
        help_text=_("Until when the client has for what this version demands more than the one before."),
    )
    cause = models.CharField(_("cause"), max_length=16, choices=Cause.choices)
    made_at = models.DateTimeField(_("made at"))

    class Meta:
        verbose_name = _("version of a call")
        verbose_name_plural = _("versions of a call")
        constraints = [
            models.UniqueConstraint(fields=["call", "number"], name="margin_margincallversion_once"),
            models.CheckConstraint(
                name="margin_margincallversion_amount_positive", condition=Q(number__gte=1, amount__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.call_id} v{self.number}"
