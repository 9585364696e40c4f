from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import AtomsField
from ledger.core.ids import uuid7


class Hold(models.Model):
    """An amount reserved between two accounts until it is posted, released or expires.

    While it is active, what is left of it counts against the bounds of both accounts. Holds of one group are placed,
    posted and released together or not at all; a group is named after its first hold, and a hold placed alone is a
    group of one. The law stands in `ledger/sql/holds.sql`.
    """

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        POSTED = "posted", _("Posted")
        RELEASED = "released", _("Released")
        EXPIRED = "expired", _("Expired")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    book = models.ForeignKey("ledger.Book", on_delete=models.PROTECT, verbose_name=_("book"))
    group_id = models.UUIDField(_("group"))
    position = models.PositiveSmallIntegerField(_("position"), default=1, db_default=1)
    idempotency_key = models.CharField(_("idempotency key"), max_length=200)
    body_hash = models.BinaryField(_("body hash"))
    debit_account = models.ForeignKey(
        "ledger.Account", on_delete=models.PROTECT, related_name="+", verbose_name=_("account to be debited")
    )
    credit_account = models.ForeignKey(
        "ledger.Account", on_delete=models.PROTECT, related_name="+", verbose_name=_("account to be credited")
    )
    amount_atoms = AtomsField(_("amount"))
    posted_atoms = AtomsField(_("posted"), db_default=0)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.ACTIVE)
    placed_at = models.DateTimeField(_("placed at"))
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    actor = models.CharField(_("actor"), max_length=150)
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        constraints = [
            models.UniqueConstraint(
                fields=["book", "idempotency_key", "position"], name="ledger_hold_key_once"
            ),
            models.CheckConstraint(
                name="ledger_hold_amounts",
                condition=Q(amount_atoms__gt=0, posted_atoms__gte=0, posted_atoms__lte=F("amount_atoms")),
            ),
            models.CheckConstraint(
                name="ledger_hold_state_is_known",
                condition=Q(state__in=["active", "posted", "released", "expired"]),
            ),
        ]
        indexes = [
            models.Index(fields=["group_id"], name="ledger_hold_group"),
            models.Index(fields=["expires_at"], name="ledger_hold_expiry", condition=Q(state="active")),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()} {self.id}"

    @property
    def left_atoms(self) -> int:
        """What can still be posted, in atoms; nothing once the hold ended."""
        return self.amount_atoms - self.posted_atoms if self.state == self.State.ACTIVE else 0
