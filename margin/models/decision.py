from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactDecimalField
from ledger.core.models import FourEyes


class CallDecision(FourEyes):
    """A step away from the ordinary course of a call: why, at what risk, by whose leave and until when.

    A waiver ends the call until it expires; a deviation leaves it due and holds the sale back; a dispute
    stands from the day the client raises it, upheld when it is approved; a cancellation takes back a call
    that should not have been made.
    """

    class Kind(models.TextChoices):
        WAIVER = "waiver", _("Waiver")
        DISPUTE = "dispute", _("Dispute")
        DEVIATION = "deviation", _("Deviation")
        CANCELLATION = "cancellation", _("Cancellation")

    class Why(models.TextChoices):
        PAYMENT_IN_TRANSIT = "payment_in_transit", _("Payment on its way")
        COLLATERAL_IN_TRANSIT = "collateral_in_transit", _("Collateral on its way")
        PRICE_MISMATCH = "price_mismatch", _("Price in doubt")
        QUANTITY_MISMATCH = "quantity_mismatch", _("Quantity in doubt")
        NEWER_CALCULATION = "newer_calculation", _("Newer calculation")
        MARKET_CONDITIONS = "market_conditions", _("Market conditions")
        OTHER = "other", _("Other")

    call = models.ForeignKey(
        "margin.MarginCall", on_delete=models.PROTECT, related_name="decisions", verbose_name=_("margin call")
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    reason_code = models.CharField(_("reason code"), max_length=24, choices=Why.choices)
    risk_assessment = models.TextField(
        _("risk assessment"), blank=True, help_text=_("What may be lost meanwhile, and why that is borne.")
    )
    amount = ExactDecimalField(
        _("amount"),
        max_digits=20,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("A waiver reaches up to this deficiency; of a dispute, the part in dispute. Empty: all."),
    )
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    state_before = models.CharField(
        _("state before"), max_length=12, blank=True, editable=False, db_default=""
    )

    class Meta(FourEyes.Meta):
        verbose_name = _("decision on a call")
        verbose_name_plural = _("decisions on calls")
        constraints = [
            *FourEyes.Meta.constraints,
            models.UniqueConstraint(
                fields=["call", "kind"],
                condition=Q(approval="proposed"),
                name="margin_calldecision_one_proposed",
            ),
            models.CheckConstraint(name="margin_calldecision_has_a_reason", condition=~Q(reason="")),
            models.CheckConstraint(
                name="margin_calldecision_weighed_and_ends",
                condition=Q(kind__exact="cancellation")
                | (~Q(risk_assessment="") & Q(expires_at__isnull=False)),
                violation_error_message=_(
                    "Say what may be lost meanwhile, why that is borne, and until when."
                ),
            ),
            models.CheckConstraint(
                name="margin_calldecision_amount_positive",
                condition=Q(amount__isnull=True) | Q(amount__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.call.reference}"
