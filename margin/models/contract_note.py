from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import MONEY_CHOICES, price_field

from .client import Client
from .settlement import amount_field

CHANNEL_CHOICES = [("post", _("Post")), ("in_person", _("In person")), ("portal", _("Client portal"))]


class ContractNote(models.Model):
    """One client's sales in one instrument on one trade day, as they were told; a later version corrects it."""

    class Side(models.TextChoices):
        SELL = "sell", _("Sale")

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    client = models.ForeignKey("margin.Client", on_delete=models.PROTECT, verbose_name=_("client"))
    year = models.PositiveSmallIntegerField(_("year"))
    number = models.PositiveIntegerField(_("number"))
    version = models.PositiveSmallIntegerField(_("version"), default=1)
    corrects = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="corrected_by",
        verbose_name=_("corrects"),
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    traded_on = models.DateField(_("trade date"))
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    side = models.CharField(_("side"), max_length=4, choices=Side.choices, default=Side.SELL)
    currency = models.CharField(_("currency"), max_length=3, choices=MONEY_CHOICES)
    quantity = price_field(_("quantity"))
    gross = amount_field(_("gross"))
    fees_total = amount_field(_("total fees"))
    net = amount_field(_("net"))
    due_on = models.DateField(_("due on"), help_text=_("The second business day after the trade."))
    issued_at = models.DateTimeField(_("issued at"))
    actor = models.CharField(_("actor"), max_length=150)
    language = models.CharField(_("language"), max_length=8, choices=Client.Language.choices)
    content = models.TextField(_("content"))
    content_hash = models.CharField(_("hash of the content"), max_length=64)
    document = models.BinaryField(_("document"))
    document_hash = models.CharField(_("hash of the document"), max_length=64)

    class Meta:
        verbose_name = _("contract note")
        verbose_name_plural = _("contract notes")
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "year", "number", "version"], name="margin_contractnote_number_once"
            ),
            models.UniqueConstraint(
                fields=["client", "traded_on", "asset", "side", "version"],
                name="margin_contractnote_one_a_day",
            ),
            models.CheckConstraint(
                name="margin_contractnote_corrects_with_reason",
                condition=Q(version=1, corrects__isnull=True, reason="")
                | (Q(version__gt=1, corrects__isnull=False) & ~Q(reason="")),
            ),
        ]
        indexes = [models.Index(fields=["due_on"], name="margin_contractnote_due")]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        later = f"/{self.version}" if self.version > 1 else ""
        return f"CN-{self.year}-{self.number:06d}{later}"

    @property
    def is_in_force(self) -> bool:
        """Whether no later version corrects it; give `corrected_by` with the row to ask nothing."""
        return not hasattr(self, "corrected_by")


class ContractNoteTrade(models.Model):
    """A fill that a contract note tells of."""

    note = models.ForeignKey(
        "margin.ContractNote",
        on_delete=models.PROTECT,
        related_name="trades",
        verbose_name=_("contract note"),
    )
    fill = models.ForeignKey(
        "margin.Fill", on_delete=models.PROTECT, related_name="note_trades", verbose_name=_("trade")
    )

    class Meta:
        verbose_name = _("trade on a contract note")
        verbose_name_plural = _("trades on contract notes")
        constraints = [models.UniqueConstraint(fields=["note", "fill"], name="margin_contractnotetrade_once")]

    def __str__(self) -> str:
        return f"{self.note_id}: {self.fill_id}"


class ContractNoteHandover(models.Model):
    """A note that a person gave to its client by a way that the house does not send by."""

    note = models.OneToOneField(
        "margin.ContractNote",
        on_delete=models.PROTECT,
        related_name="handover",
        verbose_name=_("contract note"),
    )
    channel = models.CharField(_("channel"), max_length=12, choices=CHANNEL_CHOICES)
    handed_on = models.DateField(_("handed over on"))
    actor = models.CharField(_("actor"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded at"))

    class Meta:
        verbose_name = _("handing over of a contract note")
        verbose_name_plural = _("handing over of contract notes")

    def __str__(self) -> str:
        return f"{self.note_id} {self.channel}"
