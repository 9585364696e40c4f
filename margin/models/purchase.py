from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactMoneyField, price_field, rate_field


class PurchaseCheck(models.Model):
    """What a broker's order system was answered when it asked whether a client may buy; kept for the inspector."""

    facility = models.ForeignKey(
        "margin.Facility",
        on_delete=models.PROTECT,
        related_name="purchase_checks",
        verbose_name=_("facility"),
    )
    key = models.CharField(_("key"), max_length=128)
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    quantity = price_field(_("quantity"))
    amount = ExactMoneyField(_("amount"))
    is_allowed = models.BooleanField(_("allowed"))
    reason_code = models.CharField(_("reason code"), max_length=40, blank=True)
    utilisation_before = rate_field(_("utilisation before"), null=True, blank=True)
    utilisation_after = rate_field(_("utilisation after"), null=True, blank=True)
    checked_at = models.DateTimeField(_("checked at"))
    actor = models.CharField(_("actor"), max_length=150)

    class Meta:
        verbose_name = _("purchase check")
        verbose_name_plural = _("purchase checks")
        constraints = [
            models.UniqueConstraint(fields=["facility", "key"], name="margin_purchasecheck_once"),
            models.CheckConstraint(
                name="margin_purchasecheck_says_why",
                condition=Q(is_allowed=True, reason_code="") | (Q(is_allowed=False) & ~Q(reason_code="")),
            ),
            models.CheckConstraint(
                name="margin_purchasecheck_positive", condition=Q(quantity__gt=0, amount__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} {self.quantity}"
