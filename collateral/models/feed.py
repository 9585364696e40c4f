from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import price_field


class PriceFeed(models.Model):
    """How a configured source of prices is doing, and where it goes on; its address stands in the settings."""

    class Kind(models.TextChoices):
        CSV = "csv", _("File over HTTP")
        CCXT = "ccxt", _("Trading venue (ccxt)")

    code = models.CharField(_("code"), max_length=40, unique=True)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    is_paused = models.BooleanField(_("is paused"), default=False)
    next_poll_at = models.DateTimeField(_("next poll at"), null=True, blank=True)
    # The poll that may report; one whose time ran out and that another took over is not heard any more.
    claim = models.UUIDField(_("claim"), null=True, blank=True, editable=False)
    last_polled_at = models.DateTimeField(_("last polled at"), null=True, blank=True)
    last_success_at = models.DateTimeField(_("last success at"), null=True, blank=True)
    last_error_at = models.DateTimeField(_("last error at"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=200, blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    taken = models.PositiveIntegerField(_("taken at the last success"), default=0)
    refused = models.PositiveIntegerField(_("refused at the last success"), default=0)
    etag = models.CharField(_("entity tag"), max_length=200, blank=True)
    last_modified = models.CharField(_("last modified"), max_length=100, blank=True)
    content_hash = models.CharField(_("content hash"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("price feed")
        verbose_name_plural = _("price feeds")
        constraints = [
            models.CheckConstraint(
                name="collateral_pricefeed_failing_says_why",
                condition=Q(failures=0) | (Q(last_error_at__isnull=False) & ~Q(last_error="")),
            ),
            models.CheckConstraint(
                name="collateral_pricefeed_polled_before_done",
                condition=Q(last_success_at__isnull=True) | Q(last_polled_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class FeedRefusal(models.Model):
    """One line or quote of a feed that was not taken in, and why."""

    feed = models.ForeignKey(
        "collateral.PriceFeed",
        on_delete=models.PROTECT,
        related_name="refusals",
        verbose_name=_("price feed"),
    )
    received_at = models.DateTimeField(_("received at"))
    line = models.PositiveIntegerField(_("line"))
    text = models.CharField(_("as it came"), max_length=200, blank=True)
    code = models.CharField(_("code"), max_length=40)
    reason = models.CharField(_("reason"), max_length=300)

    class Meta:
        verbose_name = _("refused price")
        verbose_name_plural = _("refused prices")
        constraints = [models.CheckConstraint(name="collateral_feedrefusal_says_why", condition=~Q(code=""))]
        indexes = [models.Index(fields=["feed", "-id"], name="collateral_feedrefusal_latest")]

    def __str__(self) -> str:
        return f"{self.line}: {self.code}"


class SourceQuote(models.Model):
    """What one source would pay and ask at a moment; a price is made of several, or of one where one is enough."""

    instrument = models.ForeignKey(
        "collateral.Instrument", on_delete=models.PROTECT, related_name="quotes", verbose_name=_("instrument")
    )
    source = models.CharField(_("source"), max_length=40)
    bid = price_field(_("bid"))
    ask = price_field(_("ask"))
    currency = models.CharField(_("currency"), max_length=12)
    observed_at = models.DateTimeField(_("observed at"))
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("source quote")
        verbose_name_plural = _("source quotes")
        constraints = [
            models.CheckConstraint(
                name="collateral_sourcequote_bid_not_above_ask", condition=Q(bid__gt=0, bid__lte=F("ask"))
            ),
            models.CheckConstraint(
                name="collateral_sourcequote_not_from_the_future",
                condition=Q(observed_at__lte=F("received_at")),
            ),
            models.UniqueConstraint(
                fields=["instrument", "source", "observed_at"], name="collateral_sourcequote_observed_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.instrument_id} {self.bid}–{self.ask}"


class PriceComponent(models.Model):
    """One of the quotes that an agreed price is the median of."""

    price = models.ForeignKey(
        "collateral.Price", on_delete=models.PROTECT, related_name="components", verbose_name=_("price")
    )
    quote = models.ForeignKey(
        "collateral.SourceQuote", on_delete=models.PROTECT, related_name="+", verbose_name=_("source quote")
    )

    class Meta:
        verbose_name = _("component of a price")
        verbose_name_plural = _("components of prices")
        constraints = [
            models.UniqueConstraint(fields=["price", "quote"], name="collateral_pricecomponent_once")
        ]

    def __str__(self) -> str:
        return f"{self.price_id} {self.quote_id}"
