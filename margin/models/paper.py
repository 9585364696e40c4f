from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.core.fields import price_field


class PaperOrder(models.Model):
    """The paper venue's own record of an order; nobody but the venue writes it."""

    venue = models.CharField(_("venue"), max_length=8)
    client_order_id = models.CharField(_("client order id"), max_length=80)
    code = models.CharField(_("code"), max_length=16)
    quantity = price_field(_("quantity"))
    limit_price = price_field(_("limit price"))
    received_at = models.DateTimeField(_("received at"))
    reason = models.CharField(_("why it was rejected"), max_length=40, blank=True, db_default="")
    fault = models.CharField(_("fault to play"), max_length=16, blank=True, db_default="")
    is_told_late = models.BooleanField(_("told its trades late"), default=False, db_default=False)
    is_cancelled = models.BooleanField(_("is cancelled"), default=False)

    class Meta:
        verbose_name = _("paper venue order")
        verbose_name_plural = _("paper venue orders")
        constraints = [
            models.UniqueConstraint(fields=["venue", "client_order_id"], name="margin_paperorder_once")
        ]

    def __str__(self) -> str:
        return self.client_order_id


class PaperExecution(models.Model):
    """A trade the paper venue did, at a price the market showed."""

    order = models.ForeignKey(
        "margin.PaperOrder", on_delete=models.PROTECT, related_name="executions", verbose_name=_("order")
    )
    execution_id = models.CharField(_("execution id"), max_length=80, unique=True)
    quantity = price_field(_("quantity"))
    price = price_field(_("price"))
    executed_at = models.DateTimeField(_("executed at"))

    class Meta:
        verbose_name = _("paper venue execution")
        verbose_name_plural = _("paper venue executions")

    def __str__(self) -> str:
        return self.execution_id
