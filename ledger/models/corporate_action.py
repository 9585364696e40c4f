from __future__ import annotations

from fractions import Fraction
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import AtomsField, price_field
from ledger.core.models import FourEyes

from .asset import Asset

# A comparison with NULL is no refusal, so what must be there is said to be there.
_RATIO: dict[str, Any] = {
    "ratio_new__isnull": False,
    "ratio_old__isnull": False,
    "ratio_new__range": (1, 1_000_000),
    "ratio_old__range": (1, 1_000_000),
}


class CorporateAction(FourEyes):
    """The terms of one event of an issuer, and how far it has been carried out.

    What was proposed is what is approved and carried out: of its terms nothing ever changes.
    """

    class Kind(models.TextChoices):
        SPLIT = "split", _("Split or consolidation")
        BONUS = "bonus", _("Bonus issue")
        CASH_DIVIDEND = "cash_dividend", _("Cash dividend")

    class Stage(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        APPLIED = "applied", _("Applied")
        COMPLETED = "completed", _("Completed")

    reference = models.CharField(
        _("reference"),
        max_length=40,
        help_text=_("The number of the announcement; each is carried out once."),
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    asset = models.ForeignKey(
        "ledger.Asset", on_delete=models.PROTECT, related_name="corporate_actions", verbose_name=_("asset")
    )
    location = models.ForeignKey(
        "ledger.Location",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("location"),
        help_text=_("Empty for wherever the asset lies."),
    )
    ratio_new = models.PositiveIntegerField(
        _("new"), null=True, blank=True, help_text=_("What is given for the old: 5 for 1, 1 for 10.")
    )
    ratio_old = models.PositiveIntegerField(_("for old"), null=True, blank=True)
    other_asset = models.ForeignKey(
        "ledger.Asset",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("asset given"),
        help_text=_("Of a bonus in another asset; empty for the same."),
    )
    amount = price_field(_("amount per unit"), null=True, blank=True, help_text=_("Of a cash dividend."))
    fraction_price = price_field(
        _("price for fractions"),
        null=True,
        blank=True,
        help_text=_("Per unit of what is given, paid for what cannot be delivered; empty where nothing is."),
    )
    currency = models.ForeignKey(
        "ledger.Asset",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("currency"),
    )
    ex_on = models.DateField(_("ex date"), help_text=_("A split takes effect as this day begins."))
    record_on = models.DateField(
        _("record date"),
        null=True,
        blank=True,
        help_text=_("Who holds at its end is entitled; none for a split."),
    )
    pay_on = models.DateField(_("pay date"), null=True, blank=True)
    stage = models.CharField(
        _("stage"), max_length=10, choices=Stage.choices, default=Stage.WAITING, editable=False
    )
    applied_at = models.DateTimeField(_("applied at"), null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True, editable=False)

    class Meta(FourEyes.Meta):
        verbose_name = _("corporate action")
        verbose_name_plural = _("corporate actions")
        constraints = [
            *FourEyes.Meta.constraints,
            models.UniqueConstraint(
                fields=["reference"],
                condition=~Q(approval="rejected"),
                name="ledger_corporateaction_reference_once",
            ),
            models.CheckConstraint(
                name="ledger_corporateaction_terms_of_its_kind",
                condition=Q(
                    kind="split",
                    **_RATIO,
                    other_asset__isnull=True,
                    amount__isnull=True,
                    record_on__isnull=True,
                )
                & ~Q(ratio_new=F("ratio_old"))
                | Q(
                    kind="bonus",
                    **_RATIO,
                    amount__isnull=True,
                    record_on__isnull=False,
                    pay_on__isnull=False,
                )
                | Q(
                    kind="cash_dividend",
                    ratio_new__isnull=True,
                    ratio_old__isnull=True,
                    other_asset__isnull=True,
                    amount__isnull=False,
                    amount__gt=0,
                    currency__isnull=False,
                    fraction_price__isnull=True,
                    record_on__isnull=False,
                    pay_on__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="ledger_corporateaction_fractions_are_paid_for",
                condition=Q(kind="cash_dividend")
                | Q(fraction_price__isnull=True, currency__isnull=True)
                | Q(
                    fraction_price__isnull=False,
                    fraction_price__gt=0,
                    currency__isnull=False,
                    pay_on__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="ledger_corporateaction_days_follow",
                condition=(Q(record_on__isnull=True) | Q(record_on__gte=F("ex_on")))
                & (Q(pay_on__isnull=True) | Q(pay_on__gte=F("ex_on")))
                & (Q(pay_on__isnull=True) | Q(record_on__isnull=True) | Q(pay_on__gte=F("record_on"))),
            ),
            models.CheckConstraint(
                name="ledger_corporateaction_applied_when_approved",
                condition=Q(stage="waiting", applied_at__isnull=True, completed_at__isnull=True)
                | Q(stage="applied", approval="approved", applied_at__isnull=False, completed_at__isnull=True)
                | Q(
                    stage="completed",
                    approval="approved",
                    applied_at__isnull=False,
                    completed_at__isnull=False,
                ),
            ),
        ]
        indexes = [
            models.Index(
                fields=["asset", "ex_on"],
                condition=Q(approval="approved"),
                name="ledger_action_of_asset",
            ),
            models.Index(
                fields=["ex_on"],
                condition=Q(approval="approved") & ~Q(stage="completed"),
                name="ledger_action_in_work",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.asset.code} {self.get_kind_display()}"

    @property
    def given(self) -> Asset:
        """What holders are given: shares of the same or another asset, or money."""
        if self.kind == self.Kind.CASH_DIVIDEND and self.currency is not None:
            return self.currency
        return self.other_asset or self.asset

    @property
    def is_paid_later(self) -> bool:
        """Whether something is owed from the record date to the pay date."""
        return self.kind != self.Kind.SPLIT or self.fraction_price is not None


class Entitlement(models.Model):
    """What one account held and what an action gives it; the custodian's account stands for the whole place.

    Quantities are on the account's normal side, `holding` in atoms of the asset, `entitled` and `change` in atoms
    of what is given. `change` is what the journal moves: of a split the difference, of the custodian's account what
    its rounding gives beyond all holders'. The `fraction` of an atom is paid for by `cash`, in atoms of money.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        BOOKED = "booked", _("Booked")
        PAID = "paid", _("Paid")

    action = models.ForeignKey(
        "ledger.CorporateAction",
        on_delete=models.PROTECT,
        related_name="entitlements",
        db_index=False,
        verbose_name=_("corporate action"),
    )
    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, verbose_name=_("account"))
    holding_atoms = AtomsField(_("holding"))
    entitled_atoms = AtomsField(_("entitled"))
    change_atoms = AtomsField(_("change"))
    fraction_numerator = AtomsField(_("fraction"), default=0)
    fraction_denominator = AtomsField(_("parts of one"), default=1)
    cash_atoms = AtomsField(_("cash for the fraction"), default=0)
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.PENDING)
    held_up_by = models.CharField(_("held up by"), max_length=60, blank=True)
    journal_id = models.UUIDField(_("journal"), null=True, blank=True)
    payment_id = models.UUIDField(_("payment"), null=True, blank=True)

    class Meta:
        verbose_name = _("entitlement")
        verbose_name_plural = _("entitlements")
        constraints = [
            models.UniqueConstraint(fields=["action", "account"], name="ledger_entitlement_once"),
            models.CheckConstraint(
                name="ledger_entitlement_fraction_below_one",
                condition=Q(fraction_numerator__gte=0, fraction_numerator__lt=F("fraction_denominator")),
            ),
            models.CheckConstraint(
                name="ledger_entitlement_cash_for_a_fraction",
                condition=Q(cash_atoms=0) | Q(cash_atoms__gt=0, fraction_numerator__gt=0),
            ),
            models.CheckConstraint(
                name="ledger_entitlement_journals_of_its_status",
                condition=Q(status="pending", journal_id__isnull=True, payment_id__isnull=True)
                | Q(status="booked", payment_id__isnull=True)
                | Q(status="paid"),
            ),
        ]
        indexes = [
            models.Index(fields=["account"], condition=Q(status="pending"), name="ledger_entitlement_pending")
        ]

    def __str__(self) -> str:
        return f"{self.action_id}: {self.account_id}"

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.fraction_numerator, self.fraction_denominator)

    @classmethod
    def of(cls, *, fraction: Fraction, **values: Any) -> Entitlement:
        """Make a row, unsaved."""
        return cls(fraction_numerator=fraction.numerator, fraction_denominator=fraction.denominator, **values)
