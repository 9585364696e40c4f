from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ledger.core.fields import AtomsField


class Role(models.TextChoices):
    """The chart of accounts. The lien is part of the role, so what may be sold is visible in the key."""

    CLIENT_CASH = "client_cash", _("Client cash")
    CLIENT_COLLATERAL = "client_collateral", _("Client collateral")
    CLIENT_IN_SALE = "client_in_sale", _("Client collateral in sale")
    CLIENT_PROCEEDS = "client_proceeds", _("Unsettled sale proceeds of client")
    LOAN_PRINCIPAL = "loan_principal", _("Loan principal")
    INTEREST_RECEIVABLE = "interest_receivable", _("Interest receivable")
    SHORTFALL_RECEIVABLE = "shortfall_receivable", _("Shortfall receivable")
    CUSTODY = "custody", _("Custody")
    NOSTRO = "nostro", _("Bank")
    UNSETTLED_RECEIVABLE = "unsettled_receivable", _("Unsettled receivable")
    UNSETTLED_PAYABLE = "unsettled_payable", _("Unsettled payable")
    CHARGES_PAYABLE = "charges_payable", _("Stamp duty and levies payable")
    VENUE_FEE_PAYABLE = "venue_fee_payable", _("Venue fee payable")
    FEE_INCOME = "fee_income", _("Commission income")
    INTEREST_INCOME = "interest_income", _("Interest income")
    HOUSE_CAPITAL = "house_capital", _("House capital")
    SUSPENSE = "suspense", _("Suspense")
    WRITE_OFF = "write_off", _("Write-off")
    SETTLEMENT_COST = "settlement_cost", _("Cost of failed settlement")
    PROVISION = "provision", _("Provision for shortfalls")
    PROVISION_EXPENSE = "provision_expense", _("Provision expense")


DEBIT_NORMAL_ROLES = frozenset(
    {
        Role.LOAN_PRINCIPAL,
        Role.INTEREST_RECEIVABLE,
        Role.SHORTFALL_RECEIVABLE,
        Role.CUSTODY,
        Role.NOSTRO,
        Role.UNSETTLED_RECEIVABLE,
        Role.WRITE_OFF,
        Role.SETTLEMENT_COST,
        Role.PROVISION_EXPENSE,
    }
)

# These may stand on either side: a bank account may be overdrawn, capital may be spent. Having no bounds, they
# lie in slots.
UNBOUNDED_ROLES = frozenset({Role.NOSTRO, Role.HOUSE_CAPITAL, Role.SUSPENSE})


def in_words(owner: str, role: str, asset: str, location: str) -> str:
    """Name an account for people by the codes of its key."""
    parts = (owner or _("House"), Role(role).label, asset, location)
    return " / ".join(str(part) for part in parts if part)


class Account(models.Model):
    """One account: what `owner` has in one role, of one asset, at one location."""

    class Freeze(models.TextChoices):
        NONE = "none", _("Not frozen")
        DEBIT = "debit", _("Debits frozen")
        CREDIT = "credit", _("Credits frozen")
        ALL = "all", _("Frozen")

    book = models.ForeignKey("ledger.Book", on_delete=models.PROTECT, verbose_name=_("book"))
    owner = models.CharField(
        _("owner"), max_length=40, blank=True, help_text=_("Client number; empty for the house.")
    )
    role = models.CharField(_("role"), max_length=24, choices=Role.choices)
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    location = models.ForeignKey(
        "ledger.Location", on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("location")
    )
    freeze = models.CharField(_("freeze"), max_length=6, choices=Freeze.choices, default=Freeze.NONE)
    slot = models.PositiveSmallIntegerField(
        _("slot"),
        default=0,
        db_default=0,
        help_text=_("A busy house account lies in several slots, so that postings need not wait."),
    )
    stock_location = models.ForeignKey(
        "ledger.Location",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("stock record location"),
    )
    closed_at = models.DateTimeField(pgettext_lazy("account", "closed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints = [
            models.UniqueConstraint(
                fields=["book", "owner", "role", "asset", "location", "slot"],
                name="ledger_account_key_once",
                nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["owner", "role"], name="ledger_account_owner")]

    def __str__(self) -> str:
        name = in_words(self.owner, self.role, self.asset.code, self.location.code if self.location else "")
        return f"{name} #{self.slot}" if self.slot else name

    @property
    def is_debit_normal(self) -> bool:
        return self.role in DEBIT_NORMAL_ROLES


def _copied(model: str, **options: Any) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(
        model,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        editable=False,
        **options,
    )


class Balance(models.Model):
    """The checked sum of an account's entries, debit positive, with the bounds it may not cross.

    What is held counts against the bounds like what is booked. Only the law's triggers move `net_atoms`, `version`
    and what is held; `manage.py audit` recomputes all of them.
    """

    account = models.OneToOneField(
        "ledger.Account", on_delete=models.PROTECT, primary_key=True, verbose_name=_("account")
    )
    net_atoms = AtomsField(_("net"), db_default=0)
    version = models.BigIntegerField(_("version"), db_default=0)
    floor_atoms = AtomsField(_("floor"), null=True)
    ceiling_atoms = AtomsField(_("ceiling"), null=True)
    limit = models.ForeignKey(
        "ledger.AccountLimit",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("limit in force"),
    )
    held_debit_atoms = AtomsField(_("held to be debited"), db_default=0, domain="ledger_held_atoms")
    held_credit_atoms = AtomsField(_("held to be credited"), db_default=0, domain="ledger_held_atoms")
    # What the law asks of the account, kept here by triggers so that an entry costs one look-up.
    book = _copied("ledger.Book")
    asset = _copied("ledger.Asset")
    stock_location = _copied("ledger.Location", null=True)
    freeze = models.CharField(max_length=6, db_default="none", editable=False)

    class Meta:
        verbose_name = _("balance")
        verbose_name_plural = _("balances")
        constraints = [
            # A bound that is not there makes its side unknown, which a check lets pass.
            models.CheckConstraint(
                name="ledger_balance_within_bounds",
                condition=Q(floor_atoms__lte=F("net_atoms") - F("held_credit_atoms"))
                & Q(ceiling_atoms__gte=F("net_atoms") + F("held_debit_atoms")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.net_atoms}"
