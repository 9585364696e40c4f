from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import ExactMoneyField, rate_field
from ledger.core.models import FourEyes


class MarginPolicy(FourEyes):
    """When a broker warns, calls and sells. There is no default: without an approved policy nothing runs."""

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    valid_from = models.DateField(_("valid from"))
    warn_utilisation = rate_field(_("warn above utilisation"))
    call_utilisation = rate_field(_("call above utilisation"))
    immediate_utilisation = rate_field(_("immediate sale from utilisation"))
    target_utilisation = rate_field(_("target utilisation after a forced sale"))
    minimum_call = ExactMoneyField(_("minimum call"))
    deadline_business_days = models.PositiveSmallIntegerField(_("deadline (business days)"))
    deadline_cutoff = models.TimeField(_("deadline cut-off"))
    automatic_release_limit = ExactMoneyField(
        _("automatic release limit"),
        help_text=_("An immediate-level sale up to this amount is released by rule; zero releases none."),
    )
    price_band = rate_field(
        _("price band"), help_text=_("A sell limit stands at most this far below the reference price.")
    )
    securities_share_minimum = rate_field(
        _("minimum share of securities"),
        help_text=_("Of total margin value, before virtual assets may carry credit."),
    )

    class Meta(FourEyes.Meta):
        verbose_name = _("margin policy")
        verbose_name_plural = _("margin policies")
        constraints = [
            *FourEyes.Meta.constraints,
            models.CheckConstraint(
                name="margin_marginpolicy_levels_in_order",
                condition=Q(target_utilisation__gt=0)
                & Q(target_utilisation__lte=F("call_utilisation"))
                & Q(warn_utilisation__gt=0)
                & Q(warn_utilisation__lt=F("call_utilisation"))
                & Q(call_utilisation__lte=1)
                & Q(immediate_utilisation__gt=F("call_utilisation")),
            ),
            models.CheckConstraint(
                name="margin_marginpolicy_shares_in_range",
                condition=Q(
                    price_band__gt=0,
                    price_band__lt=1,
                    securities_share_minimum__gte=0,
                    securities_share_minimum__lte=1,
                ),
            ),
            models.UniqueConstraint(
                fields=["broker", "valid_from"],
                condition=Q(approval="approved"),
                name="margin_marginpolicy_one_per_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.broker} {self.valid_from}"
