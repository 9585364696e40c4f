from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.decimals import from_atoms, to_atoms


class Asset(models.Model):
    """Something the book can hold, counted in whole atoms of 10^-scale units; the scale never changes."""

    class Kind(models.TextChoices):
        FIAT = "fiat", _("Fiat money")
        SECURITY = "security", _("Security")
        VIRTUAL_ASSET = "virtual_asset", _("Virtual asset")
        STABLECOIN = "stablecoin", _("Stablecoin")
        TOKENISED_DEPOSIT = "tokenised_deposit", _("Tokenised deposit")
        TOKENISED_SECURITY = "tokenised_security", _("Tokenised security")

    UNLOCATED_KINDS = (Kind.FIAT, Kind.TOKENISED_DEPOSIT)

    code = models.CharField(_("code"), max_length=16, unique=True)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    scale = models.PositiveSmallIntegerField(_("scale"), help_text=_("Decimal places of one unit."))
    is_located = models.BooleanField(
        _("is located"), help_text=_("Held at a custodian, so it must balance per location too.")
    )
    standard_code = models.CharField(
        _("standard code"), max_length=16, blank=True, help_text=_("ISO 4217, ISIN or DTI.")
    )

    class Meta:
        verbose_name = _("asset")
        verbose_name_plural = _("assets")
        constraints = [
            models.CheckConstraint(name="ledger_asset_scale_in_range", condition=Q(scale__lte=18)),
            models.CheckConstraint(
                name="ledger_asset_money_has_no_location",
                condition=Q(is_located=False, kind__in=["fiat", "tokenised_deposit"])
                | (Q(is_located=True) & ~Q(kind__in=["fiat", "tokenised_deposit"])),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def atoms(self, quantity: object) -> int:
        """Convert units to atoms; raises InexactValue when `quantity` is not exact at this scale."""
        return to_atoms(quantity, self.scale)

    def units(self, atoms: int) -> Decimal:
        """Convert atoms to units with exactly `scale` decimals."""
        return from_atoms(atoms, self.scale)


class Location(models.Model):
    """A place where assets lie: a clearing account, a custodian, a trading platform's wallet, a bank."""

    class Kind(models.TextChoices):
        CCASS = "ccass", _("CCASS")
        CUSTODIAN = "custodian", _("Custodian")
        VATP = "vatp", _("Virtual asset trading platform")
        WALLET = "wallet", _("Wallet")
        BANK = "bank", _("Bank")

    code = models.CharField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    is_segregated = models.BooleanField(_("is segregated"), default=True)

    class Meta:
        verbose_name = _("location")
        verbose_name_plural = _("locations")

    def __str__(self) -> str:
        return self.code
