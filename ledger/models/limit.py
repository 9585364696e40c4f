from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.decimals import from_atoms
from ledger.core.fields import AtomsField
from ledger.core.models import FourEyes


class AccountLimit(FourEyes):
    """The bounds one account gets from a day on; none on a side lifts the bound there.

    `floor_atoms` and `ceiling_atoms` are on the account's normal side. A limit in force is the one that the account's
    balance names, and stays the record of what was in force before. The law stands in `ledger/sql/limits.sql`.
    """

    account = models.ForeignKey(
        "ledger.Account", on_delete=models.PROTECT, related_name="limits", verbose_name=_("account")
    )
    floor_atoms = AtomsField(_("floor"), null=True, blank=True)
    ceiling_atoms = AtomsField(_("ceiling"), null=True, blank=True)
    effective_on = models.DateField(
        _("effective on"), help_text=_("In force from this day on, or from its approval if that is later.")
    )
    applied_at = models.DateTimeField(_("in force since"), null=True, blank=True, editable=False)

    class Meta(FourEyes.Meta):
        verbose_name = _("limit")
        verbose_name_plural = _("limits")
        constraints = [
            *FourEyes.Meta.constraints,
            models.CheckConstraint(
                name="ledger_accountlimit_floor_below_ceiling",
                condition=Q(floor_atoms__isnull=True)
                | Q(ceiling_atoms__isnull=True)
                | Q(floor_atoms__lte=F("ceiling_atoms")),
            ),
            models.CheckConstraint(
                name="ledger_accountlimit_applied_when_approved",
                condition=Q(applied_at__isnull=True) | Q(approval="approved"),
            ),
        ]
        indexes = [
            models.Index(fields=["account", "effective_on"], name="ledger_limit_of_account"),
            models.Index(
                fields=["effective_on"],
                condition=Q(approval="approved", applied_at__isnull=True),
                name="ledger_limit_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.effective_on:%Y-%m-%d}"

    @property
    def floor(self) -> Decimal | None:
        """The lower bound in units on the account's normal side."""
        return self._units(self.floor_atoms)

    @property
    def ceiling(self) -> Decimal | None:
        return self._units(self.ceiling_atoms)

    def bounds(self) -> tuple[int | None, int | None]:
        """The floor and the ceiling of the balance, which is debit positive, in atoms."""
        if self.account.is_debit_normal:
            return self.floor_atoms, self.ceiling_atoms
        opposite = (self.ceiling_atoms, self.floor_atoms)
        floor, ceiling = (None if atoms is None else -atoms for atoms in opposite)
        return floor, ceiling

    def _units(self, atoms: int | None) -> Decimal | None:
        return None if atoms is None else from_atoms(atoms, self.account.asset.scale)
