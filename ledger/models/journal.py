from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import AtomsField
from ledger.core.ids import uuid7
from ledger.core.models.event import CurrentTransactionId, TransactionId
from ledger.journal_kinds import kind_in_words

from .book import Book


class JournalQuerySet(models.QuerySet["Journal"]):
    def made_by(self, key: str, *, book: Any = None) -> JournalQuerySet:
        """Keep the journal that an idempotency key made, in `book` or in any; found along the keys, not the months."""
        books = Book.objects.values_list("pk", flat=True) if book is None else [book]
        keys = PostingKey.objects.filter(book__in=list(books), key=key)
        return self.filter(pk__in=list(keys.exclude(journal=None).values_list("journal_id", flat=True)))

    def with_entries(self) -> JournalQuerySet:
        """Fetch the entries too, in the order in which they were booked, with what their accounts are called by."""
        entries = Entry.objects.order_by("position").select_related("account__asset", "account__location")
        return self.prefetch_related(models.Prefetch("entries", entries))


class EntryCount(models.SmallIntegerField):
    """How many entries a journal has; its domain refuses fewer than two."""

    domain = "ledger_entry_count"

    def db_type(self, connection: Any) -> str:
        return self.domain


class Journal(models.Model):
    """A set of entries that was booked at once and never changes; corrections are new journals.

    Kept in partitions by month along the time in its id (`ledger/sql/partitions.sql`); the law checks what foreign
    keys would, at a third of the cost. A journal is also its own row of the outbox (`ledger/outbox.py`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    book = models.ForeignKey(
        "ledger.Book", on_delete=models.PROTECT, db_constraint=False, db_index=False, verbose_name=_("book")
    )
    idempotency_key = models.CharField(_("idempotency key"), max_length=200)
    body_hash = models.BinaryField(_("body hash"))
    kind = models.CharField(_("kind"), max_length=40)
    value_on = models.DateField(_("value date"))
    booked_at = models.DateTimeField(_("booked at"))
    actor = models.CharField(_("actor"), max_length=150)
    cause = models.CharField(_("cause"), max_length=120, blank=True)
    narrative = models.CharField(_("narrative"), max_length=200, blank=True)
    entry_count = EntryCount(_("entries"))
    reversal_of = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="reversals",
        verbose_name=_("reversal of"),
    )
    hold = models.ForeignKey(
        "ledger.Hold",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="journals",
        verbose_name=_("hold"),
    )
    transaction = TransactionId(db_default=CurrentTransactionId(), editable=False)

    objects = JournalQuerySet.as_manager()

    class Meta:
        verbose_name = _("journal")
        verbose_name_plural = _("journals")
        indexes = [
            models.Index(fields=["transaction", "id"], name="ledger_journal_order"),
            # One line for some hundred kilobytes of journals, so that a posting pays next to nothing for it.
            BrinIndex(fields=["value_on"], name="ledger_journal_value_on"),
            models.Index(fields=["cause"], name="ledger_journal_cause", condition=~Q(cause="")),
            models.Index(
                fields=["reversal_of"],
                name="ledger_journal_reversal_of",
                condition=Q(reversal_of__isnull=False),
            ),
            models.Index(fields=["hold"], name="ledger_journal_hold", condition=Q(hold__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{kind_in_words(self.kind)} {self.id}"


class Entry(models.Model):
    """One signed movement on one account, debit positive, with the balance it left behind.

    Kept in partitions like its journal. The table's key is (journal, position), which keeps a second set of entries
    out; Django is told of the number, which is there once too.
    """

    id = models.BigAutoField(primary_key=True)
    journal = models.ForeignKey(
        "ledger.Journal",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="entries",
        verbose_name=_("journal"),
    )
    position = models.SmallIntegerField(_("position"))
    account = models.ForeignKey(
        "ledger.Account",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        verbose_name=_("account"),
    )
    amount_atoms = AtomsField(_("amount"), domain="ledger_moved_atoms")
    balance_atoms = AtomsField(_("balance after"))
    version = models.BigIntegerField(_("version"))

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")

    def __str__(self) -> str:
        return f"{self.journal_id} {self.account_id} {self.amount_atoms}"


class PostingKey(models.Model):
    """What an idempotency key did: the journal it made, or the refusal it was given. Never changed.

    In a table of its own, because a key is there once in a book while journals lie in months.
    """

    pk = models.CompositePrimaryKey("book_id", "key")
    book = models.ForeignKey("ledger.Book", on_delete=models.PROTECT, db_constraint=False, db_index=False)
    key = models.CharField(_("idempotency key"), max_length=200)
    journal = models.ForeignKey(
        "ledger.Journal", on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False
    )
    body_hash = models.BinaryField(_("body hash"), null=True)
    refusal = models.JSONField(_("refusal"), null=True)

    class Meta:
        db_table = "ledger_key"
        verbose_name = _("posting key")
        verbose_name_plural = _("posting keys")
        constraints = [
            models.CheckConstraint(
                name="ledger_key_is_answered",
                condition=Q(journal__isnull=True, refusal__isnull=False, body_hash__isnull=False)
                | Q(journal__isnull=False, refusal__isnull=True, body_hash__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.key
