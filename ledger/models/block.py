from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import AtomsField
from ledger.core.models.event import CurrentTransactionId, TransactionId


class Block(models.Model):
    """The seal over a book's journals whose transaction lies in [from_transaction, to_transaction).

    Only `ledger_seal` (`ledger/sql/seal.sql`) writes blocks; the law there numbers and chains them.
    """

    book = models.ForeignKey("ledger.Book", on_delete=models.PROTECT, db_index=False, verbose_name=_("book"))
    number = models.BigIntegerField(_("number"))
    from_transaction = TransactionId(_("from transaction"))
    to_transaction = TransactionId(_("to transaction"))
    journal_count = models.BigIntegerField(_("journals"))
    entry_count = models.BigIntegerField(_("entries"))
    merkle_root = models.BinaryField(_("Merkle root"))
    previous_hash = models.BinaryField(_("hash of the block before"))
    hash = models.BinaryField(_("hash"))
    sealed_at = models.DateTimeField(_("sealed at"))
    transaction = TransactionId(db_default=CurrentTransactionId(), editable=False)

    class Meta:
        verbose_name = _("block")
        verbose_name_plural = _("blocks")
        constraints = [
            models.UniqueConstraint(fields=["book", "number"], name="ledger_block_number_once"),
            models.CheckConstraint(
                name="ledger_block_has_journals", condition=Q(journal_count__gte=1, entry_count__gte=2)
            ),
        ]
        indexes = [
            models.Index(fields=["book", "to_transaction"], name="ledger_block_of_journal"),
            models.Index(fields=["to_transaction"], name="ledger_block_end"),
        ]

    def __str__(self) -> str:
        return f"{self.book_id}/{self.number}"


class BlockLeaves(models.Model):
    """The hashes of a block's journals in their order, of which its Merkle root is made."""

    block = models.OneToOneField(
        "ledger.Block", on_delete=models.PROTECT, primary_key=True, related_name="+", verbose_name=_("block")
    )
    leaves = ArrayField(models.BinaryField(), verbose_name=_("hashes of the journals"))

    class Meta:
        db_table = "ledger_block_leaves"
        verbose_name = _("hashes of a block")
        verbose_name_plural = _("hashes of blocks")

    def __str__(self) -> str:
        return str(self.block_id)


class BalanceDay(models.Model):
    """What one block added to an account at one value date, and the sum of that date known by then.

    Written with its block and never changed; `manage.py audit` recomputes it. `ledger/as_of.py` reads it.
    """

    pk = models.CompositePrimaryKey("account_id", "value_on", "block")
    account = models.ForeignKey(
        "ledger.Account",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        verbose_name=_("account"),
    )
    value_on = models.DateField(_("value date"))
    block = models.BigIntegerField(_("block"))
    delta_atoms = AtomsField(_("added"))
    total_atoms = AtomsField(_("total of the value date"))
    entry_count = models.BigIntegerField(_("entries"))
    known_entries = models.BigIntegerField(_("entries of the account known by then"))
    first_version = models.BigIntegerField(_("first version"))
    last_version = models.BigIntegerField(_("last version"))

    class Meta:
        db_table = "ledger_balance_day"
        verbose_name = _("balance of a value date")
        verbose_name_plural = _("balances of value dates")
        indexes = [
            models.Index(fields=["account", "block", "known_entries"], name="ledger_balance_day_known"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.value_on} {self.block}"
