from __future__ import annotations

from datetime import date

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.core.clock import HONG_KONG
from ledger.core.fields import ExactMoneyField, price_field, rate_field


class ForcedSale(models.Model):
    """A plan to sell the least that cures a facility, and the life of its execution.

    The plan is immutable and known by its hash; a release approves that hash and no other.
    """

    class Status(models.TextChoices):
        PLANNED = "planned", _("Planned")
        SUBMITTED = "submitted", _("Awaiting release")
        APPROVED = "approved", _("Released")
        EXECUTING = "executing", _("Executing")
        FILLED = "filled", _("Filled")
        CLOSED = "closed", _("Closed")
        REJECTED = "rejected", _("Rejected")
        SUPERSEDED = "superseded", _("Superseded")

    # A filled sale only waits for settlement; if the account falls short again it may be planned anew.
    LIVE = (Status.PLANNED, Status.SUBMITTED, Status.APPROVED, Status.EXECUTING)

    call = models.ForeignKey(
        "margin.MarginCall", on_delete=models.PROTECT, related_name="sales", verbose_name=_("margin call")
    )
    plan_number = models.PositiveSmallIntegerField(_("plan number"))
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.PLANNED)
    valuation = models.ForeignKey(
        "margin.Valuation", on_delete=models.PROTECT, related_name="sales", verbose_name=_("valuation")
    )
    plan = models.JSONField(_("plan"))
    plan_hash = models.CharField(_("plan hash"), max_length=64)
    target_utilisation = rate_field(_("target utilisation"))
    expected_gross = ExactMoneyField(_("expected gross proceeds"))
    is_optimality_proved = models.BooleanField(_("is proved least-cost"))
    planned_at = models.DateTimeField(_("planned at"))
    maker = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("maker"),
    )
    checker = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("checker"),
    )
    approval_rule = models.CharField(_("release rule"), max_length=80, blank=True)
    approved_hash = models.CharField(_("released hash"), max_length=64, blank=True)
    approved_at = models.DateTimeField(_("released at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("forced sale")
        verbose_name_plural = _("forced sales")
        constraints = [
            models.UniqueConstraint(fields=["call", "plan_number"], name="margin_forcedsale_plan_once"),
            models.UniqueConstraint(
                fields=["call"],
                condition=Q(status__in=["planned", "submitted", "approved", "executing"]),
                name="margin_forcedsale_one_live",
            ),
            models.CheckConstraint(
                name="margin_forcedsale_maker_is_not_checker",
                condition=Q(checker__isnull=True) | ~Q(checker=F("maker")),
                violation_error_message=_("The maker may not be the checker."),
            ),
            models.CheckConstraint(
                name="margin_forcedsale_released_by_someone",
                condition=Q(status__in=["planned", "submitted", "rejected", "superseded"])
                | (
                    Q(approved_hash=F("plan_hash"), approved_at__isnull=False)
                    & (
                        Q(maker__isnull=False, checker__isnull=False, approval_rule="")
                        | (Q(checker__isnull=True) & ~Q(approval_rule=""))
                    )
                ),
            ),
        ]
        indexes = [models.Index(fields=["status"], name="margin_forcedsale_status")]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        return f"FS-{self.call.facility.client.number}-{self.call.number}-{self.plan_number}"


class SaleLeg(models.Model):
    """What a released plan may sell of one asset at most, and why."""

    sale = models.ForeignKey(
        "margin.ForcedSale", on_delete=models.PROTECT, related_name="legs", verbose_name=_("forced sale")
    )
    position = models.PositiveSmallIntegerField(_("position"))
    asset = models.ForeignKey("ledger.Asset", on_delete=models.PROTECT, verbose_name=_("asset"))
    quantity = price_field(_("quantity"))
    reference_price = price_field(_("reference price"))
    currency = models.CharField(_("currency"), max_length=12)
    expected_gross = ExactMoneyField(_("expected gross"))
    expected_fees = ExactMoneyField(_("expected fees"))
    why = models.CharField(_("why"), max_length=200)

    class Meta:
        verbose_name = _("sale leg")
        verbose_name_plural = _("sale legs")
        constraints = [
            models.UniqueConstraint(fields=["sale", "asset"], name="margin_saleleg_asset_once"),
            models.CheckConstraint(name="margin_saleleg_quantity_positive", condition=Q(quantity__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} {self.quantity}"


class SaleOrder(models.Model):
    """An order to a venue. UNKNOWN is a state: the venue is asked before anything is sent again."""

    class Status(models.TextChoices):
        NEW = "new", _("New")
        SENT = "sent", _("Sent")
        ACKNOWLEDGED = "acknowledged", _("Acknowledged")
        PART_FILLED = "part_filled", _("Part filled")
        UNKNOWN = "unknown", _("Unknown")
        FILLED = "filled", _("Filled")
        CANCELLED = "cancelled", _("Cancelled")
        REJECTED = "rejected", _("Rejected")

    LIVE = (Status.NEW, Status.SENT, Status.ACKNOWLEDGED, Status.PART_FILLED, Status.UNKNOWN)

    leg = models.ForeignKey(
        "margin.SaleLeg", on_delete=models.PROTECT, related_name="orders", verbose_name=_("sale leg")
    )
    client_order_id = models.CharField(_("client order id"), max_length=80, unique=True)
    slice_number = models.PositiveSmallIntegerField(_("slice"))
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.NEW)
    quantity = price_field(_("quantity"))
    filled_quantity = price_field(_("filled quantity"), default=0)
    limit_price = price_field(_("limit price"))
    venue_reference = models.CharField(_("venue reference"), max_length=80, blank=True, db_default="")
    reason = models.CharField(_("reason of the venue"), max_length=200, blank=True, db_default="")
    created_at = models.DateTimeField(_("created at"))
    cancel_asked_at = models.DateTimeField(_("asked to be taken off at"), null=True, blank=True)
    final_at = models.DateTimeField(_("final at"), null=True, blank=True)

    class Meta:
        verbose_name = _("sale order")
        verbose_name_plural = _("sale orders")
        constraints = [
            models.UniqueConstraint(fields=["leg", "slice_number"], name="margin_saleorder_slice_once"),
            models.CheckConstraint(
                name="margin_saleorder_not_overfilled",
                condition=Q(quantity__gt=0, filled_quantity__gte=0, filled_quantity__lte=F("quantity")),
            ),
        ]
        indexes = [models.Index(fields=["status"], name="margin_saleorder_status")]

    def __str__(self) -> str:
        return self.client_order_id

    @property
    def was_refused(self) -> bool:
        """Whether the venue rejected it, or took it off unasked with nothing done."""
        was_dropped = self.status == self.Status.CANCELLED and not self.filled_quantity
        return self.status == self.Status.REJECTED or (was_dropped and self.cancel_asked_at is None)


class Fill(models.Model):
    """A trade that was done, posted exactly once, and its settlement."""

    order = models.ForeignKey(
        "margin.SaleOrder", on_delete=models.PROTECT, related_name="fills", verbose_name=_("order")
    )
    venue = models.CharField(_("venue"), max_length=8)
    execution_id = models.CharField(_("execution id"), max_length=80)
    quantity = price_field(_("quantity"))
    price = price_field(_("price"))
    fx_rate = models.ForeignKey(
        "collateral.FxRate", on_delete=models.PROTECT, null=True, verbose_name=_("exchange rate")
    )
    gross = ExactMoneyField(_("gross"))
    fees = models.JSONField(_("fees"))
    fees_total = ExactMoneyField(_("total fees"))
    net = ExactMoneyField(_("net"))
    traded_at = models.DateTimeField(_("traded at"))
    settles_on = models.DateField(_("settlement date"))
    trade_journal = models.OneToOneField(
        "ledger.Journal", on_delete=models.PROTECT, related_name="+", verbose_name=_("trade journal")
    )
    settlement_journal = models.OneToOneField(
        "ledger.Journal",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("settlement journal"),
    )
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)

    class Meta:
        verbose_name = _("fill")
        verbose_name_plural = _("fills")
        constraints = [
            models.UniqueConstraint(fields=["venue", "execution_id"], name="margin_fill_execution_once"),
            models.CheckConstraint(
                name="margin_fill_positive", condition=Q(quantity__gt=0, price__gt=0, gross__gt=0)
            ),
        ]
        indexes = [
            models.Index(
                fields=["settles_on"], condition=Q(settled_at__isnull=True), name="margin_fill_unsettled"
            )
        ]

    def __str__(self) -> str:
        return f"{self.venue} {self.execution_id}"

    @property
    def traded_on(self) -> date:
        """The Hong Kong day of the trade."""
        return self.traded_at.astimezone(HONG_KONG).date()
