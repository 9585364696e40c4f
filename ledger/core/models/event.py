from __future__ import annotations

from django.db import models
from django.db.models import F, Func
from django.utils.translation import gettext_lazy as _


class TransactionId(models.Field):
    """The PostgreSQL transaction that wrote the row; readers stay below the horizon of open ones."""

    def db_type(self, connection: object) -> str:
        return "xid8"

    def from_db_value(self, value: object, expression: object, connection: object) -> int | None:
        return None if value is None else int(str(value))

    def get_prep_value(self, value: object) -> object:
        """Compare by text: PostgreSQL knows no order between its transaction numbers and integers."""
        value = super().get_prep_value(value)
        return value if value is None or hasattr(value, "resolve_expression") else str(value)


class CurrentTransactionId(Func):
    function = "pg_current_xact_id"
    arity = 0
    output_field = TransactionId()


class Event(models.Model):
    """What happened, to whom, by whose hand and why: the audit trail and the outbox in one row.

    Written in the same commit as the change it tells of, and never changed afterwards.
    """

    topic = models.CharField(_("topic"), max_length=80)
    broker_code = models.CharField(_("broker"), max_length=32, blank=True)
    subject_type = models.CharField(_("subject"), max_length=60)
    subject_id = models.CharField(_("subject id"), max_length=64)
    actor = models.CharField(_("actor"), max_length=150)
    reason = models.TextField(_("reason"), blank=True)
    payload = models.JSONField(_("details"), default=dict)
    occurred_at = models.DateTimeField(_("occurred at"))
    transaction = TransactionId(db_default=CurrentTransactionId(), editable=False)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = [F("id").desc()]
        indexes = [
            models.Index(fields=["subject_type", "subject_id", "id"], name="core_event_subject"),
            models.Index(fields=["topic", "id"], name="core_event_topic"),
            models.Index(fields=["transaction", "id"], name="core_event_order"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.subject_id}"
