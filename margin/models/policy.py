from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.calendars import ALWAYS, EXCHANGE, STATUTORY
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
    outage_grace_minutes = models.PositiveSmallIntegerField(
        _("grace after an outage (minutes)"),
        help_text=_("No call falls due earlier than this after the end of a recorded outage."),
    )
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


class CallDeadline(models.Model):
    """A tier of a policy: how long a call of its kind has, counted by which calendar.

    A call takes the tier of what secures it with the highest `above_utilisation` below its own; a call that
    no tier names takes the policy's own business days and cut-off.
    """

    class SecuredBy(models.TextChoices):
        SECURITIES = "securities", _("Securities")
        VIRTUAL_ASSETS = "virtual_assets", _("Virtual assets")

    class Clock(models.TextChoices):
        EXCHANGE = EXCHANGE, _("Exchange trading day")
        STATUTORY = STATUTORY, _("Statutory business day")
        ALWAYS = ALWAYS, _("Round the clock")

    policy = models.ForeignKey(
        "margin.MarginPolicy",
        on_delete=models.PROTECT,
        related_name="deadlines",
        verbose_name=_("margin policy"),
    )
    secured_by = models.CharField(_("secured mostly by"), max_length=16, choices=SecuredBy.choices)
    above_utilisation = rate_field(_("above utilisation"), default=0)
    calendar = models.CharField(_("calendar"), max_length=16, choices=Clock.choices)
    business_days = models.PositiveSmallIntegerField(_("days"), null=True, blank=True)
    cutoff = models.TimeField(_("cut-off"), null=True, blank=True)
    hours = models.PositiveSmallIntegerField(_("hours"), null=True, blank=True)
    opens_at = models.TimeField(_("office opens at"), null=True, blank=True)
    closes_at = models.TimeField(_("office closes at"), null=True, blank=True)

    class Meta:
        verbose_name = _("call deadline")
        verbose_name_plural = _("call deadlines")
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "secured_by", "above_utilisation"], name="margin_calldeadline_one_per_tier"
            ),
            models.CheckConstraint(
                name="margin_calldeadline_days_or_hours",
                condition=Q(
                    business_days__isnull=False,
                    business_days__gte=1,
                    cutoff__isnull=False,
                    hours__isnull=True,
                    opens_at__isnull=True,
                    closes_at__isnull=True,
                )
                | (
                    Q(hours__isnull=False, hours__gte=1, business_days__isnull=True, cutoff__isnull=True)
                    & (
                        Q(
                            calendar=STATUTORY,
                            opens_at__isnull=False,
                            closes_at__isnull=False,
                            closes_at__gt=F("opens_at"),
                        )
                        | (~Q(calendar=STATUTORY) & Q(opens_at__isnull=True, closes_at__isnull=True))
                    )
                ),
                violation_error_message=_(
                    "A deadline is so many days and a cut-off, or so many hours; hours of business days need"
                    " the office's opening and close."
                ),
            ),
            models.CheckConstraint(
                name="margin_calldeadline_from_zero", condition=Q(above_utilisation__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy_id} {self.secured_by} > {self.above_utilisation}"
