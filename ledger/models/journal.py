from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import AtomsField
from ledger.core.ids import uuid7
from ledger.core.models.event import CurrentTransactionId, TransactionId


class Journal(models.Model):
    """A set of entries that was booked at once and never changes; corrections are new journals."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    book = models.ForeignKey("ledger.Book", on_delete=models.PROTECT, verbose_name=_("book"))
    idempotency_key = models.CharField(_("idempotency key"), max_length=200)
    body_hash = models.BinaryField(_("body hash"))
    kind = models.CharField(_("kind"), max_length=40)
    value_on = models.DateField(_("value date"))
    booked_at = models.DateTimeField(_("booked at"))
    actor = models.CharField(_("actor"), max_length=150)
    cause = models.CharField(_("cause"), max_length=120, blank=True)
    narrative = models.CharField(_("narrative"), max_length=200, blank=True)
    entry_count = models.PositiveSmallIntegerField(_("entries"))
    reversal_of = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="reversal",
        verbose_name=_("reversal of"),
    )
    transaction = TransactionId(db_default=CurrentTransactionId(), editable=False)

    class Meta:
        verbose_name = _("journal")
        verbose_name_plural = _("journals")
        constraints = [
            models.UniqueConstraint(fields=["book", "idempotency_key"], name="ledger_journal_key_once"),
            models.CheckConstraint(name="ledger_journal_has_entries", condition=Q(entry_count__gte=2)),
        ]
        indexes = [models.Index(fields=["cause"], name="ledger_journal_cause")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Entry(models.Model):
    """One signed movement on one account, debit positive, with the balance it left behind."""

    journal = models.ForeignKey(
        "ledger.Journal",
        on_delete=models.PROTECT,
        db_constraint=False,
        related_name="entries",
        verbose_name=_("journal"),
    )
    account = models.ForeignKey(
        "ledger.Account",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        verbose_name=_("account"),
    )
    amount_atoms = AtomsField(_("amount"))
    balance_atoms = AtomsField(_("balance after"))
    version = models.BigIntegerField(_("version"))

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        constraints = [
            models.UniqueConstraint(fields=["account", "version"], name="ledger_entry_version_once"),
            models.CheckConstraint(name="ledger_entry_moves_something", condition=~Q(amount_atoms=0)),
        ]

    def __str__(self) -> str:
        return f"{self.journal_id} {self.account_id} {self.amount_atoms}"
