from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.core.models import FourEyes

from .client import Client


class NoticeKind(models.TextChoices):
    EXPECTED = "expected", _("Expected call")
    ISSUED = "issued", _("Margin call")
    AMENDED = "amended", _("Amended margin call")
    PART_MET = "part_met", _("Part payment received")
    REMINDER = "reminder", _("Reminder")
    MOVED = "moved", _("More time")
    OVERDUE = "overdue", _("Call overdue")
    MET = "met", _("Call met")
    WAIVED = "waived", _("Call waived")
    CANCELLED = "cancelled", _("Call taken back")
    SALE = "sale", _("Forced sale")
    SALE_NOTICE = "sale_notice", _("Collateral sold")
    SETTLED = "settled", _("Settled by sale")
    SHORTFALL = "shortfall", _("Shortfall")


class NoticeTemplate(FourEyes):
    """The wording of one kind of notice in one language, by version; the newest approved one is used."""

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    kind = models.CharField(_("kind"), max_length=12, choices=NoticeKind.choices)
    language = models.CharField(_("language"), max_length=8, choices=Client.Language.choices)
    version = models.PositiveSmallIntegerField(_("version"), editable=False)
    subject = models.CharField(_("subject"), max_length=150)
    body = models.TextField(_("body"))

    class Meta(FourEyes.Meta):
        verbose_name = _("notice template")
        verbose_name_plural = _("notice templates")
        constraints = [
            *FourEyes.Meta.constraints,
            models.UniqueConstraint(
                fields=["broker", "kind", "language", "version"], name="margin_noticetemplate_once"
            ),
            models.CheckConstraint(
                name="margin_noticetemplate_has_words",
                condition=~Q(subject="") & ~Q(body="") & Q(version__gte=1),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.language} v{self.version}"


class WebhookEndpoint(models.Model):
    """Where a firm's own system takes the notices of its clients, and the secret they are signed with."""

    broker = models.OneToOneField("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    url = models.URLField(_("address"), max_length=300)
    secret = models.CharField(_("secret"), max_length=80, editable=False)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("notice webhook")
        verbose_name_plural = _("notice webhooks")

    def __str__(self) -> str:
        return self.url


class Notice(models.Model):
    """A message to a client that leaves once its state change is committed, and what became of it."""

    class Channel(models.TextChoices):
        EMAIL = "email", _("E-mail")
        WEBHOOK = "webhook", _("Webhook")
        SMS = "sms", _("SMS")

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        SENT = "sent", _("Sent")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")
        ACKNOWLEDGED = "acknowledged", _("Acknowledged")

    HANDED_OVER = (Status.SENT, Status.DELIVERED, Status.ACKNOWLEDGED)

    call = models.ForeignKey(
        "margin.MarginCall", on_delete=models.PROTECT, related_name="notices", verbose_name=_("margin call")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=NoticeKind.choices)
    version = models.PositiveSmallIntegerField(_("version of the call"))
    number = models.PositiveSmallIntegerField(_("number"), default=1)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices)
    language = models.CharField(_("language"), max_length=8, choices=Client.Language.choices)
    recipient = models.CharField(_("recipient"), max_length=300)
    template_version = models.PositiveSmallIntegerField(
        _("template version"), help_text=_("0: the wording that comes with the product.")
    )
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("body"))
    contract_note = models.ForeignKey(
        "margin.ContractNote",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="notices",
        verbose_name=_("contract note"),
    )
    token = models.CharField(_("token"), max_length=43, unique=True)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    created_at = models.DateTimeField(_("created at"))
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)
    failed_at = models.DateTimeField(_("failed at"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    escalated_at = models.DateTimeField(_("escalated at"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        constraints = [
            models.UniqueConstraint(
                fields=["call", "kind", "version", "number", "channel"], name="margin_notice_once"
            ),
            models.CheckConstraint(
                name="margin_notice_of_sale_has_its_note",
                condition=Q(kind__exact="sale_notice", contract_note__isnull=False)
                | (~Q(kind__exact="sale_notice") & Q(contract_note__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(status="pending"), name="margin_notice_pending"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.call.reference} {self.channel}"
