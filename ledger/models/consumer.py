from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.core.models.event import TransactionId


class Consumer(models.Model):
    """How far one reader of the outbox has come, and what it stumbled over last.

    The position moves in the commit of what the reader did, forward only and never past a transaction that is still open:
    the law stands in `ledger/sql/consumer.sql`.
    """

    name = models.CharField(_("name"), max_length=80, unique=True)
    transaction = TransactionId(_("transaction"), default=0)
    place = models.CharField(_("place"), max_length=40, blank=True)
    consumed_count = models.BigIntegerField(_("consumed"), default=0)
    updated_at = models.DateTimeField(_("updated at"))
    attempts = models.PositiveIntegerField(_("failed attempts"), default=0)
    last_error = models.TextField(_("last error"), blank=True)
    retry_at = models.DateTimeField(_("retry at"), null=True, blank=True)

    class Meta:
        verbose_name = _("consumer of the outbox")
        verbose_name_plural = _("consumers of the outbox")

    def __str__(self) -> str:
        return self.name
