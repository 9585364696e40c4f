from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from collateral.models import EntityType


class Broker(models.Model):
    """A firm that lends to its clients, what it is to the regulator, and what it may do."""

    code = models.CharField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=120)
    entity_type = models.CharField(
        _("entity type"), max_length=24, choices=EntityType.choices, default=EntityType.LICENSED_CORPORATION
    )
    book = models.OneToOneField("ledger.Book", on_delete=models.PROTECT, verbose_name=_("book"))
    # 26EC5: the firm deals in virtual assets as a broker and already carries on securities margin financing.
    is_virtual_asset_broker = models.BooleanField(_("is virtual asset broker"), default=False)
    has_margin_financing = models.BooleanField(_("carries on securities margin financing"), default=True)
    va_financing_from = models.DateField(
        _("virtual asset financing from"),
        null=True,
        blank=True,
        help_text=_("Empty until the firm may finance virtual assets."),
    )
    clearing_location = models.ForeignKey(
        "ledger.Location",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("securities location"),
    )
    virtual_asset_location = models.ForeignKey(
        "ledger.Location",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("virtual asset location"),
    )
    commission_rate = models.DecimalField(_("commission rate"), max_digits=9, decimal_places=8)
    commission_minimum = models.DecimalField(_("minimum commission"), max_digits=12, decimal_places=2)
    virtual_asset_fee_rate = models.DecimalField(_("virtual asset fee rate"), max_digits=9, decimal_places=8)
    are_forced_sales_stopped = models.BooleanField(
        _("forced sales are stopped"), default=False, help_text=_("The firm's kill switch.")
    )
    are_settlements_reported = models.BooleanField(
        _("settlements are reported"),
        default=False,
        db_default=False,
        editable=False,
        help_text=_("The clearing house reports what settled; otherwise trades settle on paper when due."),
    )
    went_live_at = models.DateTimeField(
        _("went live at"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Nothing is lent before two people let the firm go live."),
    )

    class Meta:
        verbose_name = _("broker")
        verbose_name_plural = _("brokers")

    def __str__(self) -> str:
        return self.name


class Staff(models.Model):
    """The broker a back-office user works for.

    A user without one is a house operator: the back office shows them every broker; the API asks that they be a
    superuser, because a session left open there reaches further.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, verbose_name=_("user"))
    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))

    class Meta:
        verbose_name = _("staff member")
        verbose_name_plural = _("staff members")

    def __str__(self) -> str:
        return f"{self.user} @ {self.broker}"


class ApiKey(models.Model):
    """A broker system's credential; only the hash of the secret is kept."""

    broker = models.ForeignKey("margin.Broker", on_delete=models.PROTECT, verbose_name=_("broker"))
    label = models.CharField(_("label"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True)
    secret_hash = models.CharField(_("secret hash"), max_length=64, editable=False)
    created_at = models.DateTimeField(_("created at"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    may_post_journals = models.BooleanField(
        _("may post journals"),
        default=False,
        db_default=False,
        help_text=_("Journals of its own choice, which pass by the rules of lending."),
    )

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.label} ({self.prefix})"
