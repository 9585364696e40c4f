from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Instrument(models.Model):
    """What the market knows of an asset that can be pledged: its code, lot, venue and trading terms."""

    class Venue(models.TextChoices):
        SEHK = "sehk", _("Stock Exchange of Hong Kong")
        VATP = "vatp", _("Virtual asset trading platform")

    class Status(models.TextChoices):
        LISTED = "listed", _("Listed")
        SUSPENDED = "suspended", _("Suspended")
        DELISTED = "delisted", _("Delisted")

    asset = models.OneToOneField(
        "ledger.Asset", on_delete=models.PROTECT, primary_key=True, verbose_name=_("asset")
    )
    code = models.CharField(_("code"), max_length=16, unique=True)
    name = models.CharField(_("name"), max_length=120)
    venue = models.CharField(_("venue"), max_length=8, choices=Venue.choices)
    category = models.CharField(_("category"), max_length=80, blank=True)
    sub_category = models.CharField(_("sub-category"), max_length=120, blank=True)
    board_lot = models.PositiveIntegerField(
        _("board lot"), null=True, blank=True, help_text=_("Empty where any quantity may be traded.")
    )
    isin = models.CharField(_("ISIN"), max_length=12, blank=True)
    trading_currency = models.CharField(_("trading currency"), max_length=12)
    rmb_counter = models.CharField(_("RMB counter"), max_length=16, blank=True)
    is_stamp_dutiable = models.BooleanField(_("is stamp dutiable"), default=False)
    is_cas_eligible = models.BooleanField(_("is closing auction eligible"), default=False)
    is_vcm_eligible = models.BooleanField(_("is volatility control eligible"), default=False)
    spread_table = models.CharField(_("spread table"), max_length=4, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.LISTED)

    class Meta:
        verbose_name = _("instrument")
        verbose_name_plural = _("instruments")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                name="collateral_instrument_board_lot_positive",
                condition=Q(board_lot__isnull=True) | Q(board_lot__gt=0),
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def step(self) -> Decimal:
        """The smallest quantity an order may move: a board lot, or one hundred-millionth of a coin."""
        return Decimal(self.board_lot) if self.board_lot else Decimal("0.00000001")
